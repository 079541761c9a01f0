"""WAV files: what their header claims, and their samples where those are plain numbers.

Apart from decoding because libsndfile takes a WAV with missing data for a shorter one: only the header tells
that a copy was cut off. With it in hand, integers and floats (nearly all speech) need no library at all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dataload.memory import Float32

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_UNKNOWN = 0xFFFFFFFF
# What often stands behind the samples.
_COMMON = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"fact", b"cue ", b"smpl", b"iXML", b"PEAK", b"JUNK", b"_PMX", b"afsp")
# 0x7FFFF000 is what SoX writes to a pipe.
NEVER_FILLED = (
    0x7FFFF000,
    *(size for bits in (32, 64) for size in ((1 << bits - 1) - 1, 1 << bits - 1, (1 << bits) - 1)),
)
# What follows the tag in the subformat of WAVE_FORMAT_EXTENSIBLE; with another tail the tag means something else.
_TAIL = bytes.fromhex("000000001000800000aa00389b71")
# The samples are read from this many bytes before their start, where there always is a header: their address stays
# a multiple of 8, and three bytes can be taken for the upper three of four.
LEAD = 8

ReadAt = Callable[[int, int], bytes]

_CHUNK = {order: struct.Struct(order + "4sI") for order in "<>"}
_FORM = {order: struct.Struct(order + "HHI4xHH") for order in "<>"}
_EXTENSION = {order: struct.Struct(order + "HH4xH14s") for order in "<>"}

# (tag, bits): numpy's type, and the factor that brings full scale to 1. 24 bits are read as 32.
_PLAIN = {
    (_PCM, 8): ("u1", 2.0**-7),
    (_PCM, 16): ("i2", 2.0**-15),
    (_PCM, 24): ("i4", 2.0**-31),
    (_PCM, 32): ("i4", 2.0**-31),
    (_FLOAT, 32): ("f4", 1.0),
    (_FLOAT, 64): ("f8", 1.0),
}


class WavHeader(NamedTuple):
    """What stands in front of the samples.

    Attributes:
        sample_rate: in Hz.
        channels: samples in a frame.
        bits: of one sample, those that fill up its bytes included.
        tag: kind of the samples: 1 for integers, 3 for floats, 0xFFFE for what an extension says in a way that is not
            understood here, others for compressed ones.
        frame_bytes: of one frame, or of one block of a compressed format.
        order: "<", or ">" where numbers have their high byte first (RIFX).
        offset: of the first sample, in bytes.
        claimed: bytes of samples that the header speaks of; None where the writer did not know, or did not say.
        held: bytes of samples that are there.
        used: bits in use, where they may be the lower ones of `bits`; 0 where they are not.
    """

    sample_rate: int
    channels: int
    bits: int
    tag: int
    frame_bytes: int
    order: str
    offset: int
    claimed: int | None
    held: int
    used: int = 0

    @property
    def plain(self) -> bool:
        """Whether `to_float32` can read the samples as they lie in the file."""
        return (
            (self.tag, self.bits) in _PLAIN
            and self.channels > 0
            and self.frame_bytes * 8 == self.bits * self.channels
            and self.sample_rate > 0
            and not (self.bits == 24 and self.order == ">")
        )


def read_header(read_at: ReadAt, size: int) -> WavHeader | None:
    """Read the chunks up to the samples.

    Args:
        read_at: returns `n` bytes, or those that are there, as read_at(offset, n).
        size: of the file in bytes.

    Returns:
        The header, or None for what is no WAV file, or one in which no format or no samples are found.
    """
    magic = read_at(0, 12)
    if magic[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or magic[8:] != b"WAVE":
        return None
    order = ">" if magic[:4] == b"RIFX" else "<"
    long_size = form = None
    position = 12
    while position + 8 <= size:
        name, length = _CHUNK[order].unpack(read_at(position, 8))
        position += 8
        if name == b"fmt " and length >= 16 and position + 16 <= size:
            body = read_at(position, min(length, 40))
            tag, channels, rate, frame_bytes, bits = _FORM[order].unpack_from(body)
            if tag == _EXTENSIBLE:
                tag = _extended(body, order, bits)
            form = (rate, channels, bits, tag, frame_bytes, order)
        elif name == b"data" and form is not None:
            claimed = long_size if length == _UNKNOWN and long_size is not None else length
            there = size - position
            if not (claimed and 0 <= there - claimed <= 1):  # something else than these samples stands at the end
                total = _CHUNK[order].unpack_from(magic, 0)[1] + 8
                claimed = believed(claimed, there, position, total, read_at, order)
            return WavHeader(*form, position, claimed, there if claimed is None else min(claimed, there))
        elif name == b"ds64" and position + 16 <= size:
            long_size = struct.unpack("<8xQ", read_at(position, 16))[0]
        position += length + length % 2
    return None


def believed(claimed: int, there: int, position: int, total: int, read_at: ReadAt, order: str) -> int | None:
    """Return how many bytes of samples a header is to be believed to claim, None where it does not know.

    Sizes are filled in when a file is closed. Programs that write to a pipe, or lost power, leave 0, all ones or half
    of that, in one place or in two.

    Args:
        claimed: the size of the samples in the header.
        there: bytes from the first sample to the end of the file.
        position: of the first sample.
        total: the size of the file in the header.
        read_at, order: as in `read_header` and `WavHeader`.
    """
    size = position + there
    if claimed == _UNKNOWN and (claimed > there or there - claimed < 1 << 31):
        return None
    if claimed > there:
        placeholder = claimed in NEVER_FILLED or (_is_near_placeholder(claimed) and _is_near_placeholder(total - 8))
        return None if placeholder or (total == 8 and _is_near_placeholder(claimed)) else claimed
    if claimed == 0:
        return 0 if there == 0 or chunks_follow(read_at, position, size, order) else None
    if there - claimed >= 1 << 32 and claimed < 1 << 32:  # only the lower 32 bits of the size were written
        return claimed + (there - claimed >> 32 << 32)
    behind = position + claimed + claimed % 2
    if read_at(behind, 4) in _COMMON:
        return claimed
    # The two sizes do not agree, and what follows is no chunk: the larger one counts.
    if abs(total - size) <= 1 and there - claimed > 1 and not chunks_follow(read_at, behind, size, order):
        return None
    return claimed


def _is_near_placeholder(size: int) -> bool:
    """Tell whether a size is a placeholder with the length of some header added or taken off."""
    return any(abs(size - other) <= 1 << 12 for other in NEVER_FILLED)


def chunks_follow(read_at: ReadAt, position: int, size: int, order: str) -> bool:
    """Tell whether nothing but whole chunks stands from a place to the end of the file."""
    found = False
    while position + 8 <= size:
        name, length = _CHUNK[order].unpack(read_at(position, 8))
        if not all(32 <= byte < 127 for byte in name) or position + 8 + length > size:
            break
        position += 8 + length + length % 2
        found = True
    return found and position + 8 > size


def by_container(header: WavHeader) -> WavHeader:
    """Return the header of samples that have more bytes than their bits need, by the size of a frame.

    The standard puts the bits that are in use on top. Programs that write what a sound card gives (`arecord -f S24_LE`)
    leave them below, which only the samples tell.
    """
    width, rest = divmod(header.frame_bytes, max(1, header.channels))
    if header.tag != _PCM or rest or not header.bits <= 8 * width or (_PCM, 8 * width) not in _PLAIN or width == 1:
        return header
    low = header.bits if (header.bits + 7) // 8 < width and width in (2, 4) else 0
    return header._replace(bits=8 * width, used=low)


def _extended(body: bytes, order: str, bits: int) -> int:
    """Return the tag that an extension stands for, if all of its bits are in use."""
    if len(body) < 40:
        return _EXTENSIBLE
    _, valid, tag, tail = _EXTENSION[order].unpack_from(body, 16)
    return int(tag) if valid in (0, bits) and tail == _TAIL else _EXTENSIBLE


def settle(header: WavHeader, read_at: ReadAt) -> WavHeader:
    """Return the header with `used` at 0 unless the samples of the file have their bits below.

    They do where every sample, the whole file over, leaves its upper bits to the sign or to zeros. The same is true of
    samples that are so quiet that they never come above the lower bits, which nothing tells apart from these.
    """
    dtype = np.dtype(f"{header.order}i{header.bits // 8}")
    position, end = header.offset, header.offset + header.held - header.held % header.frame_bytes
    # Zeros, or copies of the sign, above the bits in use: two spans of values.
    least, span = -(1 << header.used - 1), 1 << header.used
    while position < end:
        block = np.frombuffer(read_at(position, min(end - position, 1 << 20)), dtype)
        if len(block) and (block.min() < least or block.max() >= span):
            return header._replace(used=0)
        position += 1 << 20
    return header


def to_float32(raw: bytes, header: WavHeader) -> Float32:
    """Return the samples of a plain WAV, to the bit what libsndfile makes of them.

    Args:
        raw: the file from `LEAD` bytes before the first sample on, up to the last whole frame.
        header: one that is `plain`.

    Returns:
        (frames, channels) float32, ±1 being full scale.
    """
    kind, scale = _PLAIN[header.tag, header.bits]
    dtype = np.dtype(header.order + kind)
    if header.bits == 24:
        # Four bytes from the one before each sample on; ten times as fast as putting zeros between the bytes.
        wide = np.ndarray(((len(raw) - LEAD) // 3,), dtype, raw, LEAD - 1, (3,))
        samples = np.bitwise_and(wide, -256, dtype=np.int32).astype(np.float32)
    elif header.used:
        up = header.bits - header.used
        samples = np.left_shift(np.frombuffer(raw, dtype, -1, LEAD), up, dtype=dtype).astype(np.float32)
    elif header.bits == 64:
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite, in libsndfile too
            samples = np.frombuffer(raw, dtype, -1, LEAD).astype(np.float32)
    else:
        samples = np.frombuffer(raw, dtype, -1, LEAD).astype(np.float32)
    if header.bits == 8:
        samples -= np.float32(128.0)
    if scale != 1.0:
        samples *= np.float32(scale)
    whole: Float32 = samples.reshape(-1, header.channels)
    return whole
