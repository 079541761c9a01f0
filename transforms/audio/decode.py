"""DecodeAudio and RandomSegment: the ways from a file to a waveform.

Apart from `audiofile`, which does the reading, because here stand the names and numbers that a user sets.
"""

from __future__ import annotations

import math
import os
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dataload.audio.limits import MAX_BYTES, MAX_FRAMES, Limits
from dataload.audio.reader import AudioFile, Choose, read_audio, read_part
from dataload.audio.segment import Segment
from dataload.chain import RandomTransform, Spec
from dataload.errors import ChainError, ConfigError, DecodeError, TransformError
from dataload.registry import register
from dataload.storage.fetched import Fetched
from dataload.transforms.audio.resample import change_rate
from dataload.transforms.checks import Float32, Printed, finite_float, one_of, positive_float, positive_int, store

# A damaged rate would otherwise ask for any amount of memory in resampling.
_RATIO = 1000
_LIMITS = Limits()


@register
@dataclass(frozen=True, repr=False)
class DecodeAudio(Printed):
    """Read an audio file, of this machine or behind a URL, as a waveform at one sample rate.

    WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF and whatever else libsndfile reads; of other formats (AAC, AMR, ...) the
    error says which it is. A FLAC, WAV, AIFF, AU, CAF or W64 file that was cut off is an error; one whose header was
    never filled in (written to a pipe, or by a recorder that lost power) is read to its end. In OGG and MP3 the header
    does not say for certain how long the clip is: of those, what is there is taken. Several streams one behind the
    other are one clip. Several channels come in the order of WAV, whatever the format: left, right, centre, low
    frequencies, rear left and right, side left and right.

    With an offset or a duration, and of a `Segment`, only that segment is read, equal to the bit to the same segment of
    the whole file decoded: of WAV and FLAC nothing else is touched (behind a URL of WAV only; other files are fetched
    whole). In Opus, Vorbis and MP3 seeks are not exact: below two minutes they are decoded whole and cut; of longer
    ones blocks of a minute are decoded, which never differ from one read to the next, and from the whole file decoded
    by rounding, in Opus by about 0.01. A segment is resampled by itself: its first and last 20 ms differ from those of
    the whole file resampled and cut.

    Args:
        sample_rate: in Hz, of the output; files with another rate are resampled (soxr, HQ).
        mono: True gives the mean of the channels, False keeps them.
        offset: where to begin, in seconds.
        duration: how much to read, in seconds; None is up to the end. Where less is there the output is shorter.
        truncated: what becomes of a file that was cut off: "error" raises, "keep" gives what is there.
        max_frames: samples of each channel that one file may hold. What is above is an error before it takes memory.
        max_bytes: of memory that the samples of one file may take, before and after resampling.

    Returns:
        (when called on a path or URL, the bytes of a file, a binary file object, which is read to its end, or a
        `Segment`) a float32 waveform, ±1 being full scale: (samples,) when mono, otherwise (channels, samples).

    Raises:
        ConfigError: sample_rate is no positive integer, offset is below 0, duration not above, or a bound no positive
            integer.
        SourceNotFound: (when called) no such file.
        DecodeError: (when called) a file that is empty, damaged, cut off, no audio, no regular file, or above a bound.
        TransformError: (when called) something else than a path, bytes, a binary file or a Segment, or a file that
            ends before the segment begins.

    >>> import io, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, np.zeros((441, 2)), 44_100, format="WAV")
    >>> DecodeAudio(16_000)(file.getvalue()).shape
    (160,)
    """

    sample_rate: int
    mono: bool = True
    _: KW_ONLY
    offset: float = 0.0
    duration: float | None = None
    truncated: str = "error"
    max_frames: int = MAX_FRAMES
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        one_of("mono", self.mono, (True, False))
        store(self, offset=finite_float("offset", self.offset))
        if self.offset < 0:
            raise ConfigError(f"offset={self.offset!r} must be at least 0 s")
        if self.duration is not None:
            store(self, duration=positive_float("duration", self.duration))
        one_of("truncated", self.truncated, ("error", "keep"))
        for name in ("max_frames", "max_bytes"):
            store(self, **{name: positive_int(name, getattr(self, name))})

    @cached_property
    def _limits(self) -> Limits:
        return Limits(self.max_frames, self.max_bytes, self.truncated == "keep")

    def __call__(self, file: AudioFile | Segment) -> Float32:
        """Return the waveform of one file, or of a segment of it."""
        if isinstance(file, Segment):
            if self.offset or self.duration is not None:
                raise TransformError(
                    f"{self!r} got {file}, which says itself where to read: leave out offset, duration"
                )
            samples, rate, name = read_part(file.path, _segment(file.path, file.offset, file.duration), self._limits)
        elif self.offset or self.duration is not None:
            name = os.fspath(file) if isinstance(file, str | os.PathLike) else "the file"
            samples, rate, name = read_part(file, _segment(name, self.offset, self.duration), self._limits)
        else:
            samples, rate, name = read_audio(file, self._limits)
        return as_waveform(samples, rate, name, self.sample_rate, self.mono, self._limits)

    def prefetch(self, file: Any) -> Any:
        """Return the bytes of a file behind a URL that is read whole; anything else as it is."""
        if not isinstance(file, str | os.PathLike) or self.offset or self.duration is not None:
            return file
        name = os.fspath(file)
        if "://" not in name:
            return file
        from dataload.storage.places import as_url

        return Fetched(name, as_url(name).read())

    def output_spec(self, spec: Spec) -> Spec:
        """Return a waveform of any length, or raise ChainError if what comes in is decoded already."""
        return _decoded(spec, self.sample_rate, self.mono, varies=True)


@register
@dataclass(frozen=True, repr=False)
class RandomSegment(Printed, RandomTransform):
    """Read a segment of fixed length from anywhere in an audio file, and nothing else of it.

    As `DecodeAudio` reads it: for hours of WAV or FLAC that is a thousandth of the work of `DecodeAudio` and
    `RandomCrop`.

    Args:
        sample_rate: in Hz, of the output; files with another rate are resampled (soxr, HQ).
        duration: of the output, in seconds.
        mono: True gives the mean of the channels, False keeps them.

    Returns:
        (when called with a generator on a path, the bytes of a file or a binary file object) a float32 waveform, ±1
        being full scale: (samples,) when mono, otherwise (channels, samples), of round(duration · sample_rate) samples.
        Every start is equally likely; a shorter file is padded with zeros at the end.

    Raises:
        ConfigError: a number that cannot work.
        SourceNotFound, DecodeError, TransformError: (when called) as in `DecodeAudio`.

    >>> import io, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, np.zeros(16_000), 16_000, format="WAV")
    >>> RandomSegment(16_000, 0.25)(file.getvalue(), np.random.default_rng(0)).shape
    (4000,)
    """

    sample_rate: int
    duration: float
    mono: bool = True

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        store(self, duration=positive_float("duration", self.duration))
        one_of("mono", self.mono, (True, False))
        if self._length() == 0:
            raise ConfigError(f"duration={self.duration!r} s must be at least one sample at {self.sample_rate} Hz")

    def _length(self) -> int:
        return round(self.duration * self.sample_rate)

    def __call__(self, file: AudioFile, rng: np.random.Generator) -> Float32:
        """Return a segment of one file."""
        length = self._length()

        def anywhere(frames: int, rate: int) -> tuple[int, int]:
            count = math.ceil(length * rate / self.sample_rate)
            return int(rng.integers(0, max(0, frames - count), endpoint=True)), count

        samples, rate, name = read_part(file, anywhere)
        waveform = as_waveform(samples, rate, name, self.sample_rate, self.mono)
        if waveform.shape[-1] == length:
            return waveform
        out = np.zeros((*waveform.shape[:-1], length), np.float32)
        out[..., : waveform.shape[-1]] = waveform[..., :length]
        return out

    def output_spec(self, spec: Spec) -> Spec:
        """Return a waveform of fixed length, or raise ChainError if what comes in is decoded already."""
        return _decoded(spec, self.sample_rate, self.mono, varies=False)


def as_waveform(
    samples: Float32, rate: int, name: str, sample_rate: int, mono: bool, limits: Limits = _LIMITS
) -> Float32:
    """Return the samples of a file, (samples, channels), as a waveform at `sample_rate`: see `DecodeAudio`."""
    if not sample_rate <= rate * _RATIO <= sample_rate * _RATIO**2:
        raise DecodeError(f"{name}: claims a sample rate of {rate} Hz: its header is damaged, fetch it again")
    if sample_rate > rate:
        frames = len(samples) * sample_rate // rate
        limits._replace(max_frames=frames).check(name, frames, 1 if mono else samples.shape[1])
    waveform = _mean(samples) if mono else np.ascontiguousarray(samples.T)
    return change_rate(waveform, rate, sample_rate)


def _segment(name: str, offset: float, duration: float | None) -> Choose:
    def choose(frames: int, rate: int) -> tuple[int, int]:
        first = round(offset * rate)
        if first >= frames:
            raise TransformError(
                f"{name}: ends after {frames / rate:g} s but is to be read from {offset:g} s on: leave the file out, "
                "or take a smaller offset"
            )
        return first, frames if duration is None else max(1, round(duration * rate))

    return choose


def _decoded(spec: Spec, sample_rate: int, mono: bool, varies: bool) -> Spec:
    if spec.kind is not None:
        raise ChainError(f"it reads files but gets {spec.kind}, which is decoded already: put it first, or drop it")
    # Several channels are no "waveform" in the sense of Spec: LogMel and the like take one.
    return Spec("waveform" if mono else None, sample_rate, varies=varies)


def _mean(samples: Float32) -> Float32:
    """Return the mean over the last axis: channel by channel, as numpy is slow along an axis of two."""
    channels = samples.shape[1]
    if channels == 1:
        return samples[:, 0]
    total: Float32 = samples[:, 0] + samples[:, 1]
    for channel in range(2, channels):
        total += samples[:, channel]
    total *= np.float32(1 / channels)
    return total
