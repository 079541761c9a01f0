"""What a FLAC file says of itself: its STREAMINFO, and the headers of its frames, which need not agree.

libsndfile and miniaudio believe STREAMINFO: they stop after as many frames as it claims, seek by its block size, and
never look behind the first stream. The last frame of the file, whose header carries its number, tells whether that is
the whole of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from dataload.errors import DecodeError

ReadAt = Callable[[int, int], bytes]

MARK = b"fLaC"
_STREAM = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_HEAD = 42
# A frame header is at most this long.
_FRAME_HEAD = 16
# libFLAC reads no further ahead than this.
READ_AHEAD = 1 << 14
_TOTAL = (1 << 36) - 1
_RATES = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
_BITS = (0, 8, 12, 0, 16, 20, 24, 32)
_BLOCKS = (0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << k for k in range(8)))


# By channels less one: two may be stored as one and a difference.
_ASSIGNMENTS = ((0,), (1, 8, 9, 10), *((channels - 1,) for channels in range(3, 9)))


def _crc8_table() -> bytes:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1) ^ (0x107 if value & 0x80 else 0)
        table.append(value & 0xFF)
    return bytes(table)


_CRC8 = _crc8_table()


class StreamInfo(NamedTuple):
    """The fields of STREAMINFO.

    Attributes:
        rate: in Hz.
        channels: samples in a frame.
        bits: of one sample.
        total: samples of each channel; 0 where the writer did not know.
        block: samples of each channel in the longest block.
        even: whether all blocks but the last are as long.
        smallest, largest: bytes of a block; 0 is not known.
    """

    rate: int
    channels: int
    bits: int
    total: int
    block: int
    even: bool
    smallest: int
    largest: int


class Block(NamedTuple):
    """The header of one block of samples (FLAC calls it a frame).

    Attributes:
        first: number of its first sample, or None where only the number of the block is known.
        number: of the block; 0 where `first` is known.
        samples: of each channel.
        rate: in Hz; 0 is that of STREAMINFO.
        channels: samples in a frame.
    """

    first: int | None
    number: int
    samples: int
    rate: int
    channels: int

    def reach(self, block: int) -> int:
        """Return the number of the sample behind this block, where all blocks before it have `block` samples."""
        return (self.number * block if self.first is None else self.first) + self.samples


def read_info(head: bytes) -> StreamInfo | None:
    """Return STREAMINFO from the first 42 bytes of a stream, None where it does not come first."""
    if len(head) < _HEAD or head[:4] != MARK or head[4] & 0x7F != 0:
        return None
    packed = int.from_bytes(head[18:26], "big")
    low, high = int.from_bytes(head[8:10], "big"), int.from_bytes(head[10:12], "big")
    return StreamInfo(
        packed >> 44,
        (packed >> 41 & 7) + 1,
        (packed >> 36 & 31) + 1,
        packed & _TOTAL,
        high,
        low == high,
        int.from_bytes(head[12:15], "big"),
        int.from_bytes(head[15:18], "big"),
    )


def read_block(data: bytes, at: int) -> Block | None:
    """Return the header of a block that begins at a byte, None where none does: its CRC is checked."""
    head = data[at : at + _FRAME_HEAD]
    if len(head) < 6 or head[3] & 1 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] >> 4 > 10:
        return None
    lead = head[4]
    more = 0 if lead < 0x80 else 7 - (lead ^ 0xFF).bit_length()
    if (more == 0 and lead >= 0x80) or more > 6:
        return None
    number = lead if more == 0 else lead & (0x3F >> more)
    for byte in head[5 : 5 + more]:
        number = number << 6 | byte & 0x3F
    place = 5 + more
    size, rate = _BLOCKS[head[2] >> 4], head[2] & 15
    if head[2] >> 4 in (6, 7):
        width = (head[2] >> 4) - 5
        size = int.from_bytes(head[place : place + width], "big") + 1
        place += width
    if rate >= 12:
        width = 1 if rate == 12 else 2
        hertz = int.from_bytes(head[place : place + width], "big") * (1_000, 1, 10)[rate - 12]
        place += width
    else:
        hertz = _RATES[rate]
    crc = 0
    for byte in head[:place]:
        crc = _CRC8[crc ^ byte]
    if place >= len(head) or crc != head[place]:
        return None
    channels = min(head[3] >> 4, 7) + 1 if head[3] >> 4 < 8 else 2
    return Block(number if head[1] & 1 else None, 0 if head[1] & 1 else number, size, hertz, channels)


def last_block(tail: bytes) -> Block | None:
    """Return the header of the last block in the end of a file."""
    end = len(tail)
    for _ in range(64):
        at = max(tail.rfind(b"\xff\xf8", 0, end), tail.rfind(b"\xff\xf9", 0, end))
        if at < 0:
            break
        if found := read_block(tail, at):
            return found
        end = at + 1
    return None


def reached(name: str, info: StreamInfo, read_at: ReadAt, size: int) -> int | None:
    """Return how many samples of each channel there are up to the end of the file, by its last block.

    Where several streams stand one behind the other that is the number of the last one.

    Returns:
        The number; None where no block is found.

    Raises:
        DecodeError: the last block has another sample rate or another number of channels than STREAMINFO says.
    """
    window = max(READ_AHEAD, info.largest + 1_024)
    for window in (window, window << 6):  # noqa: B020 a tag may stand behind the sound
        window = min(window, size)
        if (block := last_block(read_at(size - window, window))) is not None:
            check_same(name, info.rate, block.rate or info.rate, info.channels, block.channels)
            return block.reach(info.block or block.samples)
        if window == size:
            break
    return None


def check_same(name: str, rate: int, other_rate: int, channels: int, other_channels: int) -> None:
    """Raise DecodeError where a part of a file has another sample rate, or other channels, than the part before."""
    for what, one, other in (("sample rate", rate, other_rate), ("number of channels", channels, other_channels)):
        if one != other:
            raise DecodeError(
                f"{name}: its {what} changes in mid-stream, from {one} to {other}: cut it there into several files, "
                "or convert it"
            )


def agrees(head: bytes, tail: bytes) -> bool:
    """Tell whether the last block ends where STREAMINFO says: False also where that takes a closer look.

    The quick way to what `reached` finds out, for nearly all files: blocks of one size, with numbers.

    Args:
        head: the first 42 bytes of a stream that begins with STREAMINFO.
        tail: the end of the file.
    """
    at = tail.rfind(b"\xff\xf8")
    if at < 0 or len(tail) - at < _FRAME_HEAD:
        return False
    code, lead = tail[at + 2], tail[at + 4]
    if lead < 0x80:
        number, place = lead, at + 5
    elif lead < 0xE0:
        number, place = (lead & 0x1F) << 6 | tail[at + 5] & 0x3F, at + 6
    elif lead < 0xF0:
        number, place = (lead & 0xF) << 12 | (tail[at + 5] & 0x3F) << 6 | tail[at + 6] & 0x3F, at + 7
    else:
        return False
    size = code >> 4
    samples = tail[place] + 1 if size == 6 else (tail[place] << 8 | tail[place + 1]) + 1 if size == 7 else _BLOCKS[size]
    packed = int.from_bytes(head[18:26], "big")
    rate = code & 15
    return (
        number * (head[10] << 8 | head[11]) + samples == packed & _TOTAL
        and (rate == 0 or (rate < 12 and _RATES[rate] == packed >> 44))
        and tail[at + 3] >> 4 in _ASSIGNMENTS[packed >> 41 & 7]
    )


def repeats(head: bytes, data: bytes, begin: int = 0) -> bool:
    """Tell whether a second stream with as many samples of the same kind may stand in some data.

    That one has another number of samples shows in the last block.
    """
    return data.rfind(head[18:26], begin) >= 0


def crowded(info: StreamInfo, read_at: ReadAt, size: int) -> bool:
    """Tell whether a file is longer than its blocks can be, so that more must stand in it."""
    if not (info.even and info.block and info.largest and info.total):
        return False
    most = (info.total // info.block + 1) * info.largest
    if size <= most:
        return False
    begin = 4
    while len(head := read_at(begin, 4)) == 4:
        begin += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            break
    return size - begin > most + READ_AHEAD


def is_whole(name: str, head: bytes, data: bytes, ends: bool = True) -> bool:
    """Tell whether a file in memory is the one stream that its STREAMINFO speaks of.

    Args:
        name: of the file.
        head: its first 42 bytes, which hold STREAMINFO.
        data: all of it.
        ends: whether to look for another stream of as many samples too; False is for who finds that out by reading.

    Raises:
        DecodeError: its sample rate, or its number of channels, changes.
    """
    if agrees(head, data):
        return not (ends and repeats(head, data, _HEAD))
    info = read_info(head)
    if info is None or data.rfind(MARK, 4) > 0:
        return False
    held = reached(name, info, lambda offset, n: data[offset : offset + n], len(data))
    return info.total in (0, held) or held is None


def may_be_whole(name: str, head: bytes, read_at: ReadAt, size: int) -> bool:
    """Tell whether a long file seems to be the one stream that its STREAMINFO speaks of, by its two ends.

    Raises:
        DecodeError: its sample rate, or its number of channels, changes.
    """
    info = read_info(head)
    if info is None:
        return True
    if crowded(info, read_at, size):
        return False
    if agrees(head, read_at(size - READ_AHEAD, READ_AHEAD)):
        return True
    held = reached(name, info, read_at, size)
    if info.total == 0:  # where nothing says how much is to come, the next stream looks like damage
        return read_at(0, size).rfind(MARK, 4) < 0
    return held is None or held == info.total


def split(name: str, data: bytes) -> list[bytes]:
    """Return the streams of a file, each with as many samples, and blocks as long, in its STREAMINFO as it has.

    Raises:
        DecodeError: a block has another sample rate or other channels than the stream that it stands in.
    """
    starts = [match.start() for match in _STREAM.finditer(data, 4) if len(data) - match.start() >= _HEAD]
    starts.insert(0, 0)
    pieces = []
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        piece = data[start:stop]
        info = read_info(piece)
        if info is not None:
            blocks = _blocks(name, piece, info)
            held = sum(block.samples for block in blocks)
            if held > info.total and (info.total or len(starts) > 1):
                piece = claiming(piece, held)
            sizes = {block.samples for block in blocks[:-1] if block.first is None}
            if sizes and not (info.even and sizes == {info.block}):
                # libFLAC takes the numbers of blocks for places, and puts silence where some seem to be missing.
                piece = piece[:8] + min(sizes).to_bytes(2, "big") + max(sizes).to_bytes(2, "big") + piece[12:]
        pieces.append(piece)
    return pieces


def claiming(data: bytes, total: int, bits: int | None = None) -> bytes:
    """Return a stream whose STREAMINFO claims another total of samples, and other bits where they are given."""
    packed = int.from_bytes(data[18:26], "big") >> 36 << 36 | total
    if bits is not None:
        packed = packed & ~(31 << 36) | (bits - 1) << 36
    return data[:18] + packed.to_bytes(8, "big") + data[26:]


def _blocks(name: str, data: bytes, info: StreamInfo) -> list[Block]:
    """Return the headers of all blocks of a stream."""
    found = []
    number = first = 0
    for match in _SYNC.finditer(data, _HEAD):
        block = read_block(data, match.start())
        # What looks like a block but does not go on from the one before lies inside of one.
        if block is None or (block.number not in (0, number) if block.first is None else block.first not in (0, first)):
            continue
        check_same(name, info.rate, block.rate or info.rate, info.channels, block.channels)
        found.append(block)
        number = block.number + 1
        first = (block.first or 0) + block.samples
    return found
