"""The streams of a file, as libsndfile is to read them: one as it stands, or several, or one that is mended first.

libsndfile believes headers, and reads the first stream. Here the headers are compared with what is there, by as much of
the file as that takes: nothing is left unread in silence. Imported with the first file that needs it, as `sndfile` is.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dataload.audio import containers, flac_stream, mpeg, ogg, sndfile
from dataload.audio.blocks import Choose, Input, Key, Memory, bounds
from dataload.audio.limits import Limits
from dataload.audio.wav import ReadAt, WavHeader, read_header
from dataload.errors import DecodeError
from dataload.memory import Float32

_START = 1_024
# As much as the first read of a file takes.
_IN_MEMORY = 1 << 16
_MPEG_IN_WAV = (0x50, 0x55)
# Depths that frames of FLAC name by themselves, so that libsndfile reads them if STREAMINFO names one that it knows.
_OTHER_BITS = (12, 20, 32)
_KNOWN_BITS = (8, 16, 24)
# Files that were looked through and are one stream, by what tells them from all others.
_single: set[Key] = set()
_MAX_SINGLE = 1 << 16


def read(name: str, descriptor: int | None, read_at: ReadAt, size: int, limits: Limits) -> tuple[Float32, int]:
    """Decode all streams of a file.

    Args:
        name: of the file, its path where there is a descriptor.
        descriptor: of the open file, None where there are only bytes.
        read_at: returns `n` bytes, or those that are there, as read_at(offset, n).
        size: of the file in bytes.
        limits: what it may come to.

    Returns:
        (samples, channels) float32, and the sample rate in Hz.

    Raises:
        DecodeError: not audio, damaged, cut off, without samples, above a limit, or of a rate that changes.
    """
    sources = inputs(name, descriptor, read_at, size, limits)
    source = sources[0]
    if source.start[:4] != flac_stream.MARK or source.slices or size <= _IN_MEMORY or descriptor is None:
        return _joined(name, sources, limits)
    try:
        found = sndfile.read(source, limits)
    except DecodeError:
        if len(sources := _flac_streams(name, read_at(0, size))) < 2:
            raise
        return _joined(name, sources, limits)
    # Having decoded all that is claimed libFLAC stands at the end of the file, or just before it.
    if os.lseek(descriptor, 0, os.SEEK_CUR) < size or flac_stream.repeats(
        source.start, read_at(size - flac_stream.READ_AHEAD, flac_stream.READ_AHEAD)
    ):
        sources = _flac_streams(name, read_at(0, size))
        if len(sources) > 1:
            return _joined(name, sources, limits)
    return found


def only_fast(read_at: ReadAt) -> bool:
    """Tell whether a file is FLAC of a depth that libsndfile cannot be brought to read."""
    info = flac_stream.read_info(read_at(0, _START))
    return info is not None and info.bits not in (*_KNOWN_BITS, *_OTHER_BITS)


def read_part(
    name: str, descriptor: int | None, read_at: ReadAt, size: int, choose: Choose, limits: Limits
) -> tuple[Float32, int]:
    """Decode a segment of a file, as `read` does: see `sndfile.read_part`."""
    sources = inputs(name, descriptor, read_at, size, limits)
    if len(sources) == 1:
        return sndfile.read_part(sources[0], choose, limits)
    whole, rate = _joined(name, sources, limits)
    first, stop = bounds(choose(len(whole), rate), len(whole))
    return whole[first:stop], rate


def length(name: str, descriptor: int | None, read_at: ReadAt, size: int, limits: Limits) -> tuple[int, int]:
    """Return how many frames a file has, and its sample rate in Hz.

    Raises:
        DecodeError: as in `read`, as far as the headers tell.
    """
    start = read_at(0, _START)
    sources = inputs(name, descriptor, read_at, size, limits)
    info = flac_stream.read_info(start)
    if info is not None and len(sources) == 1:
        if isinstance(sources[0].file, Memory):  # mended, or bytes from the start
            data = sources[0].file.getvalue()
            info = flac_stream.read_info(data) or info
            held = flac_stream.reached(name, info, lambda offset, n: data[offset : offset + n], len(data))
        else:
            held = flac_stream.reached(name, info, read_at, size)
        if held is not None and held < info.total:
            limits.check_complete(name, info.total, held, 1)
            # The last block may not be whole.
            return len(sndfile.read(sources[0], limits)[0]), info.rate
        if held is not None and info.total == 0:
            return held, info.rate
    lengths = [sndfile.length(source) for source in sources]
    _, rate, channels = lengths[0]
    for _, other, others in lengths[1:]:
        flac_stream.check_same(name, rate, other, channels, others)
    return sum(frames for frames, _, _ in lengths), rate


def _joined(name: str, sources: list[Input], limits: Limits) -> tuple[Float32, int]:
    found = [sndfile.read(source, limits) for source in sources]
    first, rate = found[0]
    if len(found) == 1:
        return first, rate
    for samples, other in found[1:]:
        flac_stream.check_same(name, rate, other, first.shape[1], samples.shape[1])
    limits.check(name, sum(len(samples) for samples, _ in found), first.shape[1])
    return np.concatenate([samples for samples, _ in found]), rate


def inputs(name: str, descriptor: int | None, read_at: ReadAt, size: int, limits: Limits) -> list[Input]:
    """Return the streams of a file that stand one behind the other, at least one.

    Raises:
        DecodeError: a header that claims more than is there, or a sample rate that changes.
    """
    start = read_at(0, _START)
    magic = start[:4]
    if magic == b"OggS":
        return _ogg(name, descriptor, read_at, size, start)
    if magic == flac_stream.MARK:
        return _flac(name, descriptor, read_at, size, start)
    if (header := read_header(read_at, size)) is not None:
        return _wav(name, descriptor, read_at, size, start, header, limits)
    if (claim := containers.read_claim(read_at, size, start)) is not None:
        limits.check_complete(name, claim.claimed, claim.held, claim.frame_bytes)
        if claim.held and claim.place and (claim.claimed is None or claim.claimed > claim.held):
            return [_patched(name, read_at(0, size), claim.place, claim.size)]
    elif start[:3] == b"ID3" or mpeg.read_frame(magic) is not None:
        at = mpeg.begin(read_at)
        if read_at(at, 4) == flac_stream.MARK:
            return _flac_streams(name, read_at(at, size - at))
        return _mpeg(name, descriptor, read_at, size, start)
    return [_as_it_is(name, descriptor, read_at, size, start)]


def _as_it_is(
    name: str, descriptor: int | None, read_at: ReadAt, size: int, start: bytes, key: Key | None = None
) -> Input:
    return Input(name, Memory(read_at(0, size)) if descriptor is None else descriptor, size, start, key=key)


def _of_bytes(name: str, data: bytes, **more: Any) -> Input:
    return Input(name, Memory(data), len(data), data[:_START], **more)


def _patched(name: str, data: bytes, place: int, value: bytes) -> Input:
    return _of_bytes(name, data[:place] + value + data[place + len(value) :])


def _key(name: str, descriptor: int | None) -> Key | None:
    if descriptor is None:
        return None
    found = os.fstat(descriptor)
    return name, found.st_mtime_ns, found.st_size


def _remember(key: Key | None) -> None:
    if key is not None:
        if len(_single) >= _MAX_SINGLE:
            _single.clear()
        _single.add(key)


def _ogg(name: str, descriptor: int | None, read_at: ReadAt, size: int, start: bytes) -> list[Input]:
    key = _key(name, descriptor)
    if ogg.holds_flac(start):
        # libsndfile stumbles over what some programs write.
        return [piece for part in ogg.split(read_at(0, size)) for piece in _flac_streams(name, ogg.flac_inside(part))]
    if key not in _single:
        parts = ogg.split(read_at(0, size))
        if len(parts) > 1:
            return [_of_bytes(name, part) for part in parts]
        _remember(key)
    return [_as_it_is(name, descriptor, read_at, size, start, key)]


def _mpeg(name: str, descriptor: int | None, read_at: ReadAt, size: int, start: bytes) -> list[Input]:
    key = _key(name, descriptor)
    whole = _as_it_is(name, descriptor, read_at, size, start, key)
    if key in _single or mpeg.has_true_table(read_at, size):
        return [whole]
    parts = mpeg.split(name, read_at(0, size))
    # Of a constant bit rate libmpg123 estimates what is true.
    if not parts or (len(parts) == 1 and parts[0][1] in (None, sndfile.length(whole)[0])):
        _remember(key)
        return [whole]
    return [Input(name, file, size, start, frames, key=key if len(parts) == 1 else None) for file, frames in parts]


def _wav(
    name: str, descriptor: int | None, read_at: ReadAt, size: int, start: bytes, header: WavHeader, limits: Limits
) -> list[Input]:
    limits.check_complete(name, header.claimed, header.held, header.frame_bytes)
    if header.tag in _MPEG_IN_WAV:
        data = read_at(header.offset, header.held)
        return _mpeg(name, None, lambda offset, n: data[offset : offset + n], len(data), data[:_START])
    if header.held and (header.claimed is None or header.claimed > header.held):
        data = read_at(0, size)
        return [_patched(name, data, header.offset - 4, min(header.held, 0xFFFFFFF0).to_bytes(4, "little"))]
    return [_as_it_is(name, descriptor, read_at, size, start)]


def _flac(name: str, descriptor: int | None, read_at: ReadAt, size: int, start: bytes) -> list[Input]:
    info = flac_stream.read_info(start)
    if info is None:
        return [_as_it_is(name, descriptor, read_at, size, start)]
    if info.bits not in _KNOWN_BITS:
        return _flac_streams(name, read_at(0, size))
    if descriptor is None or size <= _IN_MEMORY:
        whole = flac_stream.is_whole(name, start, read_at(0, size))
    else:
        whole = flac_stream.may_be_whole(name, start, read_at, size)
    return [_as_it_is(name, descriptor, read_at, size, start)] if whole else _flac_streams(name, read_at(0, size))


def _flac_streams(name: str, data: bytes) -> list[Input]:
    found = []
    for part in flac_stream.split(name, data):
        info = flac_stream.read_info(part)
        other = info is not None and info.bits in _OTHER_BITS
        if info is not None and other:
            part = flac_stream.claiming(part, info.total, bits=24)
        found.append(_of_bytes(name, part, integers=other, slices=True))
    return found
