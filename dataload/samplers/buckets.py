"""Batches of samples of about the same length, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from dataload.errors import ConfigError
from dataload.keys import mix, mix_array
from dataload.samplers.arrays import OfArrays, digest, whole_numbers
from dataload.samplers.base import BatchSampler, IndexArray, check_seed, known_seed
from dataload.samplers.permutation import permute

# Lengths are sorted after each was made longer by up to this share, drawn anew in each epoch: enough for other batches
# in every epoch, little enough that hardly any padding comes of it.
_JITTER = 0.02


class BucketBatchSampler(OfArrays, BatchSampler):
    """Batches by length, in random order.

    The samples are sorted by their lengths, nearly; each batch is a run of that order. Batches, and which samples share
    one, are functions of (seed, epoch). Give it to a Loader as `batch_sampler`, or to torch's DataLoader.

    Args:
        lengths: (samples,) length of each sample of the source, in any unit, from 1 up.
        max_padded: what a batch may hold at most, padding included: its samples times the longest one's length.
        batch_size: samples in each batch, as the alternative to max_padded.
        drop_last: with batch_size, whether the batch that would be smaller is left out.
        seed: whole number of any size; None is the seed of the Loader.

    Raises:
        ConfigError: neither or both of max_padded and batch_size, or a sample longer than max_padded.

    >>> sampler = BucketBatchSampler([5, 50, 6, 52, 4], max_padded=104)
    >>> [batch for batch in sampler]
    [[1, 3], [4, 0, 2]]
    """

    def __init__(
        self,
        lengths: ArrayLike,
        *,
        max_padded: int | None = None,
        batch_size: int | None = None,
        drop_last: bool = False,
        seed: int | None = 0,
    ) -> None:
        self._lengths = whole_numbers("lengths", lengths, minimum=1)
        if (max_padded is None) == (batch_size is None):
            raise ConfigError("a BucketBatchSampler needs one of max_padded and batch_size")
        if drop_last and batch_size is None:
            raise ConfigError("drop_last goes with batch_size: with max_padded no batch is smaller than it has to be")
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"batch_size={batch_size} must be 1 or more")
        longest = int(self._lengths.argmax())
        if max_padded is not None and self._lengths[longest] > max_padded:
            raise ConfigError(
                f"max_padded={max_padded} must be at least the longest length: sample {longest} has "
                f"{self._lengths[longest]}. Leave long samples out with SubsetSampler, or crop them"
            )
        self.max_padded = max_padded
        self.batch_size = batch_size
        self.drop_last = drop_last
        check_seed(seed)
        self.seed = seed
        self.epoch = 0
        self._made: tuple[int, IndexArray, IndexArray] | None = None

    def batches(self, epoch: int) -> tuple[IndexArray, IndexArray]:
        """Return the indices of `epoch`, (samples,) int64, and where each batch ends in them, (batches,) int64."""
        made = self._made
        if made is None or made[0] != epoch:
            made = self._made = (epoch, *self._make(epoch))
        return made[1], made[2]

    def _make(self, epoch: int) -> tuple[IndexArray, IndexArray]:
        numbers = np.arange(len(self._lengths), dtype=np.uint64)
        share = mix_array(mix("bucket", known_seed(self), epoch), numbers) * (_JITTER * 2.0**-64)
        by_length = np.argsort(self._lengths * (1 + share), kind="stable")
        ends = self._cut(self._lengths[by_length])
        starts = np.concatenate(([0], ends[:-1]))
        turn = permute(np.arange(len(ends), dtype=np.uint64), len(ends), mix("buckets", known_seed(self), epoch))
        starts, ends = starts[turn], ends[turn]
        sizes = ends - starts
        new_ends = np.cumsum(sizes)
        # Position p of the new order lies in the batch that was at starts[...], at the same distance from its start.
        order = by_length[np.arange(int(sizes.sum())) + np.repeat(starts - (new_ends - sizes), sizes)]
        return order, new_ends

    def _cut(self, lengths: IndexArray) -> IndexArray:
        """Return where the batches end in the order by length."""
        count = len(lengths)
        if self.batch_size is not None:
            whole = np.arange(self.batch_size, count + 1, self.batch_size)
            return whole if count % self.batch_size == 0 or self.drop_last else np.append(whole, count)
        assert self.max_padded is not None
        # Nearly sorted: the longest of a run is the longest so far, as far as that matters for a bound.
        longest = np.maximum.accumulate(lengths)
        ends: list[int] = []
        start = 0
        while start < count:
            # A run of so many fits if even all of its samples were as long as its first; bisection finds how many do.
            low, high = start + 1, min(start + self.max_padded // int(longest[start]), count)
            while low < high:
                middle = (low + high + 1) // 2
                fits = (middle - start) * int(longest[middle - 1]) <= self.max_padded
                low, high = (middle, high) if fits else (low, middle - 1)
            ends.append(low)
            start = low
        return np.array(ends, np.int64)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration, for loaders that iterate; a `Loader` asks for the epoch itself."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches of the epoch."""
        return len(self.batches(self.epoch)[1])

    def __iter__(self) -> Iterator[list[int]]:
        order, ends = self.batches(self.epoch)
        start = 0
        for end in ends.tolist():
            yield order[start:end].tolist()
            start = end

    def forget(self) -> None:
        """Drop the batches of the epoch that was asked for last."""
        self._made = None

    def __repr__(self) -> str:
        size = f"max_padded={self.max_padded}" if self.batch_size is None else f"batch_size={self.batch_size}"
        listed = f"{len(self._lengths)} lengths {digest(self._lengths)}"
        return f"BucketBatchSampler({listed}, {size}, drop_last={self.drop_last}, seed={self.seed})"
