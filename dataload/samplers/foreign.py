"""Iterables of other libraries as samplers: torch's, Hugging Face's, or any `__iter__` over indices.

Such a sampler can only be read from its start, so it is read once per epoch, whole, and remembered as one array.
What it draws from the global random generators is made to depend on (seed, epoch) alone; the digest of the order that
came out stands in the loader's state, so that a sampler which is not repeatable is found out when a run is resumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sized
from itertools import islice
from typing import Any

import numpy as np

from dataload.draws import seeded
from dataload.errors import ConfigError
from dataload.keys import mix
from dataload.samplers.base import BatchSampler, IndexArray, Sampler, check_range

_MAX_SAMPLES = 1 << 48
_MAX_REPEATS = 1000


class EpochReader:
    """Reads a foreign iterable once per epoch, repeatably, and remembers the last epoch.

    `set_epoch` is called where it exists (torch's DistributedSampler). A `generator` of torch is set anew for every
    epoch from the seed that it had at first.
    """

    def __init__(self, iterable: Iterable[Any], seed: int) -> None:
        self._iterable = iterable
        self._seed = seed
        # A batch sampler draws through the sampler inside of it.
        self._parts: list[Any] = [iterable, getattr(iterable, "sampler", None)]
        self._generators = [
            (part.generator, part.generator.initial_seed())
            for part in self._parts
            if hasattr(getattr(part, "generator", None), "initial_seed")
        ]
        self.name = type(iterable).__qualname__

    def read(self, epoch: int, limit: int) -> list[Any]:
        """Return everything that the iterable gives in `epoch`.

        Raises:
            ConfigError: it gives more than `limit` entries, and so perhaps never ends.
        """
        for part in self._parts:
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)
        for generator, seed in self._generators:
            generator.manual_seed(mix("generator", seed, epoch) >> 1)
        with seeded(mix("foreign", self._seed, epoch)):
            entries = list(islice(self._iterable, limit + 1))
        if len(entries) > limit:
            raise ConfigError(
                f"{self.name} gave more than {limit} entries in epoch {epoch} and may never end: stop its __iter__ "
                "at the end of an epoch"
            )
        return entries

    def length(self) -> int | None:
        """Return what the iterable says of its length, if anything."""
        return len(self._iterable) if isinstance(self._iterable, Sized) else None


def as_indices(values: Any, name: str, num_samples: int) -> IndexArray:
    """Return sample indices as (n,) int64.

    Raises:
        ConfigError: they are not whole numbers from 0 up and below num_samples.
    """
    array = np.asarray(values)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ConfigError(f"{name} must give whole numbers (sample indices), not {values[0]!r}")
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0 or highest >= num_samples:
        wrong = lowest if lowest < 0 else highest
        raise ConfigError(f"{name} must give indices from 0 up and below the {num_samples} samples, not {wrong}")
    return array.astype(np.int64)


def _limit(num_samples: int) -> int:
    """Return how many entries an epoch may have: drawing with replacement may give more than there are samples."""
    return max(_MAX_REPEATS * min(num_samples, _MAX_SAMPLES), 1 << 20)


def digest(order: IndexArray) -> str:
    """Return a short fingerprint of an order."""
    return hashlib.blake2b(order.tobytes(), digest_size=8).hexdigest()


class ForeignSampler(Sampler):
    """An iterable of sample indices, to the contract of `Sampler`.

    Args:
        iterable: gives the indices of one epoch each time it is iterated.
        seed: what it draws from the global generators of random, numpy and torch depends on this and the epoch.
        num_samples: of the source, which the indices must lie in; None checks no upper bound.
    """

    def __init__(self, iterable: Iterable[int], seed: int, num_samples: int | None = None) -> None:
        self._num_samples = _MAX_SAMPLES if num_samples is None else num_samples
        self._reader = EpochReader(iterable, seed)
        self._epoch = -1
        self._order: IndexArray = np.empty(0, np.int64)

    def _read(self, epoch: int) -> IndexArray:
        if epoch != self._epoch:
            read = self._reader.read(epoch, _limit(self._num_samples))
            self._order = as_indices(read, f"sampler {self._reader.name}", self._num_samples)
            self._epoch = epoch
        return self._order

    def __len__(self) -> int:
        # An order that has been read is the truth; a sampler's own len may be missing or an estimate.
        if self._epoch < 0 and (length := self._reader.length()) is not None:
            return length
        return len(self._order if self._epoch >= 0 else self._read(0))

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the indices at positions start <= p < stop of what the iterable gave in `epoch`."""
        order = self._read(epoch)
        check_range(len(order), start, stop)
        return order[start:stop]

    def order_digest(self, epoch: int) -> str:
        """Return a fingerprint of the order of `epoch`, to be compared when a run is resumed."""
        return digest(self._read(epoch))

    def fingerprint(self) -> str:
        """Return the same for all: the order has a digest of its own, and the iterable may be of another class."""
        return "ForeignSampler"

    def __repr__(self) -> str:
        return f"{self._reader.name}()"


class ForeignBatchSampler(BatchSampler):
    """An iterable of lists of sample indices, to the contract of `BatchSampler`.

    Args:
        iterable: gives the lists of one epoch each time it is iterated.
        seed: what it draws from the global generators of random, numpy and torch depends on this and the epoch.
        num_samples: of the source, which the indices must lie in; None checks no upper bound.
    """

    def __init__(self, iterable: Iterable[Iterable[int]], seed: int, num_samples: int | None = None) -> None:
        self._num_samples = _MAX_SAMPLES if num_samples is None else num_samples
        self._reader = EpochReader(iterable, seed)
        self._epoch = -1
        self._order: IndexArray = np.empty(0, np.int64)
        self._ends: IndexArray = np.empty(0, np.int64)

    def batches(self, epoch: int) -> tuple[IndexArray, IndexArray]:
        """Return the indices that the iterable gave in `epoch`, and where each batch ends in them."""
        if epoch != self._epoch:
            name = f"batch_sampler {self._reader.name}"
            listed = self._reader.read(epoch, _limit(self._num_samples))
            if any(not hasattr(batch, "__iter__") for batch in listed):
                raise ConfigError(f"{name} must give lists of sample indices: did you mean sampler=?")
            batches = [as_indices(list(batch), name, self._num_samples) for batch in listed]
            if not all(map(len, batches)):
                raise ConfigError(f"{name} gives an empty batch in epoch {epoch}: leave it out")
            self._order = np.concatenate([np.empty(0, np.int64), *batches])
            self._ends = np.cumsum([len(batch) for batch in batches], dtype=np.int64)
            self._epoch = epoch
        return self._order, self._ends

    def order_digest(self, epoch: int) -> str:
        """Return a fingerprint of the order of `epoch`; where it is cut into batches may change."""
        return digest(self.batches(epoch)[0])

    def fingerprint(self) -> str:
        """Return the name of the iterable's class: the order has a digest of its own."""
        return repr(self)

    def __repr__(self) -> str:
        return f"{self._reader.name}()"
