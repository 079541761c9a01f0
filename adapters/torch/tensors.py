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
from dataload.samples import Path, map_leaves, where

Change = Callable[[torch.Tensor], torch.Tensor]


def to_tensors(batch: Any) -> Any:
    """Return a batch with tensors in place of arrays and of numpy's numbers.

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
    if not array.flags.writeable:
        # Torch has no read-only tensors: writing to this one would write where numpy says that nobody may.
        array = array.copy()
    elif not array.dtype.isnative or min(array.strides, default=0) < 0:
        array = array.astype(array.dtype.newbyteorder("="), order="C")
    try:
        return torch.from_numpy(array)
    except TypeError as error:
        raise CollateError(
            f"{where(path)} is an array of dtype {array.dtype}, and torch {torch.__version__} has no such tensors: "
            "convert it to numbers in a transform, or leave the field out. Strings and objects that are not in an "
            "array need no conversion: they stay lists"
        ) from error
