"""The plan: which indices make batch k.

A plan cuts the order of an epoch into steps, and each step into one batch for every rank. It can start after any number
of samples, so that a run resumes with exactly the samples that were not yet delivered, whatever the batch size and the
number of ranks were before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dataload.errors import ConfigError
from dataload.kinds import is_integer
from dataload.samplers.base import BatchSampler, IndexArray, Sampler, ScatteredSampler
from dataload.samplers.door import as_batch_sampler, as_sampler
from dataload.samplers.random import RandomSampler
from dataload.samplers.sequential import SequentialSampler
from dataload.samplers.subset import SubsetSampler
from dataload.sharding import ALONE, Shard
from dataload.sources.runs import shuffled_in_blocks

if TYPE_CHECKING:
    from dataload.options import Options

# A sampler is asked for many batches at once, because a call costs far more than an index: 16 384 positions of a
# keyed permutation take 0.5 ms, 32 take 0.1 ms. The first calls are small so that the first batch does not wait.
_POSITIONS_AT_ONCE = 16_384
# Above this, a call for the positions of this rank alone takes less than those of all ranks.
_WHOLE_STEPS = 2048


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

    def first_number(self, epoch: int, start: int) -> int:
        """Return the number k of the first batch left of `epoch` after `start` samples."""
        ...

    def num_samples(self, epoch: int) -> int:
        """Return the number of positions of `epoch`, over all ranks."""
        ...

    def fingerprint(self) -> str:
        """Return text that is equal for plans of equal orders: it stands in every state."""
        ...

    def order_digest(self, epoch: int) -> str | None:
        """Return a digest of the order if it is not a function of (seed, epoch) by construction."""
        ...

    def spares(self, epoch: int) -> Sampler:
        """Return an order of the samples of this plan, and of no others, that can be sent to workers."""
        ...

    def resharded(self, shard: Shard, batch_size: int | None) -> Plan:
        """Return the plan of the same order for another rank or number of ranks.

        Args:
            shard: part of each step that is made here.
            batch_size: samples for each rank; None leaves the samples of a step as many as they are.

        Raises:
            ConfigError: a step cannot be cut into so many parts.
        """
        ...


@dataclass(frozen=True)
class SizedBatches(Plan):
    """Steps of `whole` consecutive positions of a sampler, of which each rank has an equal part as its batch.

    Where `world` does not divide `whole`, the first ranks have one sample more than the others. The rest of an epoch,
    its last step, is shared out in the same way: every rank has a batch, and no sample is seen twice. Only where less
    than one sample per rank is left do the others get samples from the beginning of the epoch. With `drop_last` the
    last step is left out unless it is whole.
    """

    sampler: Sampler
    whole: int
    drop_last: bool
    shard: Shard = ALONE

    def __post_init__(self) -> None:
        if self.whole < self.shard.world:
            raise ConfigError(
                f"a global batch of {self.whole} samples cannot be shared out to {self.shard.world} ranks: use fewer "
                "ranks, or say how many samples each rank is to have, batch_size="
            )
        if not self.drop_last:
            self._check_length(len(self.sampler))

    @property
    def batch_size(self) -> int:
        """Samples of this rank in a whole step."""
        begin, end = self._part(self.whole)
        return end - begin

    def _part(self, samples: int) -> tuple[int, int]:
        """Return where this rank's part of a step of so many samples begins and ends."""
        each, more = divmod(samples, self.shard.world)
        begin = self.shard.rank * each + min(self.shard.rank, more)
        return begin, begin + each + (self.shard.rank < more)

    def num_batches(self, epoch: int, start: int = 0) -> int:
        """Return how many batches each rank has left of `epoch` after `start` samples."""
        left = max(len(self.sampler) - start, 0)
        return left // self.whole if self.drop_last else -(-left // self.whole)

    def batches(self, epoch: int, start: int = 0) -> Iterator[IndexArray]:
        """Yield the indices of each batch left of `epoch` after `start` samples."""
        length = self.num_samples(epoch)
        whole, (begin, end) = self.whole, self._part(self.whole)
        scattered = self.sampler if isinstance(self.sampler, ScatteredSampler) else None
        most = max(_POSITIONS_AT_ONCE // (end - begin if scattered else whole), 1)
        if not scattered and whole > _WHOLE_STEPS:
            most = 1
        at_once = 1
        while start + whole <= length:
            steps = min(at_once, (length - start) // whole)
            if steps == 1:
                yield self.sampler.indices(epoch, start + begin, start + end)
            elif scattered:
                positions = (start + whole * np.arange(steps))[:, None] + np.arange(begin, end)
                yield from scattered.at(epoch, positions.reshape(-1)).reshape(positions.shape)
            else:
                # The parts of the other ranks are asked for too.
                order = self.sampler.indices(epoch, start, start + steps * whole)
                yield from order.reshape(steps, whole)[:, begin:end]
            start += steps * whole
            at_once = min(2 * at_once, most)
        if start < length and not self.drop_last:
            yield self._last(epoch, start, length)

    def _last(self, epoch: int, start: int, length: int) -> IndexArray:
        """Return this rank's share of the samples that are left for the last step."""
        self._check_length(length)
        rank, left = self.shard.rank, length - start
        if rank >= left:
            # The first samples of the epoch are not among the last ones, as there are at least `world` samples.
            return self.sampler.indices(epoch, rank - left, rank - left + 1)
        begin, end = self._part(left)
        return self.sampler.indices(epoch, start + begin, start + end)

    def _check_length(self, length: int) -> None:
        if 0 < length < self.shard.world:
            raise ConfigError(
                f"{length} samples cannot be shared out to {self.shard.world} ranks: use fewer ranks, or drop_last=True"
            )

    def position(self, epoch: int, start: int, steps: int) -> int:
        """Return how many samples all ranks together have had when each took `steps` batches after `start` samples."""
        return min(start + steps * self.whole, max(len(self.sampler), start))

    def first_number(self, epoch: int, start: int) -> int:
        """Return the number k of the first batch left of `epoch` after `start` samples."""
        return self.num_batches(epoch) - self.num_batches(epoch, start)

    def num_samples(self, epoch: int) -> int:
        """Return the number of positions of `epoch`, over all ranks."""
        # A foreign sampler only knows its true length once the epoch has been read.
        self.sampler.indices(epoch, 0, 0)
        return len(self.sampler)

    def fingerprint(self) -> str:
        """Return the fingerprint of the sampler."""
        return self.sampler.fingerprint()

    def order_digest(self, epoch: int) -> str | None:
        """Return the sampler's own digest of the order of `epoch`, if it has one."""
        return self.sampler.order_digest(epoch)

    def spares(self, epoch: int) -> Sampler:
        """Return the sampler, or what a foreign one gives in this epoch."""
        if self.order_digest(epoch) is None:
            return self.sampler
        return _sorted(self.sampler.indices(epoch, 0, len(self.sampler)))

    def resharded(self, shard: Shard, batch_size: int | None) -> SizedBatches:
        """Return the plan of the same order for another rank or number of ranks."""
        if batch_size is None:
            return replace(self, shard=shard)
        if not is_integer(batch_size) or batch_size < 1:
            raise ConfigError(f"batch_size={batch_size!r:.40} must be a whole number from 1 up")
        return replace(self, shard=shard, whole=batch_size * shard.world)


@dataclass(frozen=True)
class ListedBatches(Plan):
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

    def first_number(self, epoch: int, start: int) -> int:
        """Return the number k of the first batch left of `epoch` after `start` samples."""
        return self.num_batches(epoch) - self.num_batches(epoch, start)

    def num_samples(self, epoch: int) -> int:
        """Return the number of positions of `epoch`, over all ranks."""
        return len(self.sampler.batches(epoch)[0])

    def fingerprint(self) -> str:
        """Return the fingerprint of the batch sampler."""
        return f"batch_sampler {self.sampler.fingerprint()}"

    def order_digest(self, epoch: int) -> str | None:
        """Return the batch sampler's own digest of the order of `epoch`, if it has one."""
        return self.sampler.order_digest(epoch)

    def spares(self, epoch: int) -> Sampler:
        """Return the samples of this epoch."""
        return _sorted(self.sampler.batches(epoch)[0])

    def resharded(self, shard: Shard, batch_size: int | None) -> ListedBatches:
        """Return the plan of the same batches for another rank or number of ranks; a step has one for each rank."""
        if batch_size is not None:
            raise ConfigError(f"batch_size={batch_size} cannot be: the batch_sampler decides how large batches are")
        return replace(self, shard=shard)


def make_plan(source: Any, options: Options, shard: Shard) -> Plan:
    """Return which indices make which batch of a source.

    Raises:
        ConfigError: a sampler that is none, more ranks than samples, or a source without runs for shuffle="blocks".
    """
    if options.batch_sampler is not None:
        return ListedBatches(as_batch_sampler(options.batch_sampler, len(source), options.seed), shard)
    sampler: Sampler
    if options.sampler is not None:
        sampler = as_sampler(options.sampler, len(source), options.seed)
    elif options.shuffle == "blocks":
        sampler = shuffled_in_blocks(source, options.seed)
    elif options.shuffle:
        sampler = RandomSampler(len(source), options.seed)
    else:
        sampler = SequentialSampler(len(source))
    return SizedBatches(sampler, options.step_samples(shard.world), options.drop_last, shard)


def _sorted(order: IndexArray) -> Sampler:
    return SubsetSampler(np.unique(order), shuffle=False)


def warn_of_nothing(loader: str, plan: Plan, samples: int) -> None:
    """Say if an epoch is over before it begins, for whoever makes a Loader.

    Args:
        loader: its repr.
        plan: of its batches.
        samples: in its source.
    """
    if samples and isinstance(plan, SizedBatches) and not plan.num_batches(0):
        warnings.warn(
            f"{loader} has no batches: with drop_last=True and {samples} samples an epoch is over before it begins. "
            "Take a smaller batch_size, or drop_last=False",
            stacklevel=3,
        )
