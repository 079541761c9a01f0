"""Gain, Polarity and Clipping: what happens to a waveform on its way through an amplifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataload.memory import reused_empty
from dataload.registry import register
from dataload.transforms.augment.base import Range, WaveTransform, draw, number_range, probability
from dataload.transforms.checks import Float32, store


@register
@dataclass(frozen=True, repr=False)
class Gain(WaveTransform):
    """Make a waveform louder or quieter.

    Args:
        gain_db: in dB; a pair (low, high) draws one from it. Nothing keeps the samples within ±1.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape:
        x·10^(gain_db / 20).

    Raises:
        ConfigError: gains that are no numbers, or beyond ±120 dB.
        TransformError: (when called) not a float waveform with samples.

    >>> Gain(20.0)(np.array([0.01, -0.02]), np.random.default_rng(0)).round(6)
    array([ 0.1, -0.2], dtype=float32)
    """

    gain_db: Range = (-6.0, 6.0)

    def __post_init__(self) -> None:
        store(self, gain_db=number_range("gain_db", self.gain_db, -120, 120))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        factor = np.float32(10.0 ** (draw(rng, self.gain_db) / 20.0))
        out: Float32 = reused_empty(x.shape, np.float32)
        return np.multiply(x, factor, out=out)


@register
@dataclass(frozen=True, repr=False)
class Polarity(WaveTransform):
    """Turn a waveform upside down, as a microphone with its wires swapped does.

    Args:
        p: how likely, 0 to 1.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape: -x or x.

    Raises:
        ConfigError: p is no probability.
        TransformError: (when called) not a float waveform with samples.

    >>> Polarity(1.0)(np.array([0.5, -0.25]), np.random.default_rng(0))
    array([-0.5 ,  0.25], dtype=float32)
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        store(self, p=probability("p", self.p))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        return np.negative(x, out=reused_empty(x.shape, np.float32)) if rng.random() < self.p else x


@register
@dataclass(frozen=True, repr=False)
class Clipping(WaveTransform):
    """Cut the peaks off, as a recording with too much gain does.

    Args:
        level: where to cut, as a share of the greatest sample, above 0 and up to 1 (which cuts nothing); a pair (low,
            high) draws one from it.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape, all
        samples within ±level·max|x|.

    Raises:
        ConfigError: a level that is not from 0.001 to 1.
        TransformError: (when called) not a float waveform with samples.

    >>> Clipping(0.5)(np.array([1.0, -0.75, 0.25]), np.random.default_rng(0))
    array([ 0.5 , -0.5 ,  0.25], dtype=float32)
    """

    level: Range = (0.3, 1.0)

    def __post_init__(self) -> None:
        store(self, level=number_range("level", self.level, 0.001, 1))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        limit = np.float32(draw(rng, self.level)) * max(x.max(), -x.min())
        return np.clip(x, -limit, limit, out=reused_empty(x.shape, np.float32))
