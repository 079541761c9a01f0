"""The leaves of a batch as frameworks take them: each is one array, or a list of numbers or texts per sample."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import CollateError
from dataload.foreign import as_array, list_as_array
from dataload.kinds import Kind, kind_of_list
from dataload.samples import Path, is_container, where

Shape = tuple[int | None, ...]

_TEXT = np.dtype(object)
_MAKE_ONE = "make a number or a string of it in a transform, or leave the field out"


@dataclass(frozen=True)
class Leaf:
    """One array of a batch.

    Attributes:
        path: of field names and positions, from the batch to the array.
        shape: None for an axis that varies; None as a whole where even the number of axes does.
        dtype: object for strings.
    """

    path: Path
    shape: Shape | None
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Lists:
    """A list of numbers or texts per sample, each of a length of its own.

    Attributes:
        path: of field names and positions, from the batch to the list of lists.
        dtype: of their elements; object for strings.
    """

    path: Path
    dtype: np.dtype[Any]


def is_column(value: Any) -> bool:
    """Tell whether a list is one array, of strings or numbers, and not a container of arrays."""
    if not isinstance(value, list):
        return False
    first = value[0] if value else None
    nested = isinstance(first, np.ndarray | list) or (hasattr(first, "__array__") and not isinstance(first, np.generic))
    return not nested and not is_container(first)


def is_lists(value: Any) -> bool:
    """Tell whether a value is a list of numbers or texts per sample; any of them may be empty or None."""
    if not isinstance(value, list) or not any(isinstance(row, list) for row in value):
        return False
    return all(
        row is None or (isinstance(row, list) and kind_of_list(row) in (Kind.NUMBERS, Kind.TEXTS, Kind.EMPTY))
        for row in value
    )


def spec_of_lists(value: list[Any], path: Path) -> Lists:
    """Return what lists of a batch tell of those of any batch.

    Raises:
        CollateError: all of them are empty, or they hold something else than numbers or texts.
    """
    flat, _ = _flatten(value, path)
    if not flat.size:
        raise CollateError(
            f"{where(path)} is an empty list in every sample of the first batch, which does not say what its elements "
            "are: pass element_spec=, with tf.RaggedTensorSpec([None, None], dtype) for the field"
        )
    return Lists(path, flat.dtype)


def flatten(value: Any, lists: Lists) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the elements of all lists of a batch behind each other, (total,), and the lengths of the lists, (batch,).

    Raises:
        CollateError: the value is no list of lists, or of another dtype; the message names the field.
    """
    flat, lengths = _flatten(value, lists.path)
    if not flat.size:
        return np.empty(0, lists.dtype), lengths
    if flat.dtype != lists.dtype:
        raise CollateError(
            f"{where(lists.path)} holds lists of {dtype_name(flat.dtype)} in this batch, where element_spec has "
            f"{dtype_name(lists.dtype)}: convert their elements to one type in a transform"
        )
    return flat, lengths


def _flatten(value: Any, path: Path) -> tuple[NDArray[Any], NDArray[np.int64]]:
    rows = value if isinstance(value, list) else [value]
    for i, row in enumerate(rows):
        if not isinstance(row, list) and getattr(row, "ndim", None) != 1:
            raise CollateError(
                f"{where(path)} is {type(row).__name__} and no list in sample {i} of the batch: give every sample a "
                "list in a transform, such as lambda x: x or [], or leave the field out"
            )
    lengths = np.array([len(row) for row in rows], np.int64)
    if any(not isinstance(row, list) for row in rows):
        return as_leaf(np.concatenate([np.asarray(row) for row in rows]), path), lengths
    return as_leaf(list(chain.from_iterable(rows)), path), lengths


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return what messages call a dtype."""
    return "string" if dtype.kind == "O" else str(dtype)


def as_leaf(value: Any, path: Path) -> NDArray[Any]:
    """Return an array that may be given away: strings as objects, native bytes, writable.

    Raises:
        CollateError: the value makes no array of numbers or strings; the message names the field.
    """
    try:
        array = value if type(value) is np.ndarray else _column(value) if isinstance(value, list) else as_array(value)
    except CollateError as error:
        raise CollateError(f"{where(path)} {error}") from error.__cause__
    if array.dtype.kind in "OUST":
        # The lengths of strings vary; numpy would fill them up to the longest one.
        return _texts(array.astype(_TEXT), path)
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    # Whoever takes the memory over may write to it.
    return array if array.flags.writeable else array.copy()


def _column(values: list[Any]) -> NDArray[Any]:
    """Return the array of a list of strings or numbers; of anything else an array of objects."""
    if not values or kind_of_list(values) is Kind.NUMBERS:
        return list_as_array(values)
    if all(isinstance(value, np.generic) for value in values):
        return np.asarray(values)
    array = np.empty(len(values), _TEXT)
    array[:] = values
    return array


def _texts(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return an array of strings that all can be encoded; a file name that is not UTF-8 as the bytes that it is."""
    for i, item in enumerate(array.flat):
        if not isinstance(item, str | bytes):
            raise CollateError(
                f"{where(path)} holds a {type(item).__name__}, which does not go into a tensor: {_MAKE_ONE}"
            )
        if isinstance(item, str) and not item.isascii():
            try:
                item.encode()
            except UnicodeEncodeError:
                array.flat[i] = _file_name(item, path)
    return array


def _file_name(text: str, path: Path) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise CollateError(
            f"{where(path)} holds {text!a}, which is not Unicode text ({error.reason}): encode it in a transform, "
            "such as lambda x: x.encode(errors='replace')"
        ) from error
