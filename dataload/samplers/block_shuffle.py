"""A full shuffle inside windows of a few blocks, each of which is read once: for shuffle="blocks".

Apart from `blocks`, whose orders keep the samples of a block in their own order and stand in states of older versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dataload.errors import ConfigError
from dataload.keys import mix
from dataload.kinds import is_integer
from dataload.samplers.arrays import OfArrays, digest, whole_numbers
from dataload.samplers.base import IndexArray, Sampler, check_range, check_seed, known_seed
from dataload.samplers.permutation import permute


@dataclass(frozen=True)
class _Epoch:
    """The order of one epoch before the samples of its windows are permuted.

    Attributes:
        number: of the epoch.
        ends: (blocks,) where each block ends, in their random order.
        shifts: (blocks,) what to add to a place in it for the sample index.
        windows: (windows,) where each window ends.
    """

    number: int
    ends: IndexArray
    shifts: IndexArray
    windows: IndexArray


class BlockShuffleSampler(OfArrays, Sampler):
    """Shuffles blocks of samples, then all samples of a few blocks at a time.

    The blocks of the whole source come in random order. Those that follow each other in it make windows of
    `blocks_at_once` blocks, or one less where they do not divide evenly. Inside a window every order of its samples is
    equally likely, so a reader that keeps the blocks of a window reads each block once. Costs memory for four numbers
    per block; a part of the order costs time for that part, and for its window where that is short.

    Args:
        blocks: (b,) samples of each block, in the order of the source.
        blocks_at_once: blocks that are mixed; more of them are closer to a full shuffle, and more to keep.
        seed: whole number of any size; None is the seed of the Loader.

    Raises:
        ConfigError: a block without samples, or blocks_at_once below 1.

    >>> BlockShuffleSampler([3, 3, 3], blocks_at_once=2).indices(epoch=0, start=0, stop=9)
    array([3, 5, 4, 1, 8, 2, 6, 0, 7])
    """

    def __init__(self, blocks: ArrayLike, *, blocks_at_once: int = 8, seed: int | None = 0) -> None:
        self._sizes = whole_numbers("blocks", blocks, minimum=1)
        if not is_integer(blocks_at_once) or blocks_at_once < 1:
            raise ConfigError(f"blocks_at_once={blocks_at_once!r} must be a whole number from 1 up")
        self.blocks_at_once = blocks_at_once
        check_seed(seed)
        self.seed = seed
        self._length = int(self._sizes.sum())
        # Of the epoch that was asked for last.
        self._epoch: _Epoch | None = None

    def __len__(self) -> int:
        return self._length

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the indices at positions start <= p < stop: (stop - start,) int64."""
        check_range(self._length, start, stop)
        known = self._epoch_of(epoch)
        parts = [np.empty(0, np.int64)]
        window = int(known.windows.searchsorted(start, "right"))
        while start < stop:
            begin, end = int(known.windows[window - 1]) if window else 0, int(known.windows[window])
            until = min(end, stop)
            inside = np.arange(start - begin, until - begin, dtype=np.uint64)
            mixed = permute(inside, end - begin, mix("window", known_seed(self), epoch, window))
            parts.append(mixed.astype(np.int64) + begin)
            start, window = until, window + 1
        places = np.concatenate(parts)
        return places + known.shifts[known.ends.searchsorted(places, "right")]

    def _epoch_of(self, epoch: int) -> _Epoch:
        # Read and assigned whole, as threads of one process may ask for different epochs.
        known = self._epoch
        if known is None or known.number != epoch:
            count = len(self._sizes)
            key = mix("block order", known_seed(self), epoch)
            order = permute(np.arange(count, dtype=np.uint64), count, key).astype(np.int64)
            sizes = self._sizes[order]
            ends = np.cumsum(sizes)
            shifts = (np.cumsum(self._sizes) - self._sizes)[order] - (ends - sizes)
            # Windows of nearly equal numbers of blocks: a last one of a single block would not be mixed.
            windows = -(-count // self.blocks_at_once)
            last = np.arange(1, windows + 1) * count // windows - 1
            known = self._epoch = _Epoch(epoch, ends, shifts, ends[last])
        return known

    def forget(self) -> None:
        """Drop the order of the blocks of the epoch that was asked for last."""
        self._epoch = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_epoch": None}

    def __repr__(self) -> str:
        listed = f"{len(self._sizes)} blocks {digest(self._sizes)}"
        return f"BlockShuffleSampler({listed}, blocks_at_once={self.blocks_at_once}, seed={self.seed})"


def cut_runs(runs: IndexArray, most: int) -> IndexArray:
    """Return runs of which none has more than `most` samples: longer ones are cut into nearly equal pieces.

    >>> cut_runs(np.array([3, 10]), 4)
    array([3, 4, 3, 3])
    """
    pieces = -(-runs // most)
    run = np.repeat(np.arange(len(runs)), pieces)
    place = np.arange(len(run)) - (np.cumsum(pieces) - pieces)[run]
    cut: IndexArray = runs[run] // pieces[run] + (place < runs[run] % pieces[run])
    return cut


def join_runs(runs: IndexArray, least: int) -> IndexArray:
    """Return which runs begin a block: (blocks,) int64, where runs below `least` samples are joined with others.

    Those that follow each other make blocks of about `least` samples; those behind a longer run belong to its block.

    >>> join_runs(np.array([2, 2, 1, 1, 2, 9, 1, 8]), 4)
    array([0, 2, 5, 7])
    """
    if not len(runs):
        return np.empty(0, np.int64)
    long = runs >= least
    cell = (np.cumsum(runs) - runs) // least
    begins = long.copy()
    begins[0] = True
    begins[1:] |= ~long[:-1] & (np.diff(cell) > 0)
    return np.flatnonzero(begins)
