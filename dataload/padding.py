"""What stands in an array of a batch where no sample has a value: the filling of padding, and unused bytes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import CollateError
from dataload.samples import Path, where

_LONG_DOUBLES = (np.longdouble, np.clongdouble)
# Of the 80-bit numbers of x86 in 16 bytes; in other formats every byte counts.
_USED_BYTES = 10 if np.finfo(np.longdouble).nmant == 63 and sys.byteorder == "little" else None


def filling(dtype: np.dtype[Any], value: float, path: Path) -> Any:
    """Return what arrays of a dtype are filled up with: `value`, empty text, not-a-time, None among objects.

    Raises:
        CollateError: the dtype cannot hold the value.
    """
    kind = dtype.kind
    if kind in "UT":
        return ""
    if kind == "S":
        return b""
    if kind in "mM":
        return np.array("NaT", dtype)
    if kind == "O":
        return None
    if kind in "biu":
        low, high = (0, 1) if kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if not low <= value <= high or value != int(value):
            raise CollateError(
                f"{where(path, 'the sample')} is {dtype}, which cannot hold value={value!r}, what padding is filled "
                "with: pass another value to pad, or convert the field in a transform"
            )
        return int(value)
    return value


def clear_unused_bytes(array: NDArray[Any]) -> None:
    """Set the bytes to zero that long doubles fill 16 bytes up with, so that equal batches are equal in every byte."""
    if array.dtype.type in _LONG_DOUBLES and _USED_BYTES is not None and array.size:
        size = np.dtype(np.longdouble).itemsize
        array.view(np.uint8).reshape(-1, size)[:, _USED_BYTES:] = 0
