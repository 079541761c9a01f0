"""What a value of a sample is to a batch: a number, an array, text or a container, by its type alone.

A list is the only value of which the elements count: it may be an array, some text, or a container of anything.
"""

from __future__ import annotations

import reprlib
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from dataload.whole import WholeDict, WholeList


class Kind(Enum):
    """Kinds of values; the text is what messages call one."""

    NUMBER = "a number"
    ARRAY = "an array"
    TEXT = "text"
    NONE = "None"
    DICT = "a dict"
    RECORD = "a dataclass"
    NAMED_TUPLE = "a named tuple"
    TUPLE = "a tuple"
    LIST = "a list"
    NUMBERS = "a list of numbers"
    TEXTS = "a list of texts"
    EMPTY = "an empty list"
    WHOLE = "a list or dict kept whole"
    VIEW = "a memoryview"
    OBJECT = "an object"


_NUMBERS = (bool, int, float, complex, np.number, np.bool_)


def kind_of_type(cls: type) -> Kind:
    """Return what values of a type are; LIST for any list, whose elements decide (`kind_of_list`)."""
    for classes, kind in _CLASSES:
        if issubclass(cls, classes):
            return kind
    if issubclass(cls, tuple):
        return Kind.NAMED_TUPLE if hasattr(cls, "_fields") else Kind.TUPLE
    if hasattr(cls, "__array__"):
        return Kind.ARRAY
    if is_dataclass(cls):
        return Kind.RECORD
    return Kind.OBJECT


_CLASSES: tuple[tuple[Any, Kind], ...] = (
    (np.ndarray, Kind.ARRAY),
    (_NUMBERS, Kind.NUMBER),
    (str | bytes, Kind.TEXT),
    (type(None), Kind.NONE),
    (WholeList | WholeDict, Kind.WHOLE),
    (dict, Kind.DICT),
    (list, Kind.LIST),
    (memoryview, Kind.VIEW),
)


def kind_of_list(values: list[Any]) -> Kind:
    """Return what a list is, by its elements."""
    if not values:
        return Kind.EMPTY
    types = set(map(type, values))
    if all(issubclass(cls, _NUMBERS) for cls in types):
        return Kind.NUMBERS
    return Kind.TEXTS if all(issubclass(cls, str | bytes) for cls in types) else Kind.LIST


def kind_of(value: Any) -> Kind:
    """Return what a value is."""
    kind = kind_of_type(type(value))
    return kind_of_list(value) if kind is Kind.LIST else kind


def number_dtype(cls: type) -> np.dtype[Any]:
    """Return the dtype of a batch of numbers of a type: int64, float64 and so on for those of Python."""
    if issubclass(cls, np.generic):
        return np.dtype(cls)
    for python in (bool, int, float):
        if issubclass(cls, python):
            return np.dtype(python)
    return np.dtype(complex)


def describe(value: Any) -> str:
    """Return what to call a value in a message, shortly."""
    kind = kind_of(value)
    if kind is Kind.ARRAY:
        shape = getattr(value, "shape", None)
        return f"an array ({type(value).__name__})" if shape is None else f"an array of shape {tuple(shape)}"
    if kind in (Kind.RECORD, Kind.NAMED_TUPLE, Kind.OBJECT):
        return f"a {type(value).__name__}"
    if kind in (Kind.TUPLE, Kind.LIST):
        return f"{kind.value} of {len(value)} elements"
    return reprlib.repr(value) if kind in (Kind.NUMBER, Kind.TEXT, Kind.NONE) else kind.value


def is_integer(value: Any) -> bool:
    """Tell whether a value is an int; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)
