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
# What follows the tag in the subformat of WAVE_FORMAT_EXTENSIBLE; with another tail the tag means something else.
_TAIL = bytes.fromhex("000000001000800000aa00389b71")
# The samples are read from this many bytes before their start, where there always is a header: their address stays
# a multiple of 8, and three bytes can be taken for the upper three of four.
LEAD = 8

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
        bits: of one sample.
        tag: kind of the samples: 1 for integers, 3 for floats, 0xFFFE for what an extension says in a way that is not
            understood here, others for compressed ones.
        frame_bytes: of one frame, or of one block of a compressed format.
        order: "<", or ">" where numbers have their high byte first (RIFX).
        offset: of the first sample, in bytes.
        claimed: bytes of samples that the header speaks of; None where the writer did not know (a pipe).
        held: bytes of samples that are there.
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


def read_header(read_at: Callable[[int, int], bytes], size: int) -> WavHeader | None:
    """Read the chunks up to the samples.

    Args:
        read_at: returns `n` bytes, or those that are there, as read_at(offset, n).
        size: of the file in bytes.

    Returns:
        The header, or None for what is no WAV file, or one in which no format or no samples are found.
    """
    magic = read_at(0, 12)
    if magic[:4] not in (b"RIFF", b"RIFX", b"RF64") or magic[8:] != b"WAVE":
        return None
    order = ">" if magic[:4] == b"RIFX" else "<"
    from_a_pipe = magic[:8] == b"RIFF\xff\xff\xff\xff"
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
            unknown = from_a_pipe and length == _UNKNOWN
            claimed = long_size if length == _UNKNOWN and long_size is not None else length
            held = min(claimed, size - position)
            return WavHeader(*form, position, None if unknown else claimed, held)
        elif name == b"ds64" and position + 16 <= size:
            long_size = struct.unpack("<8xQ", read_at(position, 16))[0]
        position += length + length % 2
    return None


def _extended(body: bytes, order: str, bits: int) -> int:
    """Return the tag that an extension stands for, if all of its bits are in use."""
    if len(body) < 40:
        return _EXTENSIBLE
    _, valid, tag, tail = _EXTENSION[order].unpack_from(body, 16)
    return int(tag) if valid in (0, bits) and tail == _TAIL else _EXTENSIBLE


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
