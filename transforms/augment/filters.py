"""LowPass and HighPass: telephones, cheap microphones and rumble."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.errors import ConfigError
from dataload.registry import register
from dataload.transforms.augment.base import Range, WaveTransform, draw_octaves, number_range
from dataload.transforms.checks import Float32, positive_int, store


@dataclass(frozen=True, repr=False)
class _Butterworth(WaveTransform):
    sample_rate: int
    cutoff: Range
    _: KW_ONLY
    order: int = 2

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        store(self, cutoff=number_range("cutoff", self.cutoff), order=positive_int("order", self.order))
        low, high = self.cutoff if isinstance(self.cutoff, tuple) else (self.cutoff, self.cutoff)
        if low <= 0 or high >= self.sample_rate / 2:
            raise ConfigError(
                f"cutoff={self.cutoff!r} must lie above 0 and below sample_rate / 2 = {self.sample_rate / 2:g} Hz"
            )
        if self.order > 16:
            raise ConfigError(f"order={self.order} must be from 1 to 16")

    def _filter(self, x: Float32, rng: np.random.Generator, kind: str) -> Float32:
        from scipy import signal

        cutoff = draw_octaves(rng, self.cutoff)
        sections = signal.butter(self.order, cutoff, kind, fs=self.sample_rate, output="sos")
        # In float64, where a low cutoff at a high rate, with poles close to 1, does not drown in rounding.
        filtered: npt.NDArray[Any] = signal.sosfilt(sections, x)
        return filtered.astype(np.float32)


@register
@dataclass(frozen=True, repr=False)
class LowPass(_Butterworth):
    """Take away what lies above a frequency, with a Butterworth filter (`scipy.signal.butter`, `sosfilt`).

    Args:
        sample_rate: in Hz, of the waveforms.
        cutoff: where the filter takes 3 dB, in Hz; a pair (low, high) draws one from it, every octave equally likely.
        order: of the filter; it falls by 6·order dB per octave.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape.

    Raises:
        ConfigError: a cutoff that does not lie between 0 and sample_rate / 2, or an order not from 1 to 16.
        TransformError: (when called) not a float waveform with samples.

    >>> LowPass(16_000, 1_000.0)(np.ones(4_000), np.random.default_rng(0))[-3:]
    array([1., 1., 1.], dtype=float32)
    """

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        return self._filter(x, rng, "lowpass")


@register
@dataclass(frozen=True, repr=False)
class HighPass(_Butterworth):
    """Take away what lies below a frequency, with a Butterworth filter (`scipy.signal.butter`, `sosfilt`).

    Args:
        sample_rate, cutoff, order: as in `LowPass`.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape.

    Raises:
        ConfigError: a cutoff that does not lie between 0 and sample_rate / 2, or an order not from 1 to 16.
        TransformError: (when called) not a float waveform with samples.

    >>> bool(abs(HighPass(16_000, 100.0)(np.ones(4_000), np.random.default_rng(0))[-1]) < 1e-3)
    True
    """

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        return self._filter(x, rng, "highpass")
