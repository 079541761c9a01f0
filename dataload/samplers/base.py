"""What a sampler is: the order of an epoch, readable from any position."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError
from dataload.kinds import is_integer

IndexArray = NDArray[np.int64]


class Sampler(Protocol):
    """The order of the samples of each epoch, by position.

    `indices` is a pure function: the same arguments give the same answer in any process at any time, and it may be
    asked for any part of an epoch without having been asked for the part before it.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of positions of one epoch."""
        ...

    @abstractmethod
    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the sample indices at positions start <= p < stop of `epoch`: (stop - start,) int64."""
        ...

    @abstractmethod
    def fingerprint(self) -> str:
        """Return text that is equal for samplers of equal orders: it stands in every state."""
        ...

    def order_digest(self, epoch: int) -> str | None:
        """Return a digest of the order of `epoch`, or None where the fingerprint alone tells it."""
        return None


class BatchSampler(Protocol):
    """The order of the samples of each epoch, and where it is cut into batches. A pure function, like a sampler."""

    @abstractmethod
    def batches(self, epoch: int) -> tuple[IndexArray, IndexArray]:
        """Return the indices of `epoch`, (samples,) int64, and where each batch ends in them, (batches,) int64."""
        ...

    @abstractmethod
    def fingerprint(self) -> str:
        """Return text that is equal for batch samplers of equal orders: it stands in every state."""
        ...

    def order_digest(self, epoch: int) -> str | None:
        """Return a digest of the order of `epoch`, or None where the fingerprint alone tells it."""
        return None


@runtime_checkable
class Seeded(Protocol):
    """A sampler whose seed may be None: it then takes that of the Loader it is given to."""

    @property
    def seed(self) -> int | None:
        """The seed."""
        ...

    def with_seed(self, seed: int) -> Self:
        """Return the same sampler with another seed."""
        ...


def check_range(length: int, start: int, stop: int) -> None:
    """Raise IndexError unless 0 <= start <= stop <= length."""
    if not 0 <= start <= stop <= length:
        raise IndexError(f"positions {start}:{stop} are outside of an epoch of {length}")


@runtime_checkable
class ScatteredSampler(Protocol):
    """A sampler that can be asked for positions apart from each other, as a rank of many wants them."""

    def at(self, epoch: int, positions: IndexArray) -> IndexArray:
        """Return the indices at these positions of the order of `epoch`; both (n,) int64."""
        ...


def check_seed(seed: int | None) -> None:
    """Raise ConfigError unless a sampler's seed is a whole number or None."""
    if seed is not None and not is_integer(seed):
        raise ConfigError(f"seed={seed!r} must be a whole number, or None for the seed of the Loader")


def known_seed(sampler: Seeded) -> int:
    """Return the seed of a sampler, or raise ConfigError where it waits for that of a Loader."""
    if sampler.seed is None:
        raise ConfigError(
            f"{type(sampler).__name__} has seed=None, the seed of the Loader that it is given to: outside of one give "
            "it a number"
        )
    return sampler.seed
