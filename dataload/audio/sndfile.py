"""Reading through libsndfile, with bounds on what it may allocate and with messages that name the file.

Apart from `reader`, which imports it when it first meets a file that needs it: plain WAV files do without,
and the library takes a while to load.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
import soundfile

from dataload.errors import DecodeError
from dataload.memory import Float32, reused_empty

# The lengths in the headers of these two may be estimates, so a clip that is shorter is no error.
_INEXACT = ("MP3", "OGG")
_UNKNOWN = 1 << 62
_BLOCK = 1 << 20
# Above this many samples per byte of the file, memory is taken block by block as the decoder delivers, so that a
# damaged header cannot ask for more than the file decodes to. Little more than silence is packed so tightly.
_PLAUSIBLE = 16
# Where every sample, or a part that stands by itself, can be found from its number. FLAC is among these by its subtype.
_SEEKABLE = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
# What a decoder of these gives after a seek depends on what it heard before, and nears the same within this time. In
# Vorbis a seek into the last page of the file, of a few seconds, misses by up to a thousand samples (libsndfile issue
# 885), so the last block is never shorter than a whole one.
_DRIFTING = ("OPUS", "VORBIS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
_LEAD_SECONDS = 1
_BLOCK_SECONDS = 60


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    def seekable(self) -> bool:
        """Say no: soundfile would seek after every read, which fails at the end of a streamed FLAC."""
        return False


def read(name: str, file: str | BinaryIO, size: int, start: bytes) -> tuple[Float32, int]:
    """Decode a whole file.

    Args:
        name: of the file, for messages.
        file: a path or a binary file at its start.
        size: of the file in bytes.
        start: its first bytes, for messages.

    Returns:
        (samples, channels) float32 and the sample rate in Hz.

    Raises:
        DecodeError: not audio, damaged, cut off or without samples.
    """
    with _open(name, file, size, start) as sound:
        return _whole(name, sound, size), sound.samplerate


def read_part(
    name: str, file: str | BinaryIO, size: int, start: bytes, choose: Callable[[int, int], tuple[int, int]]
) -> tuple[Float32, int]:
    """Decode a stretch of a file.

    It equals the same stretch of the whole file decoded, and only it is read, where libsndfile seeks exactly. Where
    that is not known, or where the file does not say how long it is, the whole is decoded and cut. In Opus, Vorbis and
    MP3, in which seeks are not exact, that is done too below two minutes of sound. Longer ones are taken for a row of
    blocks of a minute, and what is left over at the end of the last, each decoded from a second before its start on: a
    stretch depends on the file and on nothing else, and differs from the whole file decoded by rounding, in Opus by the
    noise that the decoder fills in. The blocks that were read last are kept.

    Args:
        name, file, size, start: as in `read`.
        choose: told the number of frames and the rate in Hz, says which frames: (first, number), not below 0.

    Returns:
        (samples, channels) float32 and the sample rate in Hz.

    Raises:
        DecodeError: not audio, damaged, cut off or without samples.
    """
    with _open(name, file, size, start) as sound:
        rate, frames = sound.samplerate, sound.frames
        if sound.subtype in _DRIFTING and 2 * _BLOCK_SECONDS * rate <= frames < _UNKNOWN:
            return _from_blocks(file, sound, *_bounds(choose(frames, rate), frames)), rate
        if sound.subtype not in _SEEKABLE or not 0 < frames < _UNKNOWN:
            whole = _whole(name, sound, size)
            first, stop = _bounds(choose(len(whole), rate), len(whole))
            return whole[first:stop], rate
        first, stop = _bounds(choose(frames, rate), frames)
        sound.seek(first)
        samples = _read(sound, stop - first, size)
        _check_length(name, sound, first + len(samples), stop)
        return samples, rate


@contextmanager
def _open(name: str, file: str | BinaryIO, size: int, start: bytes) -> Iterator[Any]:
    try:
        try:
            sound = _Stream(file)
        except TypeError:  # the name ends in .raw, of which soundfile asks for rate and format
            raise DecodeError(f"{name}: has no header that says rate and format: convert it to WAV or FLAC") from None
        with sound:
            yield sound
    except soundfile.SoundFileError as error:
        raise DecodeError(f"{name}: cannot be decoded{_why(error)}; {_look(size, start)}") from None


def _whole(name: str, sound: Any, size: int) -> Float32:
    samples = _read(sound, sound.frames if sound.frames >= 0 else _UNKNOWN, size)
    if len(samples) == 0:
        raise DecodeError(f"{name}: holds no samples (0 frames, {sound.format}): leave it out")
    if sound.frames < _UNKNOWN:
        _check_length(name, sound, len(samples), sound.frames)
    return samples


def _check_length(name: str, sound: Any, reached: int, wanted: int) -> None:
    if reached < wanted and sound.format not in _INEXACT:
        raise DecodeError(
            f"{name}: is damaged or cut off: its header claims {sound.frames} frames but {reached} can be "
            f"decoded, {sound.frames - reached} frames are missing: fetch it again, or leave it out"
        )


def _read(sound: Any, frames: int, size: int) -> Float32:
    """Return up to so many frames from where the file stands."""
    if 0 <= frames * sound.channels <= max(_BLOCK, _PLAUSIBLE * size):
        whole: Float32 = sound.read(out=reused_empty((frames, sound.channels), np.float32))
        return whole
    blocks: list[Float32] = []
    rows = max(1, _BLOCK // sound.channels)
    while frames > 0 and (not blocks or len(blocks[-1]) == rows):
        blocks.append(sound.read(out=np.empty((min(rows, frames), sound.channels), np.float32)))
        frames -= rows
    return np.concatenate(blocks)


def _bounds(chosen: tuple[int, int], frames: int) -> tuple[int, int]:
    first = min(chosen[0], frames)
    return first, min(first + chosen[1], frames)


def _from_blocks(file: str | BinaryIO, sound: Any, first: int, stop: int) -> Float32:
    length = _BLOCK_SECONDS * sound.samplerate
    last = sound.frames // length - 1
    parts = [np.empty((0, sound.channels), np.float32)]
    for number in range(min(first // length, last), min((stop - 1) // length, last) + 1):
        frames = sound.frames - last * length if number == last else length
        if isinstance(file, str):
            # A file that was written anew is another one.
            found = os.stat(file)  # noqa: PTH116
            block = _kept_block(file, found.st_mtime_ns, found.st_size, number, frames)
        else:
            file.seek(0)
            block = _block(file, number, frames)
        begin = number * length
        parts.append(block[max(0, first - begin) : max(0, stop - begin)])
    return np.concatenate(parts)


@lru_cache(maxsize=8)
def _kept_block(path: str, changed: int, size: int, number: int, frames: int) -> Float32:
    return _block(path, number, frames)


def _block(file: str | BinaryIO, number: int, frames: int) -> Float32:
    """Return so many frames from the start of a block on."""
    with _Stream(file) as sound:
        lead = min(number, _LEAD_SECONDS) * sound.samplerate
        if number:
            sound.seek(number * _BLOCK_SECONDS * sound.samplerate - lead)
        samples: Float32 = sound.read(out=np.empty((lead + frames, sound.channels), np.float32))
        return samples[lead:]


def _why(error: Any) -> str:
    text = str(getattr(error, "error_string", error)).strip()
    return f" (libsndfile: {text.rstrip('.')})" if text else ""


def _look(size: int, start: bytes) -> str:
    return (
        f"the file has {size} bytes and begins with {start!r}: if that is no audio the name is wrong, "
        "otherwise it is damaged or cut off: fetch or convert it again, or leave it out"
    )
