"""The walk that gathers each leaf over the samples of a batch.

What a batch looks like depends on the kinds of the leaves and on which fields are padded, never on the data: a padded
field has its lengths beside it even where all of them are equal.

    arrays, numpy numbers, lists of numbers   one array, (batch, ...)
    bool, int, float                          one array, (batch,) bool, int64, float64
    str, bytes, None, lists of text, others   a list
    dict, tuple, list, named tuple, dataclass the same structure around these
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import CollateError
from dataload.memory import Allocator
from dataload.samples import Path, field_names, get_field, is_namedtuple, is_record, replace_all, where
from dataload.whole import is_whole, opened

_NUMBERS = (bool, int, float, complex)


@dataclass(frozen=True)
class Padded:
    """A padded leaf on its way to the container that holds it, which puts the lengths beside it."""

    array: NDArray[Any]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Gather:
    """One walk over a batch of samples.

    Attributes:
        alloc: where the arrays are written.
        padded: tells by its path whether a leaf is padded.
        value: what padding is filled with.
    """

    alloc: Allocator
    padded: Callable[[Path], bool]
    value: float

    def gather(self, values: Sequence[Any], path: Path) -> Any:
        first = values[0]
        # One row of a table may be an array of several axes where the next is a list of arrays.
        if is_whole(first) or (getattr(first, "ndim", 0) > 1 and any(map(is_whole, values))):
            return list(map(opened, values))
        if isinstance(first, list) and _are_texts(values):
            return list(values)
        if isinstance(first, dict) or is_record(first) or is_namedtuple(first):
            return self._named(values, path)
        if isinstance(first, tuple) or (isinstance(first, list) and not _is_numbers(first)):
            return self._positional(values, path)
        if isinstance(first, str | bytes):
            return list(values)
        if isinstance(first, _NUMBERS):
            return self._numbers(values, path)
        if isinstance(first, list) or hasattr(first, "__array__"):
            return self._arrays([np.asarray(value) for value in values], path)
        return list(values)

    def _named(self, values: Sequence[Any], path: Path) -> Any:
        first, names = values[0], field_names(values[0])
        for i, value in enumerate(values):
            if type(value) is not type(first) or set(field_names(value)) != set(names):
                raise CollateError(
                    f"{_where(path)} has the fields {names} in sample 0 of the batch but "
                    f"{field_names(value) or type(value).__name__} in sample {i}"
                )
        batch: dict[Any, Any] = {}
        lengths: dict[str, Any] = {}
        for name in names:
            gathered = self.gather([get_field(value, name) for value in values], (*path, name))
            if isinstance(gathered, Padded):
                lengths[f"{name}_lengths"] = gathered.lengths
                gathered = gathered.array
            batch[name] = gathered
        for name in lengths:
            if name in batch:
                raise CollateError(f"{_where(path)} has a field {name!r}, which padding would overwrite: rename it")
        if lengths or isinstance(first, dict):
            # A dataclass or named tuple has no place for the lengths, so its batch is a dict.
            return _with_lengths(batch, lengths)
        if is_record(first):
            return replace_all(first, batch)
        return type(first)(**batch)

    def _positional(self, values: Sequence[Any], path: Path) -> Any:
        first = values[0]
        for i, value in enumerate(values):
            if not isinstance(value, type(first)) or len(value) != len(first):
                found = f"{len(value)}" if isinstance(value, tuple | list) else f"a {type(value).__name__}"
                raise CollateError(
                    f"{_where(path)} has {len(first)} elements in sample 0 of the batch but {found} in sample {i}"
                )
        batch: list[Any] = []
        for position in range(len(first)):
            gathered = self.gather([value[position] for value in values], (*path, position))
            batch += [gathered.array, gathered.lengths] if isinstance(gathered, Padded) else [gathered]
        return batch if isinstance(first, list) else tuple(batch)

    def _numbers(self, values: Sequence[Any], path: Path) -> NDArray[Any]:
        for i, value in enumerate(values):
            if not isinstance(value, (*_NUMBERS, np.number, np.bool_)):
                raise CollateError(
                    f"{_where(path)} is {values[0]!r} in sample 0 of the batch but {value!r} in sample {i}: "
                    "give it a number in a transform, or leave the field out"
                )
        try:
            array = np.asarray(values)
        except OverflowError:
            array = np.asarray(values, object)
        if array.dtype == object or array.dtype == np.uint64:
            raise CollateError(f"{_where(path)} has whole numbers beyond 64 bits: convert them in a transform")
        return self._fill(array.shape, array.dtype, array)

    def _arrays(self, arrays: list[NDArray[Any]], path: Path) -> Any:
        # An empty list has no type of its own.
        dtype = next((array.dtype for array in arrays if array.size), arrays[0].dtype)
        for i, array in enumerate(arrays):
            if array.dtype != dtype and array.size:
                raise CollateError(
                    f"{_where(path)} is {dtype} in one sample of the batch and {array.dtype} in sample {i}: "
                    f"convert it in a transform, such as lambda x: x.astype({dtype.name!r})"
                )
        if arrays[0].ndim and self.padded(path):
            return self._pad(arrays, dtype, path)
        shape = arrays[0].shape
        for i, array in enumerate(arrays):
            if array.shape != shape:
                raise CollateError(
                    f"{_where(path)} has shape {shape} in sample 0 of the batch and {array.shape} in sample {i}, "
                    "which cannot be stacked: use collate_fn=pad, or PadOrTrim(length) as a transform"
                )
        out = self.alloc((len(arrays), *shape), dtype)
        for i, array in enumerate(arrays):
            out[i] = array
        return out

    def _pad(self, arrays: list[NDArray[Any]], dtype: np.dtype[Any], path: Path) -> Padded:
        rest = arrays[0].shape[1:]
        for i, array in enumerate(arrays):
            if array.ndim != arrays[0].ndim or array.shape[1:] != rest:
                raise CollateError(
                    f"{_where(path)} has shape {arrays[0].shape} in sample 0 of the batch and {array.shape} in "
                    f"sample {i}: padding evens out the leading axis only"
                )
        lengths = np.array([len(array) for array in arrays], np.int64)
        out = self.alloc((len(arrays), int(lengths.max()), *rest), dtype)
        for i, array in enumerate(arrays):
            out[i, : len(array)] = array
            out[i, len(array) :] = self.value
        return Padded(out, self._fill(lengths.shape, lengths.dtype, lengths))

    def _fill(self, shape: tuple[int, ...], dtype: np.dtype[Any], values: NDArray[Any]) -> NDArray[Any]:
        out = self.alloc(shape, dtype)
        out[...] = values
        return out


def _are_texts(values: Sequence[Any]) -> bool:
    """Tell whether these are lists of texts, which are one value each: how many there are says nothing."""
    filled = next((value for value in values if isinstance(value, list) and value), [])
    return bool(filled) and all(isinstance(text, str | bytes) for text in filled)


def _where(path: Path) -> str:
    return where(path, "the sample")


def _is_numbers(values: list[Any]) -> bool:
    return all(isinstance(value, (*_NUMBERS, np.number)) for value in values)


def _with_lengths(batch: dict[Any, Any], lengths: dict[str, Any]) -> dict[Any, Any]:
    """Put each field's lengths right behind the field."""
    ordered: dict[Any, Any] = {}
    for name, value in batch.items():
        ordered[name] = value
        if f"{name}_lengths" in lengths:
            ordered[f"{name}_lengths"] = lengths[f"{name}_lengths"]
    return ordered
