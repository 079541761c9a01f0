"""Memory for batches: where collated arrays are written.

An allocator is a function (shape, dtype) -> array. The built-in collate functions write straight into what it
returns, so where a batch lives is decided here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# TensorFlow and JAX take over an array without copying only if it starts on a boundary of this many bytes.
ALIGNMENT = 64

Allocator = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]


def aligned_bytes(size: int) -> NDArray[np.uint8]:
    """Return `size` bytes of fresh memory, starting on a 64-byte boundary: (size,) uint8, not initialised."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a fresh array that starts on a 64-byte boundary, not initialised."""
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        return np.empty(shape, dtype)
    return aligned_bytes(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)
