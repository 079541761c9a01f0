"""Arrays to tensors, on the same memory where torch allows it, in whatever containers a batch has.

Apart from the DataLoader and the Dataset, which both hand out such batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dataload.errors import CollateError
from dataload.foreign import is_masked
from dataload.samples import Path, map_leaves, where

# What numpy has from ml_dtypes, by the name that both give it.
_SMALL_FLOATS = ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
_TORCH_ONLY = {name: getattr(torch, name) for name in _SMALL_FLOATS if hasattr(torch, name)}

Change = Callable[[torch.Tensor], torch.Tensor]


def to_tensors(batch: Any) -> Any:
    """Return a batch with tensors in place of arrays and of numpy's numbers.

    bfloat16 and float8 of ml_dtypes become torch's, on the same memory.

    Raises:
        CollateError: an array of a type that torch has no tensor for; the message names the field.
    """
    return map_leaves(batch, _convert)


def map_tensors(value: Any, change: Change) -> Any:
    """Return the value with `change(tensor)` in place of each tensor."""
    return map_leaves(value, lambda leaf, path: change(leaf) if isinstance(leaf, torch.Tensor) else leaf)


def _convert(value: Any, path: Path) -> Any:
    if isinstance(value, np.ndarray):
        return _tensor(value, path)
    if isinstance(value, np.generic) and not isinstance(value, str | bytes):  # numpy's strings stay strings
        return _tensor(np.asarray(value), path)
    return value


def _tensor(array: NDArray[Any], path: Path) -> torch.Tensor:
    """Return a tensor on the array's memory, or on a copy where torch cannot use the array as it is."""
    if is_masked(array):
        raise CollateError(
            f"{where(path)} is a masked array, and tensors have no mask: use x.filled(value) in the collate function"
        )
    if not array.flags.writeable:
        # Torch has no read-only tensors: writing to this one would write where numpy says that nobody may.
        array = array.copy()
    elif not array.dtype.isnative or min(array.strides, default=0) < 0:
        array = array.astype(array.dtype.newbyteorder("="), order="C")
    try:
        return torch.from_numpy(array)
    except (TypeError, ValueError) as error:
        if array.dtype.name in _TORCH_ONLY:
            same_size = array.view(np.int16 if array.dtype.itemsize == 2 else np.uint8)
            return torch.from_numpy(same_size).view(_TORCH_ONLY[array.dtype.name])
        if isinstance(error, ValueError) and not array.flags.c_contiguous:
            # A field of a structured array: its strides are no multiples of its size.
            return torch.from_numpy(np.ascontiguousarray(array))
        raise CollateError(
            f"{where(path)} is an array of dtype {array.dtype}, and torch {torch.__version__} has no such tensors: "
            "convert it to numbers in a transform, or leave the field out. Strings and objects that are not in an "
            "array need no conversion: they stay lists"
        ) from error
