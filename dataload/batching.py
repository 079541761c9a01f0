"""The plan: which indices make batch k.

A plan cuts the order of an epoch into steps, and each step into one batch for every rank. It can start after any number
of samples, so that a run resumes with exactly the samples that were not yet delivered, whatever the batch size and the
number of ranks were before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dataload.errors import ConfigError
from dataload.samplers.base import BatchSampler, IndexArray, Sampler
from dataload.samplers.subset import SubsetSampler
from dataload.sharding import ALONE, Shard

# A sampler is asked for many batches at once, because a call costs far more than an index: 16 384 positions of a
# keyed permutation take 0.5 ms, 32 take 0.1 ms. The first calls are small so that the first batch does not wait.
_POSITIONS_AT_ONCE = 16_384


class Plan(Protocol):
    """Which indices make which batch of this rank."""

    def num_batches(self, epoch: int, start: int = 0) -> int:
        """Return how many batches each rank has left of `epoch` after `start` samples."""
        ...

    def batches(self, epoch: int, start: int = 0) -> Iterator[IndexArray]:
        """Yield the indices of each batch left of `epoch` after `start` samples."""
        ...

    def position(self, epoch: int, start: int, steps: int) -> int:
        """Return how many samples all ranks together have had when each took `steps` batches after `start` samples."""
        ...

    def order_digest(self, epoch: int) -> str | None:
        """Return a fingerprint of the order if it is not a function of (seed, epoch) by construction."""
        ...

    def spares(self, epoch: int) -> Sampler:
        """Return an order of the samples of this plan, and of no others, that can be sent to workers."""
        ...


@dataclass(frozen=True)
class SizedBatches:
    """Batches of `batch_size` consecutive positions of a sampler.

    What is left for the last step is shared out evenly, so that every rank has a batch and no sample is seen twice;
    ranks differ by one sample then. Only where less than one sample per rank is left do the others get samples from the
    beginning of the epoch. With `drop_last` the last step is left out unless it is whole.
    """

    sampler: Sampler
    batch_size: int
    drop_last: bool
    shard: Shard = ALONE

    def __post_init__(self) -> None:
        if not self.drop_last:
            self._check_length(len(self.sampler))

    @property
    def _whole(self) -> int:
        """Samples of one step, over all ranks."""
        return self.batch_size * self.shard.world

    def num_batches(self, epoch: int, start: int = 0) -> int:
        """Return how many batches each rank has left of `epoch` after `start` samples."""
        left = max(len(self.sampler) - start, 0)
        return left // self._whole if self.drop_last else -(-left // self._whole)

    def batches(self, epoch: int, start: int = 0) -> Iterator[IndexArray]:
        """Yield the indices of each batch left of `epoch` after `start` samples."""
        # A foreign sampler only knows its true length once the epoch has been read.
        self.sampler.indices(epoch, 0, 0)
        length = len(self.sampler)
        size, whole, rank = self.batch_size, self._whole, self.shard.rank
        at_once = 1
        while start + whole <= length:
            steps = min(at_once, (length - start) // whole)
            if steps == 1:
                own = start + rank * size
                yield self.sampler.indices(epoch, own, own + size)
            else:
                # The parts of the other ranks are asked for too; beyond `_POSITIONS_AT_ONCE` they no longer are.
                order = self.sampler.indices(epoch, start, start + steps * whole)
                yield from order.reshape(steps, self.shard.world, size)[:, rank]
            start += steps * whole
            at_once = min(2 * at_once, max(_POSITIONS_AT_ONCE // whole, 1))
        if start < length and not self.drop_last:
            yield self._last(epoch, start, length)

    def _last(self, epoch: int, start: int, length: int) -> IndexArray:
        """Return this rank's share of the samples that are left for the last step."""
        self._check_length(length)
        rank, world, left = self.shard.rank, self.shard.world, length - start
        if rank >= left:
            # The first samples of the epoch are not among the last ones, as there are at least `world` samples.
            return self.sampler.indices(epoch, rank - left, rank - left + 1)
        each, more = divmod(left, world)
        begin = start + rank * each + min(rank, more)
        return self.sampler.indices(epoch, begin, begin + each + (rank < more))

    def _check_length(self, length: int) -> None:
        if 0 < length < self.shard.world:
            raise ConfigError(
                f"{length} samples cannot be shared out to {self.shard.world} ranks: use fewer ranks, or drop_last=True"
            )

    def position(self, epoch: int, start: int, steps: int) -> int:
        """Return how many samples all ranks together have had when each took `steps` batches after `start` samples."""
        return min(start + steps * self._whole, max(len(self.sampler), start))

    def order_digest(self, epoch: int) -> str | None:
        """Return a fingerprint of the order if the sampler is a foreign one."""
        own = getattr(self.sampler, "order_digest", None)
        return own(epoch) if own is not None else None

    def spares(self, epoch: int) -> Sampler:
        """Return the sampler, or what a foreign one gives in this epoch."""
        if self.order_digest(epoch) is None:
            return self.sampler
        return _sorted(self.sampler.indices(epoch, 0, len(self.sampler)))


@dataclass(frozen=True)
class ListedBatches:
    """The batches that a batch sampler lists; those of one step go to the ranks in turn.

    Where the last step has fewer batches than there are ranks, the others get the first batches of the epoch.
    """

    sampler: BatchSampler
    shard: Shard = ALONE

    def num_batches(self, epoch: int, start: int = 0) -> int:
        """Return how many batches each rank has left of `epoch` after `start` samples."""
        _, ends = self.sampler.batches(epoch)
        return -(-(len(ends) - self._first(ends, start)) // self.shard.world)

    def batches(self, epoch: int, start: int = 0) -> Iterator[IndexArray]:
        """Yield the indices of each batch left of `epoch` after `start` samples."""
        order, ends = self.sampler.batches(epoch)
        if 0 < len(ends) < self.shard.world:
            raise ConfigError(
                f"{len(ends)} batches cannot be shared out to {self.shard.world} ranks: use fewer ranks or smaller "
                "batches"
            )
        first = self._first(ends, start)
        for number in range(first, len(ends), self.shard.world):
            own = number + self.shard.rank
            if own >= len(ends):
                own, start = own - len(ends), 0
            yield order[max(int(ends[own - 1]) if own else 0, start) : ends[own]]

    def position(self, epoch: int, start: int, steps: int) -> int:
        """Return how many samples all ranks together have had when each took `steps` batches after `start` samples."""
        _, ends = self.sampler.batches(epoch)
        number = min(self._first(ends, start) + steps * self.shard.world, len(ends))
        return max(int(ends[number - 1]) if number else 0, start)

    @staticmethod
    def _first(ends: IndexArray, start: int) -> int:
        return int(ends.searchsorted(start, "right"))

    def order_digest(self, epoch: int) -> str | None:
        """Return a fingerprint of the order of `epoch` if the batch sampler is a foreign one."""
        own = getattr(self.sampler, "order_digest", None)
        return own(epoch) if own is not None else None

    def spares(self, epoch: int) -> Sampler:
        """Return the samples of this epoch."""
        return _sorted(self.sampler.batches(epoch)[0])


def _sorted(order: IndexArray) -> Sampler:
    return SubsetSampler(np.unique(order), shuffle=False)
