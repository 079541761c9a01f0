"""Random transforms: a crop for anything with a leading axis, and SpecAugment for features.

Apart because they are called with a generator, and take every random number from it.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dataload.chain import RandomTransform, Spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.transforms.checks import (
    Float32,
    Printed,
    as_array,
    as_float32,
    finite_float,
    natural_int,
    positive_float,
    positive_int,
    store,
)
from dataload.transforms.shape import fit


@dataclass(frozen=True, repr=False)
class RandomCrop(Printed, RandomTransform):
    """Take a stretch of fixed length from anywhere along the leading axis.

    Args:
        length: entries of the leading axis of the output: samples of a waveform, frames of features.

    Returns:
        (when called with a generator) a new array of shape (length, ...) and the same dtype, every start
        equally likely; what is shorter is padded with zeros at the end.

    Raises:
        ConfigError: a length that is no positive integer.
        TransformError: (when called) not an array with an axis.

    >>> RandomCrop(3)(np.arange(10), np.random.default_rng(0))
    array([6, 7, 8])
    """

    length: int

    def __post_init__(self) -> None:
        store(self, length=positive_int("length", self.length))

    def __call__(self, x: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """Return a stretch of `x`."""
        x = as_array("RandomCrop", x)
        start = int(rng.integers(0, max(0, len(x) - self.length), endpoint=True))
        return fit(x[start:], self.length, 0)

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec with a fixed length."""
        return Spec(spec.kind, spec.sample_rate, varies=False)


@dataclass(frozen=True, repr=False)
class SpecAugment(Printed, RandomTransform):
    """Hide random bands of bins and random stretches of frames, without time warping.

    Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition" (2019),
    sections 2 and 3: each mask draws its width from 0 to the greatest width, both included, then its place.
    The number and width of the masks are the paper's policy "LibriSpeech double", the share is the one of its
    policies for short phrases.

    Args:
        n_freq_masks: number of bands.
        freq_width: greatest width of a band, in bins.
        n_time_masks: number of stretches.
        time_width: greatest length of a stretch, in frames.
        time_share: greatest length of a stretch as a share of the frames of the clip, 0..1 (p in the paper).
        fill: what hides: a number, or "mean" for the mean of the clip (the paper's zero, once features have
            mean 0).

    Returns:
        (when called with a generator on (frames, bins) floats) a new float32 array of the same shape.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a (frames, bins) float array.

    >>> mask = SpecAugment(n_freq_masks=1, freq_width=2, n_time_masks=0, fill=0.0)
    >>> mask(np.ones((2, 6), np.float32), np.random.default_rng(0))
    array([[1., 1., 1., 0., 0., 1.],
           [1., 1., 1., 0., 0., 1.]], dtype=float32)
    """

    _: KW_ONLY
    n_freq_masks: int = 2
    freq_width: int = 27
    n_time_masks: int = 2
    time_width: int = 100
    time_share: float = 0.2
    fill: float | Literal["mean"] = "mean"

    def __post_init__(self) -> None:
        for name in ("n_freq_masks", "freq_width", "n_time_masks", "time_width"):
            store(self, **{name: natural_int(name, getattr(self, name))})
        store(self, time_share=positive_float("time_share", self.time_share))
        if self.time_share > 1:
            raise ConfigError(f"time_share={self.time_share!r} must not be above 1")
        if self.fill != "mean":
            if isinstance(self.fill, str):
                raise ConfigError(f"fill={self.fill!r} must be a finite number or 'mean'")
            store(self, fill=finite_float("fill", self.fill))

    def __call__(self, features: npt.NDArray[np.floating[Any]], rng: np.random.Generator) -> Float32:
        """Return a copy of `features` with masks on it."""
        if isinstance(features, np.ndarray) and features.ndim != 2:
            raise TransformError(f"SpecAugment takes (frames, bins) features but got shape {features.shape}")
        source = as_float32("SpecAugment", features)
        out = source.copy()
        if out.size == 0:
            return out
        fill = source.mean(dtype=np.float64) if self.fill == "mean" else self.fill
        frames, bins = out.shape
        for _ in range(self.n_freq_masks):
            out[:, _stretch(rng, self.freq_width, bins)] = fill
        longest = min(self.time_width, int(self.time_share * frames))
        for _ in range(self.n_time_masks):
            out[_stretch(rng, longest, frames)] = fill
        return out

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec, or raise ChainError if what comes in is a waveform."""
        if spec.kind not in (None, "features"):
            raise ChainError(f"it takes (frames, bins) features but gets a {spec.kind}: put LogMel before it")
        return Spec("features", spec.sample_rate, varies=spec.varies)


def _stretch(rng: np.random.Generator, longest: int, size: int) -> slice:
    width = int(rng.integers(0, min(longest, size), endpoint=True))
    start = int(rng.integers(0, size - width, endpoint=True))
    return slice(start, start + width)
