"""The plan: which indices make batch k.

A plan cuts the order of an epoch into batches. It can start after any number of samples, so that a run resumes with
exactly the samples that were not yet delivered, whatever the batch size was before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dataload.errors import ConfigError
from dataload.samplers.base import IndexArray, Sampler
from dataload.samplers.foreign import EpochReader, as_indices, digest

# A sampler is asked for many batches at once, because a call costs far more than an index: 16 384 positions of a
# keyed permutation take 0.5 ms, 32 take 0.1 ms. The first calls are small so that the first batch does not wait.
_POSITIONS_AT_ONCE = 16_384


class Plan(Protocol):
    """Which indices make which batch."""

    def num_batches(self, epoch: int, start: int = 0) -> int:
        """Return how many batches are left of `epoch` after `start` samples."""
        ...

    def batches(self, epoch: int, start: int = 0) -> Iterator[IndexArray]:
        """Yield the indices of each batch left of `epoch` after `start` samples."""
        ...

    def order_digest(self, epoch: int) -> str | None:
        """Return a fingerprint of the order if it is not a function of (seed, epoch) by construction."""
        ...


@dataclass(frozen=True)
class SizedBatches:
    """Batches of `batch_size` consecutive positions of a sampler; the last may be smaller unless `drop_last`."""

    sampler: Sampler
    batch_size: int
    drop_last: bool

    def num_batches(self, epoch: int, start: int = 0) -> int:
        """Return how many batches are left of `epoch` after `start` samples."""
        left = max(len(self.sampler) - start, 0)
        return left // self.batch_size if self.drop_last else -(-left // self.batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[IndexArray]:
        """Yield the indices of each batch left of `epoch` after `start` samples."""
        length = len(self.sampler)
        at_once = 1
        while start < length:
            stop = min(start + at_once * self.batch_size, length)
            indices = self.sampler.indices(epoch, start, stop)
            # A foreign sampler only knows its true length once the epoch has been read.
            length = len(self.sampler)
            for i in range(0, len(indices), self.batch_size):
                batch = indices[i : i + self.batch_size]
                if len(batch) < self.batch_size and self.drop_last:
                    return
                yield batch
            start = stop
            at_once = min(2 * at_once, max(_POSITIONS_AT_ONCE // self.batch_size, 1))

    def order_digest(self, epoch: int) -> str | None:
        """Return a fingerprint of the order if the sampler is a foreign one."""
        own = getattr(self.sampler, "order_digest", None)
        return own(epoch) if own is not None else None


class ListedBatches:
    """The batches that a foreign batch sampler lists, read once per epoch.

    Args:
        batch_sampler: an iterable that gives one list of sample indices per batch.
        seed: see `EpochReader`.
    """

    def __init__(self, batch_sampler: Iterable[Iterable[int]], seed: int) -> None:
        self._reader = EpochReader(batch_sampler, seed)
        self._epoch = -1
        self._order: IndexArray = np.empty(0, np.int64)
        self._ends: IndexArray = np.empty(0, np.int64)

    def _read(self, epoch: int) -> tuple[IndexArray, IndexArray]:
        if epoch != self._epoch:
            name = f"batch_sampler {self._reader.name}"
            listed = self._reader.read(epoch)
            if any(not hasattr(batch, "__iter__") for batch in listed):
                raise ConfigError(f"{name} must give lists of sample indices: did you mean sampler=?")
            batches = [as_indices(list(batch), name) for batch in listed]
            self._order = np.concatenate([np.empty(0, np.int64), *batches])
            self._ends = np.cumsum([len(batch) for batch in batches], dtype=np.int64)
            self._epoch = epoch
        return self._order, self._ends

    def num_batches(self, epoch: int, start: int = 0) -> int:
        """Return how many batches are left of `epoch` after `start` samples."""
        _, ends = self._read(epoch)
        return int(np.count_nonzero(ends > start))

    def batches(self, epoch: int, start: int = 0) -> Iterator[IndexArray]:
        """Yield the indices of each batch left of `epoch` after `start` samples."""
        order, ends = self._read(epoch)
        for end in ends[ends > start]:
            yield order[start:end]
            start = end

    def order_digest(self, epoch: int) -> str | None:
        """Return a fingerprint of the order of `epoch`; where it is cut into batches may change."""
        return digest(self._read(epoch)[0])

    def __repr__(self) -> str:
        return f"{self._reader.name}()"
