"""Tar archives as tests need them: written by `tarfile`, or header by header."""

import io
import os
import re
import tarfile
from pathlib import Path

from dataload.storage.local import LocalStore
from dataload.storage.places import Place, Shard

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def write(path, members, format="pax"):
    """Write an archive of (name, body); a body that is a type of tarfile is a member of that type without bytes."""
    with tarfile.open(path, "w", format=FORMATS[format]) as archive:
        for name, body in members:
            info = tarfile.TarInfo(name)
            if isinstance(body, int):
                body = bytes([body])
                info.type, info.linkname = body, "elsewhere"
                archive.addfile(info)
            else:
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
    return path


def members(path):
    """The members of an archive that are files, as tarfile finds them: (name, where its bytes begin, their number)."""
    with tarfile.open(path, "r:") as archive:
        return [(info.name, info.offset_data, info.size) for info in archive if info.isreg()]


def grouped(found):
    """What WebDataset makes of members: [(key, {suffix: (offset, size)})]."""
    samples = []
    for name, offset, size in found:
        if re.match("__[^/]*__($|/)", name):
            continue
        match = re.match(r"^((?:.*/|)[^./][^./]*)[.]([^/]*)$", name, re.DOTALL)
        if match is None:
            continue
        key, suffix = match.group(1), match.group(2).lower()
        if not samples or samples[-1][0] != key:
            samples.append((key, {}))
        if suffix in samples[-1][1]:
            raise ValueError("twice")
        samples[-1][1][suffix] = (offset, size)
    return samples


def scanned(scan):
    """A Scan in the form of `grouped`."""
    return [
        (
            os.fsdecode(key),
            {
                suffix: (int(scan.offsets[suffix][i]), int(scan.sizes[suffix][i]))
                for suffix in scan.offsets
                if scan.sizes[suffix][i] >= 0
            },
        )
        for i, key in enumerate(scan.keys)
    ]


def header(name, size=0, kind=b"0", *, magic=b"ustar\x0000", size_field=None, prefix=b""):
    """A header with its checksum; the body is for the caller to add."""
    block = bytearray(512)
    block[:100] = name.ljust(100, b"\0")
    block[100:108] = b"0000644\0"
    block[124:136] = size_field if size_field is not None else b"%011o\0" % size
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = magic
    block[345 : 345 + len(prefix)] = prefix
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(body):
    return body + bytes(-len(body) % 512)


def record(key, value):
    """A record of an extended header of pax."""
    n = len(key) + len(value) + 3
    while len(str(n)) + len(key) + len(value) + 3 != n:
        n = len(str(n)) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (n, key, value)


END = bytes(1024)


class Bucket(LocalStore):
    """The files of a folder as a remote store, which notes what is read."""

    remote = True

    def __init__(self, folder):
        super().__init__()
        self.folder = str(folder)
        self.reads = []

    def url(self, name):
        return f"bucket://{Path(self.folder).name}/{name}"

    def stat(self, name):
        return super().stat(f"{self.folder}/{name}")

    def read(self, name, start=0, stop=None, tag=""):
        self.reads.append((name, start, stop))
        return super().read(f"{self.folder}/{name}", start, stop, tag)

    def read_many(self, ranges):
        return [self.read(*one) for one in ranges]

    def __reduce__(self):
        return Bucket, (self.folder,)

    def shards(self):
        """The archives in it."""
        names = sorted(path.name for path in Path(self.folder).glob("*.tar"))
        return [Shard(Place(self, name), *self.stat(name)) for name in names]
