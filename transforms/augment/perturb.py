"""SpeedPerturb, TempoPerturb and PitchShift: the same words from a faster, slower or other voice.

All three combine two operations: resampling, and `tempo.change_tempo`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataload.registry import register
from dataload.transforms.augment.base import Range, WaveTransform, draw, factors, number_range
from dataload.transforms.augment.tempo import change_tempo
from dataload.transforms.checks import Float32, positive_int, store


@register
@dataclass(frozen=True, repr=False)
class SpeedPerturb(WaveTransform):
    """Play a waveform faster or slower, which moves its pitch too: it is resampled (soxr, HQ).

    Ko et al., "Audio Augmentation for Speech Recognition" (Interspeech 2015), whose factors are the default.

    Args:
        factors: of the speed, from 0.25 to 4; one is chosen, each equally likely. Above 1 is faster, so shorter.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of as many axes with
        max(1, round(samples / factor)) samples; at factor 1 the waveform itself.

    Raises:
        ConfigError: no factors, or one that is not from 0.25 to 4.
        TransformError: (when called) not a float waveform with samples.

    >>> SpeedPerturb((1.25,))(np.zeros(1_000, np.float32), np.random.default_rng(0)).shape
    (800,)
    """

    factors: tuple[float, ...] = (0.9, 1.0, 1.1)

    def __post_init__(self) -> None:
        store(self, factors=factors("factors", self.factors))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        return change_speed(x, self.factors[int(rng.integers(len(self.factors)))])

    def _changes_length(self) -> bool:
        return self.factors != (1.0,)


@register
@dataclass(frozen=True, repr=False)
class TempoPerturb(WaveTransform):
    """Speak faster or slower at the same pitch, by overlap-add (WSOLA).

    Verhelst and Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for high quality time-scale
    modification of speech" (ICASSP 1993); compared with speed perturbation by Ko et al. (Interspeech 2015).

    Args:
        sample_rate: in Hz, of the waveforms.
        factors: of the tempo, from 0.25 to 4; one is chosen, each equally likely. Above 1 is faster, so shorter.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of as many axes with
        max(1, round(samples / factor)) samples; at factor 1 the waveform itself.

    Raises:
        ConfigError: no factors, or one that is not from 0.25 to 4.
        TransformError: (when called) not a float waveform with samples.

    >>> TempoPerturb(16_000, (1.25,))(np.zeros(16_000, np.float32), np.random.default_rng(0)).shape
    (12800,)
    """

    sample_rate: int
    factors: tuple[float, ...] = (0.9, 1.0, 1.1)

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        store(self, factors=factors("factors", self.factors))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        factor = self.factors[int(rng.integers(len(self.factors)))]
        return x if factor == 1 else change_tempo(x, factor, self.sample_rate)

    def _changes_length(self) -> bool:
        return self.factors != (1.0,)


@register
@dataclass(frozen=True, repr=False)
class PitchShift(WaveTransform):
    """Move the pitch at the same tempo: the tempo is changed (WSOLA), then the speed changed back (soxr, HQ).

    Args:
        sample_rate: in Hz, of the waveforms.
        semitones: by how many, up being positive, -12 to 12; a pair (low, high) draws one from it, fractions included.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape; all
        frequencies are multiplied by 2^(semitones / 12).

    Raises:
        ConfigError: a number that is not from -12 to 12.
        TransformError: (when called) not a float waveform with samples.

    >>> PitchShift(16_000, 3.0)(np.zeros(16_000, np.float32), np.random.default_rng(0)).shape
    (16000,)
    """

    sample_rate: int
    semitones: Range = (-2.0, 2.0)

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        store(self, semitones=number_range("semitones", self.semitones, -12, 12))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        factor = 2.0 ** (draw(rng, self.semitones) / 12.0)
        if factor == 1:
            return x
        return change_speed(change_tempo(x, 1 / factor, self.sample_rate), factor, x.shape[-1])


def change_speed(x: Float32, factor: float, wanted: int | None = None) -> Float32:
    """Return (samples,) or (channels, samples) float32 played `factor` times as fast.

    The result has `wanted` samples; by default max(1, round(samples / factor)).
    """
    if factor == 1 and wanted is None:
        return x
    import soxr

    wanted = max(1, round(x.shape[-1] / factor)) if wanted is None else wanted
    changed = soxr.resample(x.T, factor, 1.0, quality="HQ").T[..., :wanted]
    if changed.shape[-1] < wanted:
        missing = [(0, 0)] * (x.ndim - 1) + [(0, wanted - changed.shape[-1])]
        changed = np.pad(changed, missing)
    return np.ascontiguousarray(changed)
