"""Arrays to tensors, on the same memory where torch allows it, in whatever containers a batch has.

Apart from the DataLoader and the Dataset, which both hand out such batches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dataload.adapters.messages import Path, where
from dataload.errors import CollateError
from dataload.samples import field_names, get_field, is_namedtuple, is_record

Change = Callable[[torch.Tensor], torch.Tensor]


def to_tensors(batch: Any) -> Any:
    """Return a batch with tensors in the place of arrays and of numpy's numbers.

    Raises:
        CollateError: an array of a type that torch has no tensor for; the message names the field.
    """
    return _convert(batch, ())


def map_tensors(value: Any, change: Change) -> Any:
    """Return the value with `change(tensor)` in the place of each tensor."""
    if isinstance(value, torch.Tensor):
        return change(value)
    return _rebuild(value, lambda name, child: map_tensors(child, change))


def _convert(value: Any, path: Path) -> Any:
    if isinstance(value, np.ndarray):
        return _tensor(value, path)
    if isinstance(value, str | bytes):  # before numpy's numbers, among which numpy counts its strings
        return value
    if isinstance(value, np.generic):
        return _tensor(np.asarray(value), path)
    return _rebuild(value, lambda name, child: _convert(child, (*path, name)))


def _rebuild(value: Any, change: Callable[[Any, Any], Any]) -> Any:
    """Return a container with change(name, child) for each of its fields; anything else as it is."""
    if isinstance(value, dict) or is_record(value) or is_namedtuple(value):
        fields: dict[Any, Any] = {name: change(name, get_field(value, name)) for name in field_names(value)}
        if isinstance(value, dict):
            return fields
        return dataclasses.replace(value, **fields) if is_record(value) else type(value)(**fields)
    if isinstance(value, tuple | list):
        items = [change(i, item) for i, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
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
