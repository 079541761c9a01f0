"""Columns of Arrow to values of samples, one per row; what a value is follows from the type of its column alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.whole import WholeList


def column_values(column: Any) -> Sequence[Any]:
    """Return one value per row.

    Numbers are numpy numbers of the column's type; a null is NaN among floats, None elsewhere. Lists of numbers are
    arrays (length,), lists of such lists arrays of as many axes where the inner lists are of one length, and lists of
    arrays where they are not. Other lists are `WholeList`.

    Args:
        column: a pyarrow.ChunkedArray.

    Raises:
        ValueError: a value is one that Python or numpy has none for.
        pyarrow.ArrowException: the same.
    """
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if types.is_floating(kind):
        return column.to_numpy()  # type: ignore[no-any-return]
    if types.is_integer(kind) or types.is_boolean(kind):
        return column.to_numpy() if column.null_count == 0 else _numbers_and_nulls(column)
    if is_list(kind):
        return _lists(_one(column))
    if types.is_struct(kind):
        return _structs(_one(column))
    if isinstance(kind, getattr(pa, "FixedShapeTensorType", ())):
        return _tensors(_one(column))
    if types.is_map(kind):
        return [None if value is None else WholeList(value) for value in column.to_pylist()]
    if getattr(kind, "unit", None) == "ns":
        # What pyarrow makes of nanoseconds depends on whether pandas is installed.
        column = column.cast(_microseconds(kind))
    return column.to_pylist()  # type: ignore[no-any-return]


def is_list(kind: Any) -> bool:
    """Tell whether a type is one of lists, of any or of a fixed length."""
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _one(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _numbers_and_nulls(column: Any) -> list[Any]:
    import pyarrow as pa

    zero = pa.scalar(False if pa.types.is_boolean(column.type) else 0, column.type)
    numbers, null = column.fill_null(zero).to_numpy(), column.is_null().to_numpy()
    return [None if missing else number for number, missing in zip(numbers, null, strict=True)]


def _microseconds(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")


def _structs(array: Any) -> list[Any]:
    import pyarrow as pa

    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    # Flattened children are null where their struct is.
    children = [column_values(pa.chunked_array([child])) for child in array.flatten()]
    rows = zip(*children, strict=True) if children else [()] * len(array)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    return [dict(zip(names, row, strict=True)) if there else None for row, there in zip(rows, valid, strict=True)]


def _tensors(array: Any) -> list[Any]:
    kind = array.type
    storage = array.storage
    size = kind.storage_type.list_size
    flat = storage.values.to_numpy(zero_copy_only=False)
    shape, order = tuple(kind.shape), kind.permutation
    valid = storage.is_valid().to_numpy(zero_copy_only=False)

    def tensor(row: int) -> NDArray[Any]:
        begin = (storage.offset + row) * size
        values: NDArray[Any] = flat[begin : begin + size].reshape(shape)
        return values if order is None else values.transpose(order)

    return [tensor(row) if valid[row] else None for row in range(len(array))]


class _Nested:
    """Lists of numbers, at any depth, as places in one array of numbers.

    Args:
        array: a pyarrow array of lists whose innermost values are numbers.
    """

    def __init__(self, array: Any) -> None:
        from pyarrow import types

        self._offsets: list[NDArray[np.int64]] = []
        self._valid: list[NDArray[np.bool_] | None] = []
        self._sizes: list[int] = []  # of lists of a fixed length
        while is_list(array.type):
            if types.is_fixed_size_list(array.type):
                size = array.type.list_size
                offsets = (np.arange(len(array) + 1) + array.offset) * size
            else:
                size = 0
                offsets = array.offsets.to_numpy()
            self._offsets.append(offsets.astype(np.int64, copy=False))
            self._valid.append(array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None)
            self._sizes.append(size)
            array = array.values
        self._null: NDArray[np.bool_] | None = None
        if array.null_count and not types.is_floating(array.type):
            self._null = array.is_null().to_numpy(zero_copy_only=False)
            array = array.fill_null(False if types.is_boolean(array.type) else 0)
        self._kind = array.type
        self._numbers = array.to_numpy(zero_copy_only=False)

    def rows(self) -> list[Any]:
        valid, offsets = self._valid[0], self._offsets[0].tolist()
        return [
            self._values(1, offsets[row], offsets[row + 1]) if valid is None or valid[row] else None
            for row in range(len(offsets) - 1)
        ]

    def _values(self, level: int, start: int, stop: int) -> Any:
        """Return elements start..stop of a level: an array, or a list where they are no array."""
        if level == len(self._offsets):
            if self._null is not None and self._null[start:stop].any():
                raise ValueError(
                    f"a null inside of a list of {self._kind}, which no array of {self._kind} holds: name a type with "
                    "floats for the column in types= to have NaN there"
                )
            return self._numbers[start:stop]
        offsets, valid, size = self._offsets[level][start : stop + 1], self._valid[level], self._sizes[level]
        lengths = np.diff(offsets)
        even = bool((lengths == lengths[:1]).all()) and (valid is None or bool(valid[start:stop].all()))
        if even:
            inner = self._values(level + 1, int(offsets[0]), int(offsets[-1]))
            if isinstance(inner, np.ndarray):
                length = int(lengths[0]) if len(lengths) else size
                return inner.reshape(stop - start, length, *inner.shape[1:])
        return WholeList(
            self._values(level + 1, int(offsets[i]), int(offsets[i + 1])) if valid is None or valid[start + i] else None
            for i in range(stop - start)
        )


def _lists(array: Any) -> list[Any]:
    from pyarrow import types

    inner = array.type
    while is_list(inner):
        inner = inner.value_type
    if types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner):
        return _Nested(array).rows()
    return [None if value is None else WholeList(value) for value in array.to_pylist()]
