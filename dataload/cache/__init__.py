"""Values by key on a disk: bounded, shared by all processes of a machine, and safe when one of them is killed.

It knows nothing of networks, nor of what the values are. A folder holds segments, of two files each: the data, one
behind the other, and an index with an entry for each of them. Both only grow, each segment has one writer at a time,
and any process reads all of them. An entry is written after its data, and holds their checksums: what a killed process
left half done, or what a disk has damaged, is not there for anybody.
"""
