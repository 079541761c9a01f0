"""Batches of plain arrays, taken apart and put together: a pickle of arrays takes three times as long.

Most batches are a dict or tuple of arrays of numbers. What these are travels as a few plain values, and the arrays lie
in shared memory. All other batches are pickled.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What holds the arrays, and for each of them its key (of a dict), the name of its type, and its shape.
Form = tuple[str, list[tuple[Any, str, tuple[int, ...]]]]


def take_apart(batch: Any) -> tuple[Form, list[memoryview]] | None:
    """Return what a batch is made of, and the memory of the arrays in it (not copied); None where it is not plain."""
    kind = type(batch)
    if kind is dict:
        if not all(type(key) in (str, int) for key in batch):
            return None
        keys, arrays = list(batch), batch.values()
    elif kind in (tuple, list):
        keys, arrays = [None] * len(batch), batch
    elif kind is np.ndarray:
        keys, arrays = [None], (batch,)
    else:
        return None
    if not all(map(_is_plain, arrays)) or _twice(arrays):
        return None
    fields = [(key, array.dtype.str, array.shape) for key, array in zip(keys, arrays, strict=True)]
    return (kind.__name__, fields), [pickle.PickleBuffer(array).raw() for array in arrays]


def put_together(form: Form, buffers: Sequence[Any]) -> Any:
    """Return the batch that was taken apart, its arrays on the memory given."""
    kind, fields = form
    arrays: list[NDArray[Any]] = [
        np.ndarray(shape, dtype, buffer) for (_, dtype, shape), buffer in zip(fields, buffers, strict=True)
    ]
    if kind == "dict":
        return {key: array for (key, _, _), array in zip(fields, arrays, strict=True)}
    if kind == "ndarray":
        return arrays[0]
    return arrays if kind == "list" else tuple(arrays)


def _is_plain(array: Any) -> bool:
    # Types of one machine word that numpy itself has are told by their name alone. `carray` is: in C order, aligned,
    # writable; what arrives always is.
    return type(array) is np.ndarray and array.dtype.isbuiltin == 1 and array.dtype.kind != "O" and array.flags.carray


def _twice(arrays: Collection[Any]) -> bool:
    """Return whether one array stands in two places: it is to arrive as one."""
    return len({id(array) for array in arrays}) < len(arrays)
