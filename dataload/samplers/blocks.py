"""A shuffle that reads forward: for disks and object stores, where a sample here and one there is slow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataload.errors import ConfigError
from dataload.keys import mix, mix_array
from dataload.kinds import is_integer
from dataload.samplers.arrays import OfArrays, digest, whole_numbers
from dataload.samplers.base import IndexArray, Sampler, check_range, check_seed, known_seed
from dataload.samplers.permutation import permute


class BlockSampler(OfArrays, Sampler):
    """Shuffles blocks of samples, then mixes the samples of a few blocks at a time.

    The blocks come in random order. Of each group of `blocks_at_once` blocks that follow each other in it, samples are
    drawn from all at random, but those of one block in their own order: a reader has that many places open, and reads
    on at each. Costs memory for one number per block, and for the samples of a group.

    Args:
        blocks: (b,) samples of each block, in the order of the source, such as the rows of the row groups of a
            Parquet file.
        blocks_at_once: blocks that are mixed; more of them are closer to a full shuffle.
        seed: whole number of any size; None is the seed of the Loader.

    Raises:
        ConfigError: a block without samples, or blocks_at_once below 1.

    >>> BlockSampler([3, 3, 3], blocks_at_once=2).indices(epoch=0, start=0, stop=9)
    array([6, 3, 7, 8, 4, 5, 0, 1, 2])
    """

    def __init__(self, blocks: ArrayLike, *, blocks_at_once: int = 8, seed: int | None = 0) -> None:
        self._sizes = whole_numbers("blocks", blocks, minimum=1)
        if not is_integer(blocks_at_once) or blocks_at_once < 1:
            raise ConfigError(f"blocks_at_once={blocks_at_once!r} must be a whole number from 1 up")
        self.blocks_at_once = blocks_at_once
        check_seed(seed)
        self.seed = seed
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._length = int(self._sizes.sum())
        # Of the epoch that was asked for last: its number, the order of the blocks, and where each group ends. One
        # value, as threads of one process may ask for different epochs.
        self._epoch: tuple[int, IndexArray, IndexArray] | None = None

    @classmethod
    def of_size(cls, length: int, block_size: int, *, blocks_at_once: int = 8, seed: int | None = 0) -> BlockSampler:
        """Return a sampler of `length` samples in blocks of `block_size`; the last block may be smaller."""
        if length < 1 or block_size < 1:
            raise ConfigError(f"length={length} and block_size={block_size} must be 1 or more")
        sizes = np.full(-(-length // block_size), block_size, np.int64)
        sizes[-1] = length - block_size * (len(sizes) - 1)
        return cls(sizes, blocks_at_once=blocks_at_once, seed=seed)

    def __len__(self) -> int:
        return self._length

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the indices at positions start <= p < stop: (stop - start,) int64."""
        check_range(self._length, start, stop)
        order, ends = self._blocks_of(epoch)
        parts = [np.empty(0, np.int64)]
        group = int(ends.searchsorted(start, "right"))
        while start < stop:
            begin, end = int(ends[group - 1]) if group else 0, int(ends[group])
            until = min(end, stop)
            parts.append(self._mixed(epoch, group, order)[start - begin : until - begin])
            start, group = until, group + 1
        return np.concatenate(parts)

    def _blocks_of(self, epoch: int) -> tuple[IndexArray, IndexArray]:
        known = self._epoch
        if known is None or known[0] != epoch:
            count = len(self._sizes)
            key = mix("blocks", known_seed(self), epoch)
            order = permute(np.arange(count, dtype=np.uint64), count, key).astype(np.int64)
            last = np.append(np.arange(self.blocks_at_once, count, self.blocks_at_once), count) - 1
            known = self._epoch = epoch, order, np.cumsum(self._sizes[order])[last]
        return known[1], known[2]

    def _mixed(self, epoch: int, group: int, order: IndexArray) -> IndexArray:
        """Return the samples of a group of blocks in their order."""
        blocks = order[group * self.blocks_at_once : (group + 1) * self.blocks_at_once]
        of_block = np.repeat(np.arange(len(blocks)), self._sizes[blocks])
        shuffled = of_block[_shuffle(len(of_block), mix("group", known_seed(self), epoch, group))]
        # A stable sort by block tells which turns a block has; in those its samples come one after the other.
        turns = np.argsort(shuffled, kind="stable")
        mixed = np.empty(len(shuffled), np.int64)
        mixed[turns] = np.concatenate([np.arange(self._sizes[block]) + self._starts[block] for block in blocks])
        return mixed

    def forget(self) -> None:
        """Drop the blocks of the epoch that was asked for last."""
        self._epoch = None

    def __repr__(self) -> str:
        listed = f"{len(self._sizes)} blocks {digest(self._sizes)}"
        return f"BlockSampler({listed}, blocks_at_once={self.blocks_at_once}, seed={self.seed})"


def _shuffle(count: int, key: int) -> NDArray[np.int64]:
    return np.argsort(mix_array(key, np.arange(count, dtype=np.uint64)), kind="stable")
