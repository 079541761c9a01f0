"""The entries of a segment's index: what they look like in the file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

# What an index begins with.
MAGIC = b"dataload segment 1\n"
# Data have a checksum for each block of this size, so that a part of them is checked without reading all.
BLOCK = 64 << 10
# What an entry is of, for who lists a cache: parts of objects of a store, what is known about such objects, results of
# transforms, and the mark that nothing follows in this segment.
OBJECT, ABOUT, VALUE, END = b"obj\0", b"stat", b"val\0", b"end\0"

# Length and CRC-32 of all that follows the two.
_FRAME = struct.Struct("<II")
_BODY = struct.Struct("<4s16sQQQ")
_WITHOUT_KIND = struct.Struct("<16sQQQ")
# No entry is shorter than this.
SMALLEST = _FRAME.size + _BODY.size


class Entry(NamedTuple):
    """Some bytes of a value, and where they are.

    Attributes:
        kind: what the value is.
        key: digest of the value's key, of 16 bytes.
        start: where in the value the bytes begin.
        stop: where in it they end.
        offset: where they begin in the segment's data.
        sums: CRC-32 of each block of the data, 4 bytes each, little endian.
    """

    kind: bytes
    key: bytes
    start: int
    stop: int
    offset: int
    sums: bytes

    def encode(self) -> bytes:
        """Return the entry as it stands in the index."""
        body = _BODY.pack(self.kind, self.key, self.start, self.stop, self.offset) + self.sums
        return _FRAME.pack(_FRAME.size + len(body), zlib.crc32(body)) + body

    def blocks(self, start: int, stop: int) -> tuple[int, int, int]:
        """Return which data must be read for bytes `start` to `stop` of the value.

        Returns:
            Where the data begin and end, counted from `offset`, and the number of the first block among them.
        """
        first = (start - self.start) // BLOCK
        end = min(-(-(stop - self.start) // BLOCK) * BLOCK, self.stop - self.start)
        return first * BLOCK, end, first

    def holds(self, data: bytes | memoryview, first: int) -> bool:
        """Return whether data, which begin with block `first`, are those that were written."""
        view = memoryview(data)
        blocks = (view[at : at + BLOCK] for at in range(0, len(view), BLOCK))
        wanted = self.sums[4 * first : 4 * first + 4 * -(-len(data) // BLOCK)]
        return b"".join(zlib.crc32(block).to_bytes(4, "little") for block in blocks) == wanted


def checksums(data: bytes | memoryview) -> bytes:
    """Return the CRC-32 of each block of data, 4 bytes each, little endian."""
    view = memoryview(data)
    return b"".join(zlib.crc32(view[at : at + BLOCK]).to_bytes(4, "little") for at in range(0, len(view), BLOCK))


def encoded_size(size: int) -> int:
    """Return how long the entry for so many bytes of data is."""
    return SMALLEST + 4 * -(-size // BLOCK)


def decode(index: bytes | bytearray, at: int) -> Entry | None:
    """Return the entry that begins at a place, None where none that is whole does."""
    if len(index) - at < SMALLEST:
        return None
    length, crc = _FRAME.unpack_from(index, at)
    if length < SMALLEST or length > len(index) - at:
        return None
    with memoryview(index) as view, view[at + _FRAME.size : at + length] as body:
        if zlib.crc32(body) != crc:
            return None
        kind, key, start, stop, offset = _BODY.unpack_from(body)
        entry = Entry(kind, key, start, stop, offset, bytes(body[_BODY.size :]))
    return entry if encoded_size(entry.stop - entry.start) == length else None


def look_at(index: bytes | bytearray, at: int) -> tuple[bytes, int, int, int]:
    """Return key, start, stop and offset of an entry that was found to be whole before."""
    key, start, stop, offset = _WITHOUT_KIND.unpack_from(index, at + _FRAME.size + 4)
    return key, start, stop, offset


def decode_all(index: bytes | bytearray, at: int = 0) -> Iterator[tuple[int, int, Entry]]:
    """Yield the entries from a place on, each with where it begins and ends, up to the first that is not whole."""
    while (entry := decode(index, at)) is not None:
        end = at + encoded_size(entry.stop - entry.start)
        yield at, end, entry
        at = end
