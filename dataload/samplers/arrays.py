"""What samplers that are made of arrays have in common: checking the array, and a short name for it."""

from __future__ import annotations

import copy
import hashlib
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataload.errors import ConfigError
from dataload.samplers.base import IndexArray


class OfArrays:
    """A sampler whose repr says what its order depends on, its arrays by a digest."""

    seed: int | None

    def with_seed(self, seed: int) -> Self:
        """Return the same sampler with another seed."""
        other = copy.copy(self)
        other.seed = seed
        other.forget()
        return other

    def forget(self) -> None:
        """Drop what was kept of an order."""

    def fingerprint(self) -> str:
        """Return what the order depends on."""
        return repr(self)


def whole_numbers(name: str, values: ArrayLike, minimum: int = 0) -> IndexArray:
    """Return the values as (n,) int64, a copy that nobody else can change.

    Raises:
        ConfigError: they are not one axis of whole numbers from `minimum` up, or there are none.
    """
    array = np.array(values)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
        raise ConfigError(f"{name} must be one or more whole numbers, not {_show(values)}")
    if array.min() < minimum:
        raise ConfigError(f"{name} must be {minimum} or more; entry {int(array.argmin())} is {array.min()}")
    return _frozen(array.astype(np.int64))


def proportions(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return the values as (n,) float64 which sum up to 1, a copy that nobody else can change.

    Raises:
        ConfigError: they are not one axis of finite numbers from 0 up, or none is above 0.
    """
    array = np.array(values)
    if array.ndim != 1 or array.dtype.kind not in "iufb":
        raise ConfigError(f"{name} must be one number for each, not {_show(values)}")
    array = array.astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if wrong.size:
        raise ConfigError(f"{name} must be finite and 0 or more; entry {wrong[0]} is {array[wrong[0]]}")
    if not array.sum() > 0:
        raise ConfigError(f"{name} must have at least one above 0, not {_show(values)}")
    return _frozen(array / array.sum())


def digest(array: NDArray[Any]) -> str:
    """Return a short text that is another one for other values."""
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=6).hexdigest()


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def _show(values: Any) -> str:
    text = repr(values)
    return text if len(text) < 80 else f"{text[:77]}..."
