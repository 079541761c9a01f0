"""What a WAV header claims, read before anything is allocated.

Apart from decoding because libsndfile takes a WAV with missing data for a shorter one: only the header tells
that a copy was cut off. With it in hand, 16-bit PCM (most speech) needs no library at all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

_PCM, _EXTENSIBLE = 1, 0xFFFE
_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True)
class WavHeader:
    """What stands in front of the samples.

    Attributes:
        sample_rate: in Hz.
        channels: samples in a frame.
        bits: of one sample.
        pcm: whether the samples are plain integers.
        frame_bytes: of one frame, or of one block of a compressed format.
        big_endian: whether numbers have their high byte first (RIFX).
        offset: of the first sample, in bytes.
        claimed: bytes of samples that the header speaks of; None where the writer did not know (a pipe).
        held: bytes of samples that are there.
    """

    sample_rate: int
    channels: int
    bits: int
    pcm: bool
    frame_bytes: int
    big_endian: bool
    offset: int
    claimed: int | None
    held: int

    @property
    def plain(self) -> bool:
        """Whether the samples are 16-bit integers that can be taken as they lie in the file."""
        return (
            self.pcm
            and self.bits == 16
            and self.channels > 0
            and self.frame_bytes == 2 * self.channels
            and self.sample_rate > 0
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
        name, length = struct.unpack(order + "4sI", read_at(position, 8))
        position += 8
        if name == b"ds64" and position + 16 <= size:
            long_size = struct.unpack("<8xQ", read_at(position, 16))[0]
        elif name == b"fmt " and length >= 16 and position + 16 <= size:
            body = read_at(position, 26)
            tag, channels, rate, frame_bytes, bits = struct.unpack_from(order + "HHI4xHH", body)
            if tag == _EXTENSIBLE and length >= 26 and len(body) == 26:
                tag = struct.unpack_from(order + "H", body, 24)[0]
            form = (rate, channels, bits, tag == _PCM, frame_bytes)
        elif name == b"data" and form is not None:
            unknown = from_a_pipe and length == _UNKNOWN
            claimed = long_size if length == _UNKNOWN and long_size is not None else length
            held = min(claimed, size - position)
            return WavHeader(*form, order == ">", position, None if unknown else claimed, held)
        position += length + length % 2
    return None
