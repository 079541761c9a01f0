"""PCEN: per-channel energy normalisation, a gain control instead of the logarithm."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.errors import ConfigError, TransformError
from dataload.registry import register
from dataload.transforms.checks import (
    Float32,
    Printed,
    as_features,
    expect_features,
    finite_float,
    positive_float,
    positive_int,
    store,
)
from dataload.transforms.spectral.framing import default_lengths


@register
@dataclass(frozen=True, repr=False)
class PCEN(Printed):
    """Divide mel energies by their smoothed past, then compress them.

    Wang, Getreuer, Hughes, Lyon and Saurous, "Trainable Frontend For Robust and Far-Field Keyword Spotting" (2017),
    equation 1, with the defaults and the start of `librosa.pcen`:

        M[t] = (1 - s)·M[t - 1] + s·E[t], M before the first frame being 1
        PCEN = (E / (eps + M)^gain + bias)^power - bias^power

    It is made for energies in the scale of integers: librosa's documentation multiplies waveforms in ±1 by 2^31, as
    `MelSpectrogram(..., scale=2.0**31, power=1.0)` does.

    Args:
        sample_rate: in Hz, of the waveforms that the features come from.
        hop_length: samples from one frame to the next; None is 10 ms.
        gain: exponent of the smoothed energy, at least 0.
        bias: added before the compression, at least 0.
        power: exponent of the compression, at least 0; 0 is a logarithm: ln(1 + E / (eps + M)^gain).
        time_constant: of the smoothing, in seconds; s follows from it as in librosa.
        eps: added to the smoothed energy.

    Returns:
        (when called on (frames, bins) floats of at least 0) (frames, bins) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not (frames, bins) floats, or some of them below 0 or not finite.

    >>> PCEN(8_000)(np.ones((2, 1), np.float32)).round(3)
    array([[0.318],
           [0.318]], dtype=float32)
    """

    sample_rate: int
    _: KW_ONLY
    hop_length: int | None = None
    gain: float = 0.98
    bias: float = 2.0
    power: float = 0.5
    time_constant: float = 0.4
    eps: float = 1e-6

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        hop = self._derived()["hop_length"] if self.hop_length is None else self.hop_length
        store(self, hop_length=positive_int("hop_length", hop))
        for name in ("gain", "bias", "power"):
            value = finite_float(name, getattr(self, name))
            if value < 0:
                raise ConfigError(f"{name}={value!r} must be at least 0")
            store(self, **{name: value})
        for name in ("time_constant", "eps"):
            store(self, **{name: positive_float(name, getattr(self, name))})

    def _derived(self) -> dict[str, Any]:
        return {"hop_length": default_lengths(self.sample_rate)["hop_length"]}

    def __call__(self, features: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the normalised energies."""
        from scipy.signal import lfilter  # slow to import

        energy = as_features("PCEN", features)
        if not energy.min() >= 0 or not np.isfinite(energy.max()):
            raise TransformError(
                "PCEN takes energies of at least 0 but got "
                f"{energy.min():g} to {energy.max():g}: put it behind MelSpectrogram, not behind LogMel"
            )
        assert self.hop_length is not None
        # T frames: the coefficient at which the smoothing has fallen off by half after them.
        t = self.time_constant * self.sample_rate / self.hop_length
        s = (math.sqrt(1.0 + 4.0 * t * t) - 1.0) / (2.0 * t * t)
        past = np.full((1, energy.shape[1]), 1.0 - s, np.float32)
        b, a = np.array([s], np.float32), np.array([1.0, s - 1.0], np.float32)
        smooth: Float32 = lfilter(b, a, energy, axis=0, zi=past)[0]
        # (eps + M)^-gain by logarithms, as librosa: exact where M is small.
        smooth /= np.float32(self.eps)
        np.log1p(smooth, out=smooth)
        smooth += np.float32(math.log(self.eps))
        smooth *= np.float32(-self.gain)
        np.exp(smooth, out=smooth)
        smooth *= energy
        return self._compress(smooth)

    def _compress(self, x: Float32) -> Float32:
        if self.power == 0:
            return np.log1p(x, out=x)
        if self.bias == 0:
            return np.power(x, np.float32(self.power), out=x)
        x /= np.float32(self.bias)
        np.log1p(x, out=x)
        x *= np.float32(self.power)
        np.expm1(x, out=x)
        return np.multiply(x, np.float32(self.bias**self.power), out=x)

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec, or raise ChainError if what comes in is a waveform."""
        expect_features(spec)
        return Spec("features", self.sample_rate, varies=spec.varies)


def pcen(features: npt.NDArray[np.floating[Any]], *, sample_rate: int, hop_length: int, **numbers: float) -> Float32:
    """Return energies after per-channel energy normalisation; see `dataload.transforms.PCEN`.

    Args:
        features: (frames, bins) energies, at least 0.
        sample_rate: in Hz, of the waveforms that the features come from.
        hop_length: samples from one frame to the next.
        numbers: gain, bias, power, time_constant and eps of `PCEN`.

    Returns:
        (frames, bins) float32, as `librosa.pcen`.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: not (frames, bins) energies.

    >>> pcen(np.ones((1, 1)), sample_rate=8_000, hop_length=80, power=1.0).round(3)
    array([[1.]], dtype=float32)
    """
    return PCEN(sample_rate, hop_length=hop_length, **numbers)(features)
