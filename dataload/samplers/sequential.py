"""The order that the source has by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataload.errors import ConfigError
from dataload.samplers.base import IndexArray, Sampler, check_range


@dataclass(frozen=True)
class SequentialSampler(Sampler):
    """Every index once, from 0 up, the same in every epoch.

    Args:
        length: number of samples of the source.

    >>> SequentialSampler(5).indices(epoch=0, start=2, stop=5)
    array([2, 3, 4])
    """

    length: int

    def __post_init__(self) -> None:
        if self.length < 0:
            raise ConfigError(f"length={self.length} must be 0 or more")

    def __len__(self) -> int:
        return self.length

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return start, start + 1, ..., stop - 1 as (stop - start,) int64."""
        check_range(self.length, start, stop)
        return np.arange(start, stop, dtype=np.int64)

    def fingerprint(self) -> str:
        """Return what the order depends on."""
        return f"SequentialSampler(length={self.length})"
