"""What samplers that are made of arrays have in common: checking the array, and a short name for it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataload.errors import ConfigError
from dataload.samplers.base import IndexArray


def whole_numbers(name: str, values: ArrayLike, least: int = 0) -> IndexArray:
    """Return the values as (n,) int64, a copy that nobody else can change.

    Raises:
        ConfigError: they are not one axis of whole numbers from `least` up, or there are none.
    """
    array = np.array(values)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
        raise ConfigError(f"{name} must be one or more whole numbers, not {_show(values)}")
    if array.min() < least:
        raise ConfigError(f"{name} must be {least} or more; entry {int(array.argmin())} is {array.min()}")
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
