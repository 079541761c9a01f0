"""Reading through libsndfile, with bounds on what it may allocate and with messages that name the file.

Apart from `reader`, which imports it when it first meets a file that needs it: plain WAV files do without,
and the library takes a while to load.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import soundfile

from dataload.audio import blocks, formats, ogg
from dataload.audio.blocks import Choose, Input, bounds
from dataload.audio.limits import UNLIMITED, Limits
from dataload.counts import Counts, count
from dataload.errors import DecodeError
from dataload.memory import Float32, reused_empty

# The lengths in the headers of these two may be estimates, so a clip that is shorter is no error.
_INEXACT = ("MP3", "OGG")
_UNKNOWN = 1 << 62
_BLOCK = 1 << 20
# A file that was cut off is read in pieces of so many frames: what a piece with the end in it held is counted.
_SMALL_BLOCK = 1 << 16
# Above this many samples per byte of the file, memory is taken block by block as the decoder delivers, so that a
# damaged header cannot ask for more than the file decodes to. Little more than silence is packed so tightly.
_PLAUSIBLE = 16
# Where every sample, or a part that stands by itself, can be found from its number. FLAC is among these by its subtype.
_SEEKABLE = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
# What a decoder of these gives after a seek depends on what it heard before.
_DRIFTING = ("OPUS", "VORBIS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
# libsndfile knows these by the name of the file alone.
_BY_NAME = (".vox", ".gsm", ".al", ".ul", ".snd", ".au", ".mpc", ".sds")


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    def seekable(self) -> bool:
        """Say no: soundfile would seek after every read, which fails at the end of a streamed FLAC."""
        return False


def read(source: Input, limits: Limits) -> tuple[Float32, int]:
    """Decode a whole file.

    Returns:
        (samples, channels) float32, and the sample rate in Hz.

    Raises:
        DecodeError: not audio, damaged, cut off, without samples, or above a limit.
    """
    with _open(source) as sound:
        return in_wav_order(source, sound, _whole(source, sound, limits)), sound.samplerate


def read_part(source: Input, choose: Choose, limits: Limits) -> tuple[Float32, int]:
    """Decode a segment of a file.

    It equals the same segment of the whole file decoded, and only it is read, where libsndfile seeks exactly. Where
    that is not known, or where the file does not say how long it is, the whole is decoded and cut. In Opus, Vorbis and
    MP3, in which seeks are not exact, that is done too below two minutes of sound. Longer ones are taken for a row of
    blocks of a minute, and what is left over at the end of the last, each decoded from a second before its start on: a
    segment depends on the file and on nothing else, and differs from the whole file decoded by rounding, in Opus by the
    noise that the decoder fills in. The blocks that were read last are kept.

    Args:
        source: the file.
        choose: told the number of frames and the rate in Hz, says which frames: (first, number), not below 0.
        limits: what the segment may come to; what is decoded besides it is not counted.

    Returns:
        (samples, channels) float32 and the sample rate in Hz.

    Raises:
        DecodeError: not audio, damaged, cut off or without samples.
    """
    with _open(source) as sound:
        rate, frames = sound.samplerate, _frames(source, sound)
        if sound.subtype in _DRIFTING and 2 * blocks.SECONDS * rate <= frames < _UNKNOWN:
            first, stop = bounds(choose(frames, rate), frames)
            limits.check(source.name, stop - first, sound.channels)
            reopen = partial(_reopened, source)
            return in_wav_order(source, sound, blocks.read(source, sound, frames, first, stop, reopen)), rate
        if sound.subtype not in _SEEKABLE or source.slices or not 0 < frames < _UNKNOWN:
            whole = _whole(source, sound, limits)
            first, stop = bounds(choose(len(whole), rate), len(whole))
            return in_wav_order(source, sound, whole[first:stop]), rate
        first, stop = bounds(choose(frames, rate), frames)
        limits.check(source.name, stop - first, sound.channels)
        sound.seek(first)
        samples = _read(source, sound, stop - first, limits)
        _check_length(source, sound, first + len(samples), stop, limits.keep)
        return samples, rate


def length(source: Input) -> tuple[int, int, int]:
    """Return the number of frames, the rate in Hz and the channels; decoded where nothing says how much there is."""
    with _open(source) as sound:
        frames = _frames(source, sound)
        if not 0 <= frames < _UNKNOWN:
            frames = len(_whole(source, sound, UNLIMITED))
        return frames, sound.samplerate, sound.channels


def in_wav_order(source: Input, sound: Any, samples: Float32) -> Float32:
    """Return the samples with the channels in the order that WAV has them in."""
    order = ogg.WAV_ORDER.get(sound.channels)
    if order is None or sound.subtype not in ("VORBIS", "OPUS") or not ogg.has_vorbis_order(source.start):
        return samples
    return samples[:, order]


def _reopened(source: Input) -> Any:
    return _Stream(source.begun(), closefd=False)


def _frames(source: Input, sound: Any) -> int:
    frames: int = sound.frames if source.frames is None else source.frames
    return frames


@contextmanager
def _open(source: Input) -> Iterator[Any]:
    name = source.name
    try:
        try:
            sound = _Stream(source.begun(), closefd=False)
        except soundfile.SoundFileError:
            if not isinstance(source.file, int) or not name.lower().endswith((*_BY_NAME, ".raw")):
                raise
            try:
                sound = _Stream(os.fsencode(name))
            except TypeError:  # of a name that ends in .raw soundfile asks for rate and format
                raise DecodeError(
                    f"{name}: has no header that says rate and format: convert it to WAV or FLAC"
                ) from None
        with sound:
            yield sound
    except soundfile.SoundFileError as error:
        raise DecodeError(f"{name}: cannot be decoded{_why(error)}; {_look(source)}") from None


def _whole(source: Input, sound: Any, limits: Limits) -> Float32:
    frames = _frames(source, sound)
    samples = _read(source, sound, frames if frames >= 0 else _UNKNOWN, limits)
    if len(samples) == 0:
        raise DecodeError(f"{source.name}: holds no samples (0 frames, {sound.format}): leave it out")
    if frames < _UNKNOWN:
        _check_length(source, sound, len(samples), frames, limits.keep)
    return samples


def _check_length(source: Input, sound: Any, reached: int, wanted: int, keep: bool) -> None:
    if reached >= wanted or sound.format in _INEXACT:
        return
    if keep:
        count(Counts(truncated=1))
        return
    frames = _frames(source, sound)
    raise DecodeError(
        f"{source.name}: is damaged or cut off: its header claims {frames} frames but {reached} can be decoded, "
        f"{frames - reached} frames are missing: fetch it again, leave it out, or take what is there with "
        'truncated="keep"'
    )


def _read(source: Input, sound: Any, frames: int, limits: Limits) -> Float32:
    """Return up to so many frames from where the file stands."""
    channels = sound.channels
    if frames < _UNKNOWN:
        limits.check(source.name, frames, channels)
    dtype = np.int32 if source.integers else np.float32
    if not limits.keep and 0 <= frames * channels <= max(_BLOCK, _PLAUSIBLE * source.size):
        return _scaled(sound.read(out=reused_empty((frames, channels), dtype)))
    parts: list[Any] = [np.empty((0, channels), dtype)]
    rows = max(1, (_SMALL_BLOCK if limits.keep else _BLOCK) // channels)
    held = 0
    while frames > 0 and (len(parts) == 1 or len(parts[-1]) == rows):
        out = np.empty((min(rows, frames), channels), dtype)
        try:
            parts.append(sound.read(out=out))
        except soundfile.SoundFileError:
            if not limits.keep:
                raise
            # What came before the end, or before the damage, is in the array already.
            parts.append(out[: max(0, sound.tell() - held)])
        held += len(parts[-1])
        limits.check(source.name, held, channels)
        frames -= rows
    return _scaled(np.concatenate(parts))


def _scaled(samples: Any) -> Float32:
    floats: Float32 = samples if samples.dtype == np.float32 else samples.astype(np.float32) * np.float32(2.0**-31)
    return floats


def _why(error: Any) -> str:
    text = str(getattr(error, "error_string", error)).strip()
    return f" (libsndfile: {text.rstrip('.')})" if text else ""


def _look(source: Input) -> str:
    kind = formats.of_start(source.start)
    if kind is not None:
        return f"it is {kind}, which libsndfile does not read: {formats.how_to_convert(source.name)}"
    return (
        f"the file has {source.size} bytes and begins with {source.start[:12]!r}: if that is no audio the name is "
        "wrong, otherwise it is damaged or cut off: fetch or convert it again, or leave it out"
    )
