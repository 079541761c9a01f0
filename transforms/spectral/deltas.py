"""Deltas: how features change from frame to frame."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.errors import ConfigError
from dataload.registry import register
from dataload.transforms.checks import Float32, Printed, as_features, expect_features, positive_int, store


def deltas(features: npt.NDArray[np.floating[Any]], *, width: int = 5, order: int = 1) -> Float32:
    """Return the slope of each bin over time, by least squares over `width` frames.

    Args:
        features: (frames, bins) floats.
        width: frames that each slope is fitted to, an odd number from 3 up. Beyond the ends the first and the last
            frame are repeated.
        order: how often it is done; 2 gives the acceleration.

    Returns:
        (frames, bins) float32: Σ n·x[t + n] / Σ n² over n from -(width // 2) to width // 2 (the HTK Book, 5.9). The
        same as Kaldi's add-deltas, as torchaudio's `compute_deltas` for order=1, and as `librosa.feature.delta(...,
        mode="nearest")` for order=1.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: not (frames, bins) floats.

    >>> deltas(np.array([[0.0], [1.0], [2.0], [3.0]]), width=3).T
    array([[0.5, 1. , 1. , 0.5]], dtype=float32)
    """
    width, order = _check_width(width), positive_int("order", order)
    return _slopes(as_features("deltas", features), width, order)[-1]


def _check_width(width: int) -> int:
    if positive_int("width", width) < 3 or width % 2 == 0:
        raise ConfigError(f"width={width!r} must be an odd number from 3 up")
    return int(width)


def _slopes(x: Float32, width: int, order: int) -> list[Float32]:
    """Return the slopes of each order up to `order`."""
    half, frames = width // 2, len(x)
    offsets = range(1, half + 1)
    norm = np.float32(1.0 / (2 * sum(n * n for n in offsets)))
    # As Kaldi does: the ends of the features are repeated, not those of their slopes.
    x = np.concatenate([np.repeat(x[:1], half * order, 0), x, np.repeat(x[-1:], half * order, 0)])
    found = []
    for left in range(order - 1, -1, -1):
        middle, size = half, len(x) - 2 * half
        out = np.zeros((size, x.shape[1]), np.float32)
        for n in offsets:
            out += np.float32(n) * (x[middle + n : middle + n + size] - x[middle - n : middle - n + size])
        x = np.multiply(out, norm, out=out)
        found.append(np.ascontiguousarray(x[half * left : half * left + frames]))
    return found


@register
@dataclass(frozen=True, repr=False)
class Deltas(Printed):
    """Put the slopes of features beside them: (frames, bins) becomes (frames, bins·(order + 1)).

    Args:
        width: frames that each slope is fitted to, an odd number from 3 up; 5 in Kaldi and torchaudio, 9 in librosa.
        order: 1 adds the slopes, 2 also the slopes of these, and so on.

    Returns:
        (when called on (frames, bins) floats) float32: the features, then the slopes of each order, as Kaldi's
        add-deltas; see `functional.deltas`.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not (frames, bins) floats.

    >>> Deltas(width=3, order=1)(np.array([[0.0], [1.0], [2.0]])).T
    array([[0. , 1. , 2. ],
           [0.5, 1. , 0.5]], dtype=float32)
    """

    _: KW_ONLY
    width: int = 5
    order: int = 2

    def __post_init__(self) -> None:
        store(self, width=_check_width(self.width), order=positive_int("order", self.order))

    def __call__(self, features: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the features with their slopes."""
        x = as_features("Deltas", features)
        return np.concatenate([x, *_slopes(x, self.width, self.order)], axis=1)

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec, or raise ChainError if what comes in is a waveform."""
        expect_features(spec)
        return Spec("features", spec.sample_rate, varies=spec.varies)
