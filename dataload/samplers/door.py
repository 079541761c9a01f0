"""From what a user gives as sampler= or batch_sampler= to the contracts of `Sampler` and `BatchSampler`.

Everything is checked and completed here, so that plans and workers meet whole contracts and int64 indices only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from dataload.errors import ConfigError
from dataload.samplers.base import BatchSampler, IndexArray, Sampler, Seeded
from dataload.samplers.foreign import ForeignBatchSampler, ForeignSampler, as_indices


def as_sampler(given: Any, num_samples: int, seed: int) -> Sampler:
    """Return the order that a user's `sampler` means.

    Args:
        given: a `Sampler`; any object with `__len__` and `indices(epoch, start, stop)`; or an iterable of indices.
        num_samples: of the source, which indices must lie in.
        seed: of the Loader, for samplers without a seed of their own.

    Raises:
        ConfigError: it is none of these, or an iterator that can be read only once.
    """
    # torch's SubsetRandomSampler has `indices` too: a list.
    if hasattr(given, "__len__") and callable(getattr(given, "indices", None)):
        sampler = _with_seed(given, seed)
        return cast(Sampler, sampler) if _is_own(sampler) else CheckedSampler(sampler, num_samples)
    if hasattr(given, "__iter__"):
        _refuse_iterator(given, "sampler")
        return ForeignSampler(given, seed, num_samples)
    raise ConfigError(f"sampler is a {type(given).__name__}: it must have indices(epoch, start, stop), or be iterable")


def as_batch_sampler(given: Any, num_samples: int, seed: int) -> BatchSampler:
    """Return the batches that a user's `batch_sampler` means; arguments and errors as in `as_sampler`."""
    if callable(getattr(given, "batches", None)):
        sampler = _with_seed(given, seed)
        return cast(BatchSampler, sampler) if _is_own(sampler) else CheckedBatchSampler(sampler, num_samples)
    if not hasattr(given, "__iter__"):
        raise ConfigError(f"batch_sampler is a {type(given).__name__}: it must be an iterable of lists of indices")
    _refuse_iterator(given, "batch_sampler")
    return ForeignBatchSampler(given, seed, num_samples)


class CheckedSampler(Sampler):
    """A user's sampler: its indices are checked, and what it leaves out of the contract is added.

    Args:
        sampler: with `__len__` and `indices`.
        num_samples: of the source.
    """

    def __init__(self, sampler: Any, num_samples: int) -> None:
        self._sampler = sampler
        self._num_samples = num_samples
        self._name = f"sampler {type(sampler).__qualname__}"

    def __len__(self) -> int:
        return len(self._sampler)

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the indices at positions start <= p < stop as int64, having checked number, type and range."""
        found = as_indices(self._sampler.indices(epoch, start, stop), self._name, self._num_samples)
        if len(found) != stop - start:
            raise ConfigError(
                f"{self._name} gave {len(found)} indices for the positions {start}:{stop} of epoch {epoch}: it must "
                "give one for each"
            )
        return found

    def fingerprint(self) -> str:
        """Return the sampler's own fingerprint, the repr of a dataclass, or the name of the class."""
        return _fingerprint(self._sampler)

    def order_digest(self, epoch: int) -> str | None:
        """Return the sampler's own digest, if it has one."""
        own = getattr(self._sampler, "order_digest", None)
        return None if own is None else cast("str | None", own(epoch))


class CheckedBatchSampler(BatchSampler):
    """A user's batch sampler: its indices are checked, and what it leaves out of the contract is added.

    Args:
        sampler: with `batches`.
        num_samples: of the source.
    """

    def __init__(self, sampler: Any, num_samples: int) -> None:
        self._sampler = sampler
        self._num_samples = num_samples
        self._name = f"batch_sampler {type(sampler).__qualname__}"

    def batches(self, epoch: int) -> tuple[IndexArray, IndexArray]:
        """Return the indices of `epoch` and where each batch ends, having checked type, range and ends."""
        given, given_ends = self._sampler.batches(epoch)
        order = as_indices(given, self._name, self._num_samples)
        ends = np.asarray(given_ends)
        if ends.size and (ends.ndim != 1 or ends.dtype.kind not in "iu"):
            raise ConfigError(f"{self._name} must say where batches end in whole numbers, not {ends.dtype}")
        ends = ends.astype(np.int64)
        if np.any(np.diff(ends, prepend=0) < 1) or int(ends[-1] if ends.size else 0) != len(order):
            raise ConfigError(
                f"{self._name} must say where batches end in rising numbers up to the {len(order)} indices that it "
                f"gives, without empty batches, not {ends[:8].tolist()}"
            )
        return order, ends

    def fingerprint(self) -> str:
        """Return the sampler's own fingerprint, the repr of a dataclass, or the name of the class."""
        return _fingerprint(self._sampler)

    def order_digest(self, epoch: int) -> str | None:
        """Return the sampler's own digest, if it has one."""
        own = getattr(self._sampler, "order_digest", None)
        return None if own is None else cast("str | None", own(epoch))


def _is_own(sampler: Any) -> bool:
    return type(sampler).__module__.startswith("dataload.samplers.")


def _with_seed(sampler: Any, seed: int) -> Any:
    return sampler.with_seed(seed) if isinstance(sampler, Seeded) and sampler.seed is None else sampler


def _fingerprint(sampler: Any) -> str:
    own = getattr(sampler, "fingerprint", None)
    if callable(own):
        return str(own())
    # Another object's repr may be its address.
    return repr(sampler) if dataclasses.is_dataclass(sampler) else type(sampler).__qualname__


def _refuse_iterator(given: Any, name: str) -> None:
    if isinstance(given, Iterator):
        raise ConfigError(
            f"{name} is a {type(given).__name__}, which can be read only once: give a list, or an object whose "
            "__iter__ begins anew for each epoch"
        )
