"""AddNoise and RoomImpulse: other sounds in the room, and the room itself.

Apart because these two mix other recordings in, from any source.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from dataload.errors import ConfigError
from dataload.memory import reused_empty
from dataload.registry import register
from dataload.transforms.augment.base import Range, WaveTransform, draw, mean_power, number_range
from dataload.transforms.augment.recordings import Clips
from dataload.transforms.checks import Float32, positive_int, store


@register
@dataclass(frozen=True, repr=False)
class AddNoise(WaveTransform):
    """Add noise, at a ratio of signal to noise that is drawn from a range.

    The ratio is that of the mean powers over the whole clip, all channels together. Silence stays as it is: no noise
    has a ratio to it.

    Args:
        snr_db: signal to noise in dB; a pair (low, high) draws one from it.
        source: where noise comes from: a source of paths, of bytes of files, of `Segment`s, or of float waveforms at
            `sample_rate`; None is white Gaussian noise, another for each channel. Any segment of any sample is taken,
            the mean of its channels, for all channels; one that is too short is repeated. Of a long file only the
            segment is read.
        sample_rate: in Hz; needed with a source.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape.

    Raises:
        ConfigError: ratios that are no numbers or beyond ±200 dB, a source without a rate, or an empty one.
        TransformError: (when called) not a float waveform with samples, NaN or infinite ones, or a source that gives
            neither files nor waveforms.

    >>> clip = np.ones(1_000, np.float32)
    >>> noise = AddNoise(20.0)(clip, np.random.default_rng(0)) - clip
    >>> np.sqrt(np.mean(noise**2)).round(3)
    np.float32(0.1)
    """

    snr_db: Range = (0.0, 30.0)
    _: KW_ONLY
    source: Any = None
    sample_rate: int | None = None

    def __post_init__(self) -> None:
        store(self, snr_db=number_range("snr_db", self.snr_db, -200, 200))
        if self.sample_rate is not None:
            store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        if self.source is not None:
            if self.sample_rate is None:
                raise ConfigError("AddNoise with a source needs sample_rate=, the rate in Hz at which noise is read")
            store(self, source=Clips("AddNoise", self.source, self.sample_rate))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        snr_db = draw(rng, self.snr_db)
        out: Float32 = reused_empty(x.shape, np.float32)
        if self.source is None:
            # The fastest of numpy's generators, with a key from the one that counts: a quarter less for all of it.
            white = np.random.Generator(np.random.SFC64(rng.integers(0, 1 << 63, 4)))
            white.standard_normal(x.shape, np.float32, out)
        else:
            out[...] = self.source.any_segment(rng, x.shape[-1])
        power, noise = mean_power("AddNoise", x), mean_power("AddNoise", out)
        if power == 0 or noise == 0:
            return x
        np.multiply(out, np.float32(math.sqrt(power / noise) * 10.0 ** (-snr_db / 20.0)), out=out)
        return np.add(out, x, out=out)


@register
@dataclass(frozen=True, repr=False)
class RoomImpulse(WaveTransform):
    """Put a waveform into a room: convolve it with an impulse response (`scipy.signal.oaconvolve`).

    As in Kaldi's wav-reverberate the output is shifted by the place of the highest peak of the response, so that what
    is heard stays in its place, and scaled to the power of the input. Ko et al., "A study on data augmentation of
    reverberant speech for robust speech recognition" (ICASSP 2017).

    Args:
        source: where impulse responses come from: a source of paths, of bytes of files, of `Segment`s, or of float
            waveforms at `sample_rate`. Of several channels the first is taken.
        sample_rate: in Hz, of the waveforms, and at which responses are read.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape; what
        sounds on behind the end is cut off.

    Raises:
        ConfigError: the source is none, or empty, or the rate no positive integer.
        TransformError: (when called) not a float waveform with samples, NaN or infinite ones, or a source that gives
            neither files nor waveforms.

    >>> echo = np.array([1.0, 0.75])
    >>> RoomImpulse([echo], 16_000)(np.array([4.0, 0.0]), np.random.default_rng(0)).round(3)
    array([3.2, 2.4], dtype=float32)
    """

    source: Any
    sample_rate: int

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        store(self, source=Clips("RoomImpulse", self.source, self.sample_rate))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        from scipy import signal

        response = self.source.any_first_channel(rng)
        peak = int(np.argmax(np.abs(response)))
        power = mean_power("RoomImpulse", x)
        if mean_power("RoomImpulse", response) == 0:
            return x
        if x.ndim == 2:
            response = response[np.newaxis]
        wet = signal.oaconvolve(x, response, axes=-1)[..., peak : peak + x.shape[-1]]
        out: Float32 = reused_empty(x.shape, np.float32)
        out[...] = wet
        reached = mean_power("RoomImpulse", out)
        if reached == 0:
            return x
        return np.multiply(out, np.float32(math.sqrt(power / reached)), out=out)
