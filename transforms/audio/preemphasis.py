"""Pre-emphasis and dither: small changes of a waveform before its features are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import RandomTransform, Spec
from dataload.memory import reused_empty
from dataload.registry import register
from dataload.transforms.checks import (
    Float32,
    Printed,
    as_waveform,
    check_finite,
    expect_waveform,
    number_within,
    positive_float,
    store,
)


def preemphasis(x: npt.NDArray[np.floating[Any]], *, coefficient: float = 0.97) -> Float32:
    """Return a waveform with its high frequencies raised: y[t] = x[t] - c·x[t - 1], the first sample as it is.

    Args:
        x: (samples,) float waveform.
        coefficient: c, from 0 (nothing is changed) to 1.

    Returns:
        (samples,) float32, as `torchaudio.functional.preemphasis`; librosa's version extrapolates the sample
        before the first.

    Raises:
        ConfigError: a coefficient outside 0..1.
        TransformError: not a float waveform, or one that is not finite.

    >>> preemphasis(np.array([1.0, 2.0, 4.0]), coefficient=0.5)
    array([1. , 1.5, 3. ], dtype=float32)
    """
    waveform = as_waveform("preemphasis", x)
    check_finite("preemphasis", waveform)
    return emphasize(waveform, number_within("coefficient", coefficient, 0, 1))


def emphasize(waveform: Float32, coefficient: float) -> Float32:
    """Return `preemphasis` of a waveform that was checked before."""
    out: Float32 = reused_empty(waveform.shape, np.float32)
    out[0] = waveform[0]
    np.multiply(waveform[:-1], np.float32(-coefficient), out=out[1:])
    out[1:] += waveform[1:]
    return out


@register
@dataclass(frozen=True, repr=False)
class PreEmphasis(Printed):
    """Raise the high frequencies of a waveform: y[t] = x[t] - c·x[t - 1], the first sample as it is.

    Args:
        coefficient: c, from 0 (nothing is changed) to 1.

    Returns:
        (when called on a (samples,) float waveform) (samples,) float32.

    Raises:
        ConfigError: a coefficient outside 0..1.
        TransformError: (when called) not a float waveform, or one that is not finite.

    >>> PreEmphasis(0.5)(np.array([1.0, 2.0, 4.0]))
    array([1. , 1.5, 3. ], dtype=float32)
    """

    coefficient: float = 0.97

    def __post_init__(self) -> None:
        store(self, coefficient=number_within("coefficient", self.coefficient, 0, 1))

    def __call__(self, waveform: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the waveform with its high frequencies raised."""
        x = as_waveform("PreEmphasis", waveform)
        check_finite("PreEmphasis", x)
        return emphasize(x, self.coefficient)

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec, or raise ChainError if what comes in is no waveform."""
        expect_waveform(spec)
        return Spec("waveform", spec.sample_rate, varies=spec.varies)


@register
@dataclass(frozen=True, repr=False)
class Dither(Printed, RandomTransform):
    """Add faint normal noise to a waveform, so that digital silence has a logarithm.

    In a loader the noise of a sample depends on (seed, epoch, sample) and on nothing else. Kaldi adds 1 to samples
    in the scale of 16-bit integers and draws anew for each frame; NeMo adds 1e-5, in training only.

    Args:
        amount: standard deviation of the noise; 1 / 32768 is one unit of 16-bit sound in ±1.

    Returns:
        (when called with a generator on a (samples,) float waveform) a new (samples,) float32.

    Raises:
        ConfigError: an amount that is not above 0.
        TransformError: (when called) not a float waveform.

    >>> Dither(1.0)(np.zeros(2), np.random.default_rng(0)).round(3)
    array([ 1.118, -1.387], dtype=float32)
    """

    amount: float = 1 / 32768

    def __post_init__(self) -> None:
        store(self, amount=positive_float("amount", self.amount))

    def __call__(self, waveform: npt.NDArray[np.floating[Any]], rng: np.random.Generator) -> Float32:
        """Return the waveform with noise in it."""
        x = as_waveform("Dither", waveform)
        noise: Float32 = rng.standard_normal(len(x), np.float32)
        noise *= np.float32(self.amount)
        noise += x
        return noise

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec, or raise ChainError if what comes in is no waveform."""
        expect_waveform(spec)
        return Spec("waveform", spec.sample_rate, varies=spec.varies)
