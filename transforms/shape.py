"""Transforms that fit any array with a leading axis, waveform or features, and draw no random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.errors import ConfigError, TransformError
from dataload.transforms.checks import (
    Float32,
    Printed,
    as_array,
    finite_float,
    positive_float,
    positive_int,
    store,
)

PerBin = float | Sequence[float] | None


@dataclass(frozen=True, repr=False)
class PadOrTrim(Printed):
    """Make the leading axis a fixed length: cut the end off, or add `value` there.

    Args:
        length: entries of the leading axis of the output: samples of a waveform, frames of features.
        value: what is added.

    Returns:
        (when called) a new array of shape (length, ...) and the same dtype.

    Raises:
        ConfigError: a length that is no positive integer.
        TransformError: (when called) not an array with an axis.

    >>> PadOrTrim(4)(np.array([1.0, 2.0]))
    array([1., 2., 0., 0.])
    """

    length: int
    _: KW_ONLY
    value: float = 0.0

    def __post_init__(self) -> None:
        store(self, length=positive_int("length", self.length), value=finite_float("value", self.value))

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return `x` with a leading axis of `length`."""
        return fit(as_array("PadOrTrim", x), self.length, self.value)

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec with a fixed length."""
        return Spec(spec.kind, spec.sample_rate, varies=False)


def fit(x: npt.NDArray[Any], length: int, value: float) -> npt.NDArray[Any]:
    """Return a copy of `x` with a leading axis of `length`, `value` added at the end."""
    kept = min(length, len(x))
    out = np.empty((length, *x.shape[1:]), x.dtype)
    out[:kept] = x[:kept]
    out[kept:] = value
    return out


@dataclass(frozen=True, repr=False)
class Normalize(Printed):
    """Shift and scale to mean 0 and standard deviation 1.

    Args:
        mean: one number, or one per entry of the last axis (per bin of features); None measures it on each
            value over the leading axis, so per bin for features and over all samples for a waveform.
        std: the standard deviation, in the same way; give both or neither.
        eps: added to the measured standard deviation, so that silence gives zeros; a given one is used as it
            is.

    Returns:
        (when called) float32 of the same shape: (x - mean) / std.

    Raises:
        ConfigError: only one of the two given, a std that is not above 0, or lengths that differ.
        TransformError: (when called) not an array of numbers, empty, or with another number of bins.

    >>> Normalize(mean=2.0, std=0.5)(np.array([1.0, 2.0, 3.0]))
    array([-2.,  0.,  2.], dtype=float32)
    >>> Normalize()(np.array([[1.0, 5.0], [3.0, 5.0]])).round(3)
    array([[-1.,  0.],
           [ 1.,  0.]], dtype=float32)
    """

    mean: PerBin = None
    std: PerBin = None
    _: KW_ONLY
    eps: float = 1e-5

    def __post_init__(self) -> None:
        store(self, mean=_per_bin("mean", self.mean), std=_per_bin("std", self.std))
        store(self, eps=positive_float("eps", self.eps))
        if (self.mean is None) != (self.std is None):
            raise ConfigError(f"mean={self.mean!r} and std={self.std!r} go together: give both or neither")
        if self.std is not None and not np.all(np.asarray(self.std) > 0):
            raise ConfigError(f"std={self.std!r} must be above 0")
        if isinstance(self.mean, tuple) and isinstance(self.std, tuple) and len(self.mean) != len(self.std):
            raise ConfigError(f"mean has {len(self.mean)} entries but std has {len(self.std)}")

    def __call__(self, x: npt.NDArray[Any]) -> Float32:
        """Return `x` shifted and scaled, as float32."""
        x = as_array("Normalize", x)
        if x.size == 0 or x.dtype.kind not in "fiu":
            raise TransformError(f"Normalize takes numbers but got shape {x.shape} and dtype {x.dtype}")
        if self.mean is not None and self.std is not None:
            for name, given in (("mean", self.mean), ("std", self.std)):
                if isinstance(given, tuple) and len(given) != x.shape[-1]:
                    raise TransformError(f"Normalize has a {name} of {len(given)} entries but got shape {x.shape}")
            shifted: Float32 = np.subtract(x, np.asarray(self.mean, np.float32), dtype=np.float32)
            return np.divide(shifted, np.asarray(self.std, np.float32), out=shifted)
        # float64 only for the sums: over an hour of frames float32 would drift.
        centred: Float32 = np.subtract(x, x.mean(axis=0, dtype=np.float64), dtype=np.float32)
        std = np.sqrt(np.mean(np.square(centred), axis=0, dtype=np.float64))
        return np.divide(centred, (std + self.eps).astype(np.float32), out=centred)

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec."""
        return spec


def _per_bin(name: str, given: Any) -> float | tuple[float, ...] | None:
    if given is None:
        return None
    if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) and np.ndim(given) == 1 and len(given):
        return tuple(finite_float(name, number) for number in given)
    return finite_float(name, given)
