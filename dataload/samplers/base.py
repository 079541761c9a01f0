"""What a sampler is: the order of an epoch, readable from any position."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.int64]


@runtime_checkable
class Sampler(Protocol):
    """The order of the samples of each epoch, by position.

    `indices` is a pure function: the same arguments give the same answer in any process at any time, and it may be
    asked for any part of an epoch without having been asked for the part before it.
    """

    def __len__(self) -> int:
        """Return the number of positions of one epoch."""
        ...

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the sample indices at positions start <= p < stop of `epoch`: (stop - start,) int64."""
        ...


@runtime_checkable
class BatchSampler(Protocol):
    """The order of the samples of each epoch, and where it is cut into batches. A pure function, like a sampler."""

    def batches(self, epoch: int) -> tuple[IndexArray, IndexArray]:
        """Return the indices of `epoch`, (samples,) int64, and where each batch ends in them, (batches,) int64."""
        ...


def check_range(length: int, start: int, stop: int) -> None:
    """Raise IndexError unless 0 <= start <= stop <= length."""
    if not 0 <= start <= stop <= length:
        raise IndexError(f"positions {start}:{stop} are outside of an epoch of {length}")
