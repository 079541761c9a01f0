"""Resampling through soxr: `change_rate` for DecodeAudio, and a transform and a function that check their arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.errors import ChainError, TransformError
from dataload.graph import GraphStep
from dataload.registry import register
from dataload.transforms.checks import Float32, Printed, as_float32, expect_waveform, positive_int, store


def change_rate(waveform: Float32, orig_rate: int, new_rate: int) -> Float32:
    """Return (samples,) or (channels, samples) float32 at another rate, by soxr's HQ recipe."""
    if orig_rate == new_rate:
        return waveform
    import soxr

    return np.ascontiguousarray(soxr.resample(waveform.T, orig_rate, new_rate, quality="HQ").T)


def resample(x: npt.NDArray[np.floating[Any]], *, orig_rate: int, new_rate: int) -> Float32:
    """Return a waveform at another sample rate, by soxr's HQ recipe.

    Args:
        x: (samples,) or (channels, samples) floats.
        orig_rate: in Hz, of `x`.
        new_rate: in Hz, of the result.

    Returns:
        float32 of the same number of axes; the last one has about samples·new_rate / orig_rate entries.

    Raises:
        ConfigError: a rate that is no positive integer.
        TransformError: not a float array with one or two axes.

    >>> resample(np.zeros(800, np.float32), orig_rate=8_000, new_rate=16_000).shape
    (1600,)
    """
    return Resample(orig_rate, new_rate)(x)


@register
@dataclass(frozen=True, repr=False)
class Resample(Printed):
    """Change the sample rate of a waveform.

    Args:
        orig_rate: in Hz, of what comes in.
        new_rate: in Hz, of what goes out.

    Returns:
        (when called on (samples,) or (channels, samples) floats) float32 of the same number of axes; the last
        axis has about samples·new_rate / orig_rate entries. Equal rates return the same values.

    Raises:
        ConfigError: a rate that is no positive integer.
        TransformError: (when called) not a float array with one or two axes.

    >>> Resample(8_000, 16_000)(np.zeros(800, np.float32)).shape
    (1600,)
    """

    orig_rate: int
    new_rate: int

    def __post_init__(self) -> None:
        store(self, orig_rate=positive_int("orig_rate", self.orig_rate))
        store(self, new_rate=positive_int("new_rate", self.new_rate))

    def __call__(self, waveform: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the waveform at `new_rate`."""
        x = as_float32("Resample", waveform)
        if x.ndim not in (1, 2) or x.size == 0:
            raise TransformError(
                f"Resample takes (samples,) or (channels, samples) with samples but got shape {x.shape}"
            )
        return change_rate(x, self.orig_rate, self.new_rate)

    def graph_steps(self, axis: int) -> list[GraphStep]:
        """Return no steps for equal rates; another rate has no counterpart in a graph."""
        if self.orig_rate != self.new_rate:
            raise ChainError(
                f"{self!r} has no counterpart in a graph: resample before the module, or record at {self.new_rate} Hz"
            )
        return []

    def output_spec(self, spec: Spec) -> Spec:
        """Return the spec at the new rate, or raise ChainError if it is not a waveform at `orig_rate`."""
        expect_waveform(spec, self.orig_rate)
        return Spec(spec.kind, self.new_rate, varies=spec.varies)
