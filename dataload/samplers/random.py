"""A shuffled order that is never written down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataload.errors import ConfigError
from dataload.keys import mix
from dataload.samplers.base import IndexArray, check_range
from dataload.samplers.permutation import permute


@dataclass(frozen=True)
class RandomSampler:
    """Every index once, in an order that depends on (seed, epoch) only.

    Any part of the order costs time and memory for that part alone: a source of 10**10 samples needs no list of
    10**10 indices, and an epoch can be entered in its middle.

    Args:
        length: number of samples of the source, below 2**63.
        seed: whole number of any size.

    >>> RandomSampler(10, seed=0).indices(epoch=0, start=0, stop=10)
    array([0, 6, 5, 7, 1, 9, 2, 4, 8, 3])
    """

    length: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.length < 1 << 63:
            raise ConfigError(f"length={self.length} must be 0 or more and below 2**63")

    def __len__(self) -> int:
        return self.length

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the shuffled indices at positions start <= p < stop: (stop - start,) int64."""
        check_range(self.length, start, stop)
        positions = np.arange(start, stop, dtype=np.uint64)
        return permute(positions, self.length, mix("order", self.seed, epoch)).astype(np.int64)
