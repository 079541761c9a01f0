"""The recordings of a source that augmentations mix in: noises and impulse responses.

Apart from both because they read in the same way: from whatever source there is, at the rate of the waveform, and of
a long noise only the segment that is needed.
"""

from __future__ import annotations

import hashlib
import math
import os
from typing import Any

import numpy as np

from dataload.audio.reader import read_audio, read_part
from dataload.audio.segment import Segment
from dataload.errors import ConfigError, TransformError
from dataload.sources.base import check_source, describe
from dataload.transforms.audio.decode import DecodeAudio, as_waveform
from dataload.transforms.augment.base import as_sound
from dataload.transforms.checks import Float32

_FILE = (str, bytes, os.PathLike)


class Clips:
    """A source whose samples are recordings, as an argument of a transform.

    Compares by value where the source does: lists by their content, the library's own by their fingerprint.

    Args:
        owner: name of the transform, for messages.
        source: of paths, bytes of files, `Segment`s, or (samples,) or (channels, samples) float waveforms.
        sample_rate: in Hz, of what is read; arrays have it already.

    Raises:
        ConfigError: it is no source, or has no samples.
    """

    def __init__(self, owner: str, source: Any, sample_rate: int) -> None:
        if isinstance(source, Clips):
            source = source.source
        check_source(source)
        if len(source) == 0:
            raise ConfigError(f"source={describe(source)} of {owner} must have at least one recording")
        self.owner = owner
        self.source: Any = source
        self.sample_rate = sample_rate

    def any_segment(self, rng: np.random.Generator, length: int) -> Float32:
        """Return `length` samples from anywhere in any clip, the mean of its channels, repeated if it is shorter."""
        sample = self._any(rng)

        def anywhere(frames: int, rate: int) -> tuple[int, int]:
            count = math.ceil(length * rate / self.sample_rate)
            return int(rng.integers(0, max(0, frames - count), endpoint=True)), count

        if isinstance(sample, _FILE):
            samples, rate, name = read_part(sample, anywhere)
            clip = as_waveform(samples, rate, name, self.sample_rate, mono=True)
        else:
            whole = self._whole(sample) if isinstance(sample, Segment) else np.atleast_1d(sample)
            start, count = anywhere(whole.shape[-1], self.sample_rate)
            clip = as_sound(self.owner, whole[..., start : start + count])
            clip = clip if clip.ndim == 1 else clip.mean(axis=0)
        return clip[:length] if len(clip) >= length else np.resize(clip, length)

    def any_first_channel(self, rng: np.random.Generator) -> Float32:
        """Return the first channel of any clip, whole: (samples,)."""
        clip = self._whole(self._any(rng))
        return clip if clip.ndim == 1 else clip[0]

    def _any(self, rng: np.random.Generator) -> Any:
        number = int(rng.integers(len(self.source)))
        sample = self.source[number]
        if not isinstance(sample, (*_FILE, Segment, np.ndarray)):
            raise TransformError(
                f"{self.owner} needs a source of paths or waveforms, but {describe(self.source, number)} gives "
                f"a {type(sample).__name__}: give it a source of that field alone"
            )
        return sample

    def _whole(self, sample: Any) -> Float32:
        if isinstance(sample, Segment):
            return DecodeAudio(self.sample_rate, mono=False)(sample)
        if isinstance(sample, _FILE):
            samples, rate, name = read_audio(sample)
            return as_waveform(samples, rate, name, self.sample_rate, mono=False)
        return as_sound(self.owner, sample)

    def _value(self) -> Any:
        if hasattr(self.source, "fingerprint"):
            return self.source.fingerprint()
        if isinstance(self.source, list | tuple):
            digest = hashlib.blake2b(digest_size=16)
            for sample in self.source:
                is_array = isinstance(sample, np.ndarray)
                digest.update(repr((sample.dtype, sample.shape) if is_array else sample).encode())
                digest.update(np.ascontiguousarray(sample).tobytes() if is_array else b"")
            return digest.hexdigest()
        return id(self.source)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Clips)
            and type(self.source) is type(other.source)
            and (self.source is other.source or self._value() == other._value())
        )

    def __hash__(self) -> int:
        return hash(self._value())

    def __repr__(self) -> str:
        paths = isinstance(self.source, list | tuple) and all(isinstance(sample, str) for sample in self.source)
        return repr(self.source) if paths else describe(self.source)
