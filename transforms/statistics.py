"""Mean and variance of a data set, measured batch by batch: the merging of sums, and the clips of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.errors import ConfigError, TransformError
from dataload.samples import Field, lengths_of

Float64 = npt.NDArray[np.float64]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Moments:
    """Count, mean and spread of the values seen so far.

    Attributes:
        count: of frames, or of samples.
        mean: () or (bins,) float64.
        squares: sums of squared deviations from the mean, of the same shape.
    """

    count: int
    mean: Float64
    squares: Float64

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both together."""
        count = self.count + other.count
        difference = other.mean - self.mean
        share = other.count / count
        return Moments(
            count,
            np.asarray(self.mean + share * difference),
            np.asarray(self.squares + other.squares + self.count * share * np.square(difference)),
        )

    def std(self) -> Float64:
        """Return the standard deviation of all values: () or (bins,)."""
        return np.asarray(np.sqrt(self.squares / self.count))


def measure(batches: Iterable[Any], field: Field | None, progress: Progress | None) -> Moments:
    """Return the moments of one pass; see `Normalize.fit`."""
    if progress is not None and not callable(progress):
        raise ConfigError(f"progress={progress!r} must be None or a function, called as progress(done, total)")
    if hasattr(batches, "with_options"):
        # A Loader: a copy is run, since iterating it would take an epoch from the training loop.
        with batches.with_options() as copy:
            return _measure(copy, field, progress)
    return _measure(batches, field, progress)


def _measure(batches: Iterable[Any], field: Field | None, progress: Progress | None) -> Moments:
    total: Moments | None = None
    size = len(batches) if isinstance(batches, Sized) else None
    for number, batch in enumerate(batches):
        for clip in _clips(batch, field):
            found = _moments(clip, number)
            if total is not None and total.mean.shape != found.mean.shape:
                raise TransformError(
                    f"batch {number} has {found.mean.shape} bins but the batches before it had {total.mean.shape}"
                )
            total = found if total is None else total.merged(found)
        if progress is not None:
            progress(number + 1, size)
    if total is None:
        raise TransformError("there is nothing to measure: no batch has a value in it")
    return total


def _moments(clip: npt.NDArray[Any], number: int) -> Moments:
    mean = np.asarray(clip.mean(axis=0, dtype=np.float64))
    squares = np.asarray(np.square(clip - mean).sum(axis=0))
    if not np.isfinite(squares).all():
        raise TransformError(f"batch {number} has values that are not finite: drop or repair that sample")
    return Moments(len(clip), mean, squares)


def _clips(batch: Any, field: Field | None) -> Iterator[npt.NDArray[Any]]:
    array, lengths = lengths_of(batch, field)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or array.ndim not in (2, 3):
        raise TransformError(
            "a batch must hold (batch, frames, bins) or (batch, samples) numbers"
            f"{'' if field is None else f' in field {field!r}'} but there is "
            f"{f'{array.dtype} {array.shape}' if isinstance(array, np.ndarray) else type(array).__name__}"
        )
    for i, clip in enumerate(array):
        kept = clip if lengths is None else clip[: int(lengths[i])]
        if kept.size:
            yield kept
