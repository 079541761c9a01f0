"""A shuffled order that is never written down."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dataload.errors import ConfigError
from dataload.keys import mix
from dataload.samplers.base import IndexArray, Sampler, check_range, check_seed, known_seed
from dataload.samplers.permutation import permute


@dataclass(frozen=True)
class RandomSampler(Sampler):
    """Every index once, in an order that depends on (seed, epoch) only.

    Any part of the order costs time and memory for that part alone: a source of 10**10 samples needs no list of
    10**10 indices, and an epoch can be entered in its middle.

    Args:
        length: number of samples of the source, below 2**63.
        seed: whole number of any size; None is the seed of the Loader.

    >>> RandomSampler(10, seed=0).indices(epoch=0, start=0, stop=10)
    array([0, 6, 5, 7, 1, 9, 2, 4, 8, 3])
    """

    length: int
    seed: int | None = 0

    def __post_init__(self) -> None:
        if not 0 <= self.length < 1 << 63:
            raise ConfigError(f"length={self.length} must be 0 or more and below 2**63")
        check_seed(self.seed)

    def __len__(self) -> int:
        return self.length

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the shuffled indices at positions start <= p < stop: (stop - start,) int64."""
        check_range(self.length, start, stop)
        return self.at(epoch, np.arange(start, stop))

    def at(self, epoch: int, positions: IndexArray) -> IndexArray:
        """Return the shuffled indices at any positions, which must be below `length`: (n,) int64."""
        key = mix("order", known_seed(self), epoch)
        return permute(positions.astype(np.uint64), self.length, key).astype(np.int64)

    def with_seed(self, seed: int) -> RandomSampler:
        """Return the same sampler with another seed."""
        return replace(self, seed=seed)

    def fingerprint(self) -> str:
        """Return what the order depends on."""
        return f"RandomSampler(length={self.length}, seed={self.seed})"
