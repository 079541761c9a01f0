"""Indexes of other programs beside a tar archive: read in place of the archive, or to hop through it faster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from dataload.errors import DecodeError
from dataload.shards.beside import Unfit, scan_by_index
from dataload.shards.scanning import Scan
from dataload.shards.tar import Hops, Members, scan_tar
from dataload.shards.tar_headers import BLOCK, split_name
from dataload.storage.places import Shard

_DALI = b"v1.2 "
# So many parts of one remote archive are hopped through at the same time.
_PARTS = 8


def scan_beside(shard: Shard) -> Scan:
    """Return the samples of a tar archive, by a foreign index beside it where there is one that helps.

    NVIDIA DALI's `wds2idx` names every member, and is taken as it is once the first and last of them were found in the
    archive. The indexes of Megatron-Energon and lhotse (.tar.idx) say where samples begin: by them the parts of a
    remote archive are hopped through at the same time.

    Raises:
        DecodeError: see `scan_tar`.
        StorageError: the archive cannot be read.
    """
    name = shard.place.name
    return scan_by_index(shard, (f"{name}.idx", f"{name.removesuffix('.tar')}.idx"), _use, scan_tar)


def _use(data: bytes, shard: Shard) -> Scan | None:
    if data.startswith(_DALI):
        return _named(data, shard).scan()
    if shard.place.store.remote and (starts := _starts(data, shard)) is not None:
        return _in_parts(starts, shard).scan()
    return None


def _named(data: bytes, shard: Shard) -> Members:
    """Return the members that an index of DALI names: lines of suffix, offset, size and name of each."""
    first, *lines = data.decode("ascii", "replace").splitlines()
    members = Members(shard)
    for line in lines:
        words = line.split(" ")
        for suffix, offset, size, name in zip(words[::4], words[1::4], words[2::4], words[3::4], strict=False):
            if not (offset.isdigit() and size.isdigit() and len(offset) < 19 and len(size) < 19):
                raise Unfit(f"has {offset!r} and {size!r} where offset and size of a member should be")
            # What is no ASCII is quoted there, and the name is not what stands in the archive.
            if not name.endswith(suffix) or "\\" in name or "\ufffd" in name:
                raise Unfit(f"has the name {name!r}, of which it is not certain what it is in the archive")
            if int(offset) % BLOCK or int(offset) + int(size) > shard.size:
                raise Unfit(
                    f"has the member {name!r} at bytes {offset} to {int(offset) + int(size)}, where none can be"
                )
            split = split_name(name.encode())
            if split is not None:
                members.add(*split, int(offset), int(size))
        if len(words) % 4:
            raise Unfit("has a line that is not suffix, offset, size and name of each member")
    if not members.offsets or first.split()[1:] != [str(len(lines))]:
        raise Unfit(f"begins with {first!r}, and has {len(lines)} samples")
    _compare(members, shard)
    return members


def _compare(members: Members, shard: Shard) -> None:
    """Raise Unfit unless the first member and the last, and none before or after, are in the archive."""
    found = Members(shard)
    try:
        Hops(shard, found).run(0, members.offsets[0])
        Hops(shard, found).run(members.offsets[-1] - BLOCK, shard.size)
    except DecodeError as error:
        raise Unfit(f"is of another archive, or the archive is damaged ({error})") from None
    ends = [(members.offsets[i], members.sizes[i]) for i in (0, -1)]
    if list(zip(found.offsets, found.sizes, strict=True)) != ends:
        raise Unfit("does not say what is in the archive: was that changed since?")


def _starts(data: bytes, shard: Shard) -> NDArray[np.int64] | None:
    """Return where samples begin, None where this is no such index: numbers of 8 bytes, the last of them the end."""
    if not data or len(data) % 8:
        return None
    starts = np.frombuffer(data, "<u8")
    if (starts % BLOCK).any() or (starts[1:] <= starts[:-1]).any() or starts[-1] > shard.size:
        raise Unfit("does not say where samples begin in the archive: was that changed since?")
    return starts[:-1].astype(np.int64)


def _in_parts(starts: NDArray[np.int64], shard: Shard) -> Members:
    """Return the members of an archive that is hopped through in parts at the same time."""
    cuts = [0, *(int(part[0]) for part in np.array_split(starts, _PARTS)[1:] if part.size and part[0])]
    stops = [*cuts[1:], shard.size]

    def part(start: int, stop: int) -> Members:
        members = Members(shard)
        if (end := Hops(shard, members).run(start, stop)) != stop and stop != shard.size:
            raise Unfit(f"says that a sample begins at byte {stop} of the archive, and a member ends at {end}")
        return members

    with ThreadPoolExecutor(len(cuts), "dataload-index") as pool:
        try:
            found = list(pool.map(part, cuts, stops))
        except DecodeError as error:
            raise Unfit(f"does not say where samples begin in the archive ({error})") from None
    members = found[0]
    for other in found[1:]:
        members.extend(other)
    return members
