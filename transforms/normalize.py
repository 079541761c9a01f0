"""Normalize: mean and variance normalisation, per value or with the numbers of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.errors import ConfigError, TransformError
from dataload.graph import GraphStep, Scale, Standardize
from dataload.registry import register
from dataload.samples import Field
from dataload.transforms.checks import (
    Float32,
    Printed,
    as_array,
    finite_float,
    natural_int,
    positive_float,
    store,
)
from dataload.transforms.statistics import Progress, measure

PerBin = float | Sequence[float] | None


@register
@dataclass(frozen=True, repr=False)
class Normalize(Printed):
    """Shift and scale to mean 0 and standard deviation 1: cepstral mean and variance normalisation (CMVN).

    Without numbers each value is measured by itself (per utterance). `Normalize.fit(loader, field="audio")` measures
    a whole data set and returns a Normalize with its numbers. It is saved as plain JSON: `dataclasses.asdict` and
    `Normalize(**numbers)`.

    Args:
        mean: one number, or one per entry of the last axis (per bin of features); None measures it on each
            value over the leading axis, so per bin for features and over all samples for a waveform.
        std: the standard deviation, in the same way; give both or neither.
        eps: added to the measured standard deviation, so that silence gives zeros; a given one is used as it
            is.
        ddof: subtracted from the number of entries in the measured variance; 1 for the unbiased one (NeMo).

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
    ddof: int = 0

    def __post_init__(self) -> None:
        store(self, mean=_per_bin("mean", self.mean), std=_per_bin("std", self.std))
        store(self, eps=positive_float("eps", self.eps), ddof=natural_int("ddof", self.ddof))
        if (self.mean is None) != (self.std is None):
            raise ConfigError(f"mean={self.mean!r} and std={self.std!r} go together: give both or neither")
        if self.std is not None and not np.all(np.asarray(self.std) > 0):
            raise ConfigError(f"std={self.std!r} must be above 0")
        if isinstance(self.mean, tuple) and isinstance(self.std, tuple) and len(self.mean) != len(self.std):
            raise ConfigError(f"mean has {len(self.mean)} entries but std has {len(self.std)}")

    @classmethod
    def fit(
        cls,
        loader: Iterable[Any],
        *,
        field: Field | None = None,
        eps: float = 1e-5,
        progress: Progress | None = None,
    ) -> Self:
        """Measure mean and standard deviation over one pass of a loader, whose workers make the batches in parallel.

        Args:
            loader: a Loader, whose epoch and state are left as they are (a copy of it is run); or any iterable of
                batches. Where a batch has `<field>_lengths`, as padded ones do, padding does not count.
            field: of the batch; None where the batch is the array itself, or the pair of array and lengths.
            eps: minimum of the standard deviation, for bins that never change.
            progress: called as progress(done, total) after every batch, with the number of batches so far and of all
                (None where the iterable has no length); `lambda done, total: print(done, "/", total)` prints it.
                None reports nothing.

        Returns:
            A Normalize with one mean and std per bin of features ((batch, frames, bins)), or one of each for waveforms
            ((batch, samples)). Sums are kept in float64 and merged by Chan, Golub and LeVeque, "Updating formulae and
            a pairwise algorithm for computing sample variances" (1979).

        Raises:
            ConfigError: eps is not above 0, or progress is no function.
            TransformError: nothing to measure, values that are no numbers or not finite, or other bins in one batch.
            FieldError: the batch has no such field.

        >>> batches = [np.array([[[1.0, 5.0], [3.0, 5.0]]]), np.array([[[5.0, 5.0]]])]
        >>> Normalize.fit(batches, eps=0.5)
        Normalize(mean=(3.0, 5.0), std=(1.632993161855452, 0.5))
        """
        moments = measure(loader, field, progress)
        std = np.maximum(moments.std(), positive_float("eps", eps))
        return cls(moments.mean.tolist(), std.tolist())

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
        squares = np.square(centred).sum(axis=0, dtype=np.float64)
        std = np.sqrt(squares / max(1, len(centred) - self.ddof))
        return np.divide(centred, np.asarray(std + self.eps, np.float32), out=centred)

    def graph_steps(self, axis: int) -> list[GraphStep]:
        """Return the one step of a graph that does the same."""
        if self.mean is None or self.std is None:
            return [Standardize(axis, self.eps, self.ddof)]
        return [Scale(np.asarray(self.mean, np.float64), np.asarray(self.std, np.float64))]

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec."""
        return spec


def _per_bin(name: str, given: Any) -> float | tuple[float, ...] | None:
    if given is None:
        return None
    if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) and np.ndim(given) == 1 and len(given):
        return tuple(finite_float(name, number) for number in given)
    return finite_float(name, given)
