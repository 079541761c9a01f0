"""PadOrTrim, for any array with a leading axis: waveform or features."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.graph import Fit, GraphStep
from dataload.registry import register
from dataload.transforms.checks import Printed, as_array, finite_float, positive_int, store


@register
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

    def graph_steps(self, axis: int) -> list[GraphStep]:
        """Return the one step of a graph that does the same."""
        return [Fit(axis, self.length, self.value)]

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
