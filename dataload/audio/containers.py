"""AIFF, AU, CAF, W64 and NIST SPHERE: how many bytes of sound their headers claim, and how many are there.

libsndfile reads them, and takes a file that was cut off for a shorter one; sizes that were never filled in some of
these it takes for damage. Here is found which it is, and what has to be written into the header for libsndfile to read
what is there.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from dataload.audio.wav import NEVER_FILLED, ReadAt, believed

_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_NIST_FIELD = re.compile(rb"^(\w+) -(?:i|s\d+) (\d+)", re.MULTILINE)
_NIST_NAMES = (b"sample_count", b"channel_count", b"sample_n_bytes")


class Claim(NamedTuple):
    """The size of the sound.

    Attributes:
        claimed: bytes that the header speaks of; None where it does not know.
        held: bytes that are there.
        frame_bytes: of one frame; 1 where that is not known, as of compressed sound.
        place: where the size stands in the file.
        size: what it must be for what is there, as bytes.
    """

    claimed: int | None
    held: int
    frame_bytes: int
    place: int
    size: bytes


def read_claim(read_at: ReadAt, size: int, start: bytes) -> Claim | None:
    """Return the claim of a file of one of these kinds, None for others and where no sound is found.

    Args:
        read_at: returns `n` bytes, or those that are there, as read_at(offset, n).
        size: of the file in bytes.
        start: its first 12 bytes.
    """
    read = _READERS.get(start[:4])
    return read(read_at, size) if read else None


def _claim(
    read_at: ReadAt, size: int, offset: int, claimed: int, total: int, frame: int
) -> tuple[int | None, int, int]:
    there = size - offset
    known = believed(claimed, there, offset, total, read_at, ">")
    return known, there if known is None else min(known, there), max(1, frame)


def _aiff(read_at: ReadAt, size: int) -> Claim | None:
    head = read_at(0, 12)
    if head[8:] not in (b"AIFF", b"AIFC"):
        return None
    total = int.from_bytes(head[4:8], "big") + 8
    frame = 0
    found = None
    position = 12
    while position + 8 <= size:
        name, length = struct.unpack(">4sI", read_at(position, 8))
        if name == b"COMM":
            body = read_at(position + 8, 22)
            if len(body) < 18:
                return None
            channels, bits = struct.unpack(">H4xH", body[:8])
            if head[8:] == b"AIFF" or body[18:22] in (b"NONE", b"sowt", b"twos", b"fl32", b"FL32", b"fl64", b"FL64"):
                frame = channels * ((bits + 7) // 8)
            if found:
                break
        elif name == b"SSND":
            offset = position + 16
            # The size counts eight bytes in front of the samples.
            found = (offset, length if length in NEVER_FILLED else max(0, length - 8), position + 4)
            if believed(found[1], size - offset, offset, total, read_at, ">") != found[1] or frame:
                break
        position += 8 + length + length % 2
    if found is None:
        return None
    offset, claimed, place = found
    if size <= offset:
        return Claim(claimed, 0, max(1, frame), place, b"")
    known, held, unit = _claim(read_at, size, offset, claimed, total, frame)
    return Claim(known, held, unit, place, struct.pack(">I", min(held + 8, 0xFFFFFFFF)))


def _au(read_at: ReadAt, size: int) -> Claim | None:
    head = read_at(0, 24)
    if len(head) < 24:
        return None
    order = "<" if head[:4] in (b"dns.", b"ds.\0") else ">"
    offset, claimed, coding, _, channels = struct.unpack(order + "5I", head[4:])
    width = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(coding, 0)
    if offset >= size:
        return Claim(claimed, 0, max(1, channels * width), 8, b"")
    known, held, unit = _claim(read_at, size, offset, claimed, 8, channels * width)
    return Claim(known, held, unit, 8, struct.pack(order + "I", min(held, 0xFFFFFFFF)))


def _caf(read_at: ReadAt, size: int) -> Claim | None:
    position, frame = 8, 0
    while position + 12 <= size:
        name, length = struct.unpack(">4sq", read_at(position, 12))
        if name == b"desc" and length >= 32:
            frame = int.from_bytes(read_at(position + 28, 4), "big")
        elif name == b"data":
            # The size counts four bytes in front of the samples, and -1 is how the format says "not known".
            offset = position + 16
            claimed = (length & (1 << 64) - 1) if length < 0 else max(0, length - 4)
            if size <= offset:
                return Claim(claimed, 0, max(1, frame), position + 4, b"")
            known, held, unit = _claim(read_at, size, offset, claimed, 8, frame)
            return Claim(known, held, unit, position + 4, struct.pack(">q", held + 4))
        if length < 0:
            return None
        position += 12 + length
    return None


def _w64(read_at: ReadAt, size: int) -> Claim | None:
    position, frame = 40, 0
    while position + 24 <= size:
        name, tail, length = struct.unpack("<4s12sQ", read_at(position, 24))
        if tail == _W64_TAIL and name == b"fmt ":
            frame = int.from_bytes(read_at(position + 36, 2), "little")
        elif tail == _W64_TAIL and name == b"data":
            # The size counts the 24 bytes in front of the samples.
            offset, there = position + 24, size - position - 24
            claimed = length if length > 1 << 62 else max(0, length - 24)
            if not there:
                return Claim(claimed, 0, max(1, frame), position + 16, b"")
            known, held, unit = _claim(read_at, size, offset, claimed, 8, frame)
            return Claim(known, held, unit, position + 16, struct.pack("<Q", held + 24))
        if length < 24:
            return None
        position += (length + 7) // 8 * 8
    return None


def _nist(read_at: ReadAt, size: int) -> Claim | None:
    text = read_at(0, 4_096)
    fields = dict(_NIST_FIELD.findall(text))
    lines = text.split(b"\n", 2)
    if any(name not in fields for name in _NIST_NAMES) or len(lines) < 3 or not lines[1].strip().isdigit():
        return None
    count, channels, width = (int(fields[name]) for name in _NIST_NAMES)
    offset, frame = int(lines[1]), max(1, channels * width)
    if b"shorten" in text or b"embedded" in text:
        return None
    return Claim(count * frame or None, max(0, min(size - offset, count * frame or size)), frame, 0, b"NIST")


_READERS: dict[bytes, Callable[[ReadAt, int], Claim | None]] = {
    b"FORM": _aiff,
    b".snd": _au,
    b"dns.": _au,
    b"caff": _caf,
    b"riff": _w64,
    b"NIST": _nist,
}
