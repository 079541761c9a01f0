"""MPEG audio (MP3): how many frames there are, where no table says so or where it says less.

libmpg123 takes the length from the Xing or VBRI table in the first frame. Without one it estimates it from the bit rate
of the first frames, which a variable bit rate makes wrong by any factor; what stands behind the end of the table (a
second file, a stream of another rate) it does not look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from dataload.audio.blocks import Memory
from dataload.audio.flac_stream import check_same

ReadAt = Callable[[int, int], bytes]

_TABLE = re.compile(rb"Xing|Info|VBRI")
_SYNC = re.compile(rb"\xff[\xe2-\xff]")
# What may stand behind the last frame.
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
_ID3_HEAD = 10
_ID3_AT_THE_END = 128
# (first version or a later one, layer): bit rates in kbit/s.
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLES = {(1, 1): 384, (1, 2): 1152, (1, 3): 1152, (2, 1): 384, (2, 2): 1152, (2, 3): 576}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class Frame(NamedTuple):
    """The header of one frame.

    Attributes:
        length: in bytes, the header included.
        samples: of each channel.
        rate: in Hz.
        channels: 1 or 2.
        table: where a Xing table stands in such a frame, in bytes from its start.
    """

    length: int
    samples: int
    rate: int
    channels: int
    table: int


class Stream(NamedTuple):
    """Frames that belong together.

    Attributes:
        start, stop: of them in the file, in bytes, a frame with a table included.
        frames: how many hold sound.
        first: the first of them.
    """

    start: int
    stop: int
    frames: int
    first: Frame


@lru_cache(maxsize=4_096)
def read_frame(head: bytes) -> Frame | None:
    """Return what the four bytes of a frame header say; None for those that are none, or of a free bit rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer, bits, rate = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    family = 1 if version == 3 else 2
    hertz, samples, padding = _RATES[version][rate], _SAMPLES[family, layer], head[2] >> 1 & 1
    bits_per_second = 1_000 * _KBITS[family, layer][bits - 1]
    if layer == 1:
        length = 4 * (12 * bits_per_second // hertz + padding)
    else:
        length = samples * bits_per_second // (8 * hertz) + padding
    mono = head[3] >> 6 == 3
    table = 4 + ((17 if mono else 32) if family == 1 else (9 if mono else 17))
    return Frame(length, samples, hertz, 1 if mono else 2, table)


def begin(read_at: ReadAt) -> int:
    """Return where the first frame is expected: behind the ID3 tags at the start."""
    at = 0
    while (head := read_at(at, _ID3_HEAD))[:3] == b"ID3" and len(head) == _ID3_HEAD:
        at += _tag_length(head)
    return at


def _tag_length(head: bytes) -> int:
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    return _ID3_HEAD + length + (_ID3_HEAD if head[5] & 0x10 else 0)


def has_true_table(read_at: ReadAt, size: int) -> bool:
    """Tell whether the first frame holds a table that accounts for the whole file, so that its length is exact."""
    at = begin(read_at)
    head = read_at(at, 192)
    frame = read_frame(head[:4])
    if frame is None:
        return False
    table = head[frame.table : frame.table + 16]
    if table[:4] not in (b"Xing", b"Info") or len(table) < 16 or table[7] & 3 != 3:
        return False
    frames, length = int.from_bytes(table[8:12], "big"), int.from_bytes(table[12:16], "big")
    if frames == 0 or length == 0:
        return False
    behind = at + length
    # Some writers count the frame of the table, some do not.
    return size - behind <= 2 * frame.length + 4 or read_at(behind, 11).startswith(_TAGS[:3])


def streams(data: bytes) -> list[Stream]:
    """Return the streams that stand one behind the other: each has a table of its own, a tag before it, or a rate."""
    tables = {match.start() - 36 for match in _TABLE.finditer(data)}
    tables |= {match.start() - place for match in _TABLE.finditer(data) for place in (21, 13)}
    found: list[Stream] = []
    at = start = begin(lambda offset, n: data[offset : offset + n])
    first: Frame | None = None
    frames = 0
    size = len(data)

    def close(stop: int) -> None:
        nonlocal first, frames, start
        if first is not None and frames:
            found.append(Stream(start, stop, frames, first))
        first, frames, start = None, 0, stop

    while at + 4 <= size:
        frame = read_frame(data[at : at + 4])
        if frame is None or at + frame.length > size:
            if data[at : at + 3] == b"ID3":
                close(at)
                start = at = at + _tag_length(data[at : at + _ID3_HEAD])
            elif (at := _next_frame(data, at + 1)) < 0:
                break
            continue
        if at in tables and data[at + frame.table : at + frame.table + 4] in (b"Xing", b"Info", b"VBRI"):
            close(at)
            first = frame
        else:
            if first is not None and (first.rate, first.channels) != (frame.rate, frame.channels):
                close(at)
            first = first or frame
            frames += 1
        at += frame.length
    close(min(at, size) if at >= 0 else size)
    return found


def _next_frame(data: bytes, at: int) -> int:
    """Return where the next two frames stand one behind the other, -1 where there are none."""
    for match in _SYNC.finditer(data, at):
        place = match.start()
        if frame := read_frame(data[place : place + 4]):
            other = read_frame(data[place + frame.length : place + frame.length + 4])
            if other and (other.rate, other.samples) == (frame.rate, frame.samples):
                return place
    return -1


class Longer(Memory):
    """The bytes of a stream without a table, in a file that says it is longer than it is.

    libsndfile reads no further than the length that libmpg123 estimates from that of the file and the first frame.
    """

    def __init__(self, data: bytes, frames: int, first: Frame) -> None:
        super().__init__(data)
        self._length = max(len(data), frames * (first.length + 1) * 5 // 4 + 4_096)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a place, counted from the length that the file is to have where `whence` is the end."""
        if whence == os.SEEK_END:
            return super().seek(self._length + offset)
        return super().seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        """Read what is there; the end, where libmpg123 looks for an ID3 tag, is zeros."""
        at = self.tell()
        if at < self._length - _ID3_AT_THE_END:
            return super().readinto(buffer)
        size = len(buffer)
        buffer[:] = bytes(size)
        super().seek(at + size)
        return size


def split(name: str, data: bytes) -> list[tuple[Memory, int | None]]:
    """Return the streams of a file, and how many samples each has where it has no table that says so.

    Raises:
        DecodeError: its sample rate or its number of channels changes.
    """
    found = streams(data)
    for stream in found[1:]:
        check_same(name, found[0].first.rate, stream.first.rate, found[0].first.channels, stream.first.channels)
    return [_opened(data[stream.start : stream.stop], stream) for stream in found]


def _opened(data: bytes, stream: Stream) -> tuple[Memory, int | None]:
    first = stream.first
    table = data[first.table : first.table + 12]
    if table[:4] in (b"Xing", b"Info") and table[7] & 1 and int.from_bytes(table[8:12], "big") >= stream.frames:
        return Memory(data), None
    if table[:4] in (b"Xing", b"Info", b"VBRI"):
        data = data[first.length :]
    return Longer(data, stream.frames, read_frame(data[:4]) or first), stream.frames * first.samples
