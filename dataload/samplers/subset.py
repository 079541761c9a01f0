"""Some of the samples of a source."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dataload.keys import mix
from dataload.samplers.arrays import OfArrays, digest, whole_numbers
from dataload.samplers.base import IndexArray, Sampler, check_range, check_seed, known_seed
from dataload.samplers.permutation import permute


class SubsetSampler(OfArrays, Sampler):
    """The samples with these indices, each as often as it is listed.

    Args:
        indices: (n,) whole numbers from 0 up, such as one part of a split.
        shuffle: whether their order is random, another one in each epoch; otherwise it is that of the list.
        seed: of the order; whole number of any size; None is the seed of the Loader.

    Raises:
        ConfigError: there are no indices, or one is no whole number from 0 up.

    >>> SubsetSampler([7, 8, 9], seed=1).indices(epoch=0, start=0, stop=3)
    array([9, 7, 8])
    """

    def __init__(self, indices: ArrayLike, *, shuffle: bool = True, seed: int | None = 0) -> None:
        self._indices = whole_numbers("indices", indices)
        self.shuffle = shuffle
        check_seed(seed)
        self.seed = seed

    def __len__(self) -> int:
        return len(self._indices)

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the indices at positions start <= p < stop: (stop - start,) int64."""
        check_range(len(self), start, stop)
        if not self.shuffle:
            return self._indices[start:stop]
        positions = np.arange(start, stop, dtype=np.uint64)
        return self._indices[permute(positions, len(self), mix("subset", known_seed(self), epoch)).astype(np.int64)]

    def __repr__(self) -> str:
        listed = f"{len(self)} indices {digest(self._indices)}"
        return f"SubsetSampler({listed}, shuffle={self.shuffle}, seed={self.seed})"
