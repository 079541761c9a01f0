"""The walk that gathers each leaf over the samples of a batch.

What a batch looks like depends on the kinds of the leaves and on which fields are padded, never on which sample comes
first: a field is of one kind and one dtype in all samples of a batch, or an error names it. A padded field has its
lengths beside it even where all of them are equal.

    arrays, numpy numbers, lists of numbers   one array, (batch, ...); of text as wide as the widest
    bool, int, float                          one array, (batch,) bool, int64, float64
    str, bytes, None, lists of text, others   a list; of a memoryview its bytes
    dict, tuple, list, named tuple, dataclass the same structure around these; dicts by name, in the first one's order

Of these only None may stand in for another: among values that make a list. A `WholeList` or `WholeDict` is one value
and makes a list, whatever is beside it. An empty list is one of numbers or of text,
as its neighbours are; a batch of nothing else is an error, because its type would be a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload import unlike
from dataload.errors import CollateError
from dataload.foreign import as_array, list_as_array
from dataload.kinds import Kind, kind_of_list, kind_of_type, number_dtype
from dataload.memory import Allocator
from dataload.padding import clear_unused_bytes, filling
from dataload.samples import Path, field_names, get_field, rebuild, where
from dataload.whole import opened

_LISTED = {Kind.TEXT, Kind.NONE, Kind.OBJECT, Kind.VIEW}
_NUMERIC = {Kind.ARRAY, Kind.NUMBER, Kind.NUMBERS, Kind.EMPTY}
_BESIDE_WHOLE = {Kind.WHOLE, Kind.ARRAY, Kind.NUMBER, *_LISTED}
_TEXT_KINDS = ({"U"}, {"S"})


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
        axes: tells by its path how many leading axes of a leaf are padded; 0 for none.
        value: what padding is filled with.
    """

    alloc: Allocator
    axes: Callable[[Path], int]
    value: float

    def gather(self, values: Sequence[Any], path: Path) -> Any:
        types = set(map(type, values))
        if types == {np.ndarray}:  # Mostly.
            return self._arrays(values, path)
        kind_of = {cls: kind_of_type(cls) for cls in types}
        kinds = set(kind_of.values())
        if Kind.LIST in kinds:
            kinds.remove(Kind.LIST)
            kinds |= {kind_of_list(value) for value in values if kind_of[type(value)] is Kind.LIST}
        if kinds <= _LISTED:
            return _bytes_of_views(values, path) if Kind.VIEW in kinds else list(values)
        if kinds == {Kind.NUMBER}:
            return self._numbers(values, types, path)
        if kinds == {Kind.DICT} or (kinds in ({Kind.RECORD}, {Kind.NAMED_TUPLE}) and len(types) == 1):
            return self._named(values, path)
        if kinds == {Kind.TUPLE} or kinds == {Kind.LIST}:
            return self._positional(values, path)
        if Kind.EMPTY in kinds and kinds <= {Kind.EMPTY, Kind.NONE}:
            raise unlike.all_empty(path)
        if kinds <= {Kind.TEXTS, Kind.EMPTY, Kind.NONE}:
            return list(values)
        if kinds <= _NUMERIC:
            return self._arrays(_as_arrays(values, path), path)
        # One row of a table may be text or an array of several axes where the next is a list.
        if Kind.WHOLE in kinds and kinds <= _BESIDE_WHOLE:
            return list(map(opened, values))
        raise unlike.kinds(values, path)

    def _named(self, values: Sequence[Any], path: Path) -> Any:
        first, names = values[0], field_names(values[0])
        expected = set(names)
        for i, value in enumerate(values):
            if set(field_names(value)) != expected:
                raise unlike.fields(values, i, path)
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
                raise CollateError(
                    f"{where(path, 'the sample')} has a field {name!r}, which padding would overwrite: rename it"
                )
        if lengths or isinstance(first, dict):
            # A dataclass or named tuple has no place for the lengths, so its batch is a dict.
            return _with_lengths(batch, lengths)
        return rebuild(first, batch)

    def _positional(self, values: Sequence[Any], path: Path) -> Any:
        first = values[0]
        for i, value in enumerate(values):
            if len(value) != len(first):
                raise unlike.positions(values, i, path)
        batch: list[Any] = []
        for position in range(len(first)):
            gathered = self.gather([value[position] for value in values], (*path, position))
            batch += [gathered.array, gathered.lengths] if isinstance(gathered, Padded) else [gathered]
        return batch if isinstance(first, list) else tuple(batch)

    def _numbers(self, values: Sequence[Any], types: set[type], path: Path) -> NDArray[Any]:
        dtypes = {number_dtype(cls) for cls in types}
        if len(dtypes) > 1:
            raise unlike.dtypes([number_dtype(type(value)) for value in values], path, values)
        try:
            array = np.array(values, dtypes.pop())
        except OverflowError:
            raise unlike.too_large(values, path) from None
        return self._fill(array)

    def _arrays(self, arrays: Sequence[NDArray[Any]], path: Path) -> Any:
        dtype = arrays[0].dtype
        for array in arrays:
            if array.dtype != dtype:
                dtype = _widest_text(arrays, path)
                break
        axes = min(self.axes(path), arrays[0].ndim)
        if axes:
            return self._pad(arrays, dtype, axes, path)
        shape = arrays[0].shape
        for i, array in enumerate(arrays):
            if array.shape != shape:
                raise unlike.shapes(arrays, i, path)
        out = self.alloc((len(arrays), *shape), dtype)
        for i, array in enumerate(arrays):
            out[i] = array
        clear_unused_bytes(out)
        return out

    def _pad(self, arrays: Sequence[NDArray[Any]], dtype: np.dtype[Any], axes: int, path: Path) -> Padded:
        first = arrays[0]
        for i, array in enumerate(arrays):
            if array.ndim != first.ndim or array.shape[axes:] != first.shape[axes:]:
                raise unlike.padded_shapes(arrays, i, axes, path)
        sizes = [len(array) for array in arrays] if axes == 1 else [array.shape[:axes] for array in arrays]
        lengths = np.array(sizes, np.int64)
        longest = np.atleast_1d(lengths.max(0)).tolist()
        out = self.alloc((len(arrays), *longest, *first.shape[axes:]), dtype)
        fill = filling(dtype, self.value, path)
        for i, array in enumerate(arrays):
            if axes == 1:
                out[i, : len(array)] = array
                out[i, len(array) :] = fill
            else:
                out[i] = fill
                out[i][tuple(map(slice, array.shape[:axes]))] = array
        clear_unused_bytes(out)
        return Padded(out, self._fill(lengths))

    def _fill(self, values: NDArray[Any]) -> NDArray[Any]:
        out = self.alloc(values.shape, values.dtype)
        out[...] = values
        clear_unused_bytes(out)
        return out


def _as_arrays(values: Sequence[Any], path: Path) -> list[NDArray[Any]]:
    """Return arrays for arrays of any library, numbers and lists of numbers; empty lists have their dtype of others."""
    arrays: list[NDArray[Any]] = []
    for i, value in enumerate(values):
        try:
            arrays.append(list_as_array(value) if isinstance(value, list) else as_array(value))
        except CollateError as error:
            raise CollateError(f"{where(path, 'the sample')} {error}, in sample {i} of the batch") from error.__cause__
    empty = [isinstance(value, list) and not value for value in values]
    if any(empty):
        dtype = next(array.dtype for array, unknown in zip(arrays, empty, strict=True) if not unknown)
        return [array.astype(dtype) if unknown else array for array, unknown in zip(arrays, empty, strict=True)]
    return arrays


def _widest_text(arrays: Sequence[NDArray[Any]], path: Path) -> np.dtype[Any]:
    """Return the dtype of arrays of text of several widths: only these may differ."""
    if {array.dtype.kind for array in arrays} in _TEXT_KINDS:
        return np.result_type(*(array.dtype for array in arrays))
    raise unlike.dtypes([array.dtype for array in arrays], path)


def _bytes_of_views(values: Sequence[Any], path: Path) -> list[Any]:
    """Return the values with bytes in place of views, whose memory may be another's by the time they are read."""
    for i, value in enumerate(values):
        if isinstance(value, memoryview) and value.format not in ("B", "b", "c"):
            raise CollateError(
                f"{where(path, 'the sample')} is a memoryview of format {value.format!r} in sample {i} of the batch: "
                "use numpy.asarray(x) in a transform"
            )
    return [bytes(value) if isinstance(value, memoryview) else value for value in values]


def _with_lengths(batch: dict[Any, Any], lengths: dict[str, Any]) -> dict[Any, Any]:
    """Put each field's lengths right behind the field."""
    ordered: dict[Any, Any] = {}
    for name, value in batch.items():
        ordered[name] = value
        if f"{name}_lengths" in lengths:
            ordered[f"{name}_lengths"] = lengths[f"{name}_lengths"]
    return ordered
