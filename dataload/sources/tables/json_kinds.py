"""Which type a column of JSON values has, and each value as one of that type.

What is known of a column grows over all blocks and files. Numbers become numpy numbers where none of them is rounded,
lists of numbers arrays, objects that all have the same keys dicts of such values. Everything else is as it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from dataload.whole import WholeDict, WholeList

_EXACT = 1 << 53
_NUMBERS = {int, float}
Convert = Callable[[Any], Any]


@dataclass(slots=True)
class Kind:
    """What all values of a column together are.

    Args:
        types: the Python types among them, other than that of None.
        null: whether there is a null among them.
        low: the smallest whole number, 0 if none is below.
        high: the largest, 0 if none is above.
        item: what the elements of the lists among them are.
        fields: what the fields of the objects among them are, while all have the same keys; None once they do not.
    """

    types: set[type] = field(default_factory=set)
    null: bool = False
    low: int = 0
    high: int = 0
    item: Kind | None = None
    fields: dict[str, Kind] | None = field(default_factory=dict)

    def add(self, values: list[Any]) -> None:
        """Take some more values into account."""
        types = set(map(type, values))
        if int in types:
            whole = values if len(types) == 1 else [value for value in values if type(value) is int]
            self.low, self.high = min(self.low, min(whole)), max(self.high, max(whole))
        if list in types:
            self.item = self.item or Kind()
            inner = list(chain.from_iterable(value for value in values if type(value) is list))
            # Objects in lists are left as they are written, so their fields need no types.
            self.item.fields = None
            self.item.add(inner)
        if dict in types and self.fields is not None:
            self._add_objects([value for value in values if type(value) is dict], first=dict not in self.types)
        self.null |= type(None) in types
        self.types |= types - {type(None)}

    def _add_objects(self, objects: list[dict[str, Any]], *, first: bool) -> None:
        keys = objects[0].keys() if first else (self.fields or {}).keys()
        if any(value.keys() != keys for value in objects):
            self.fields = None  # Once they differ nothing below is needed, so other keys in each row cost nothing.
            return
        fields = self.fields = self.fields or {key: Kind() for key in keys}
        for key, kind in fields.items():
            kind.add([value[key] for value in objects])

    @property
    def mixed(self) -> bool:
        """Whether there are values of several types that no type holds without loss."""
        return len(self.types) > 1 and self._number() is None

    def _number(self) -> Any:
        """Return the numpy type of the numbers, or None if they are none or none has them all."""
        if not self.types or not (self.types <= _NUMBERS or self.types == {bool}):
            return None
        if self.types == {bool}:
            return np.bool_
        if float in self.types:
            exact = int not in self.types or -_EXACT <= self.low <= self.high <= _EXACT
            return np.float64 if exact else None
        if self.low >= -(1 << 63) and self.high < 1 << 63:
            return np.int64
        return np.uint64 if self.low >= 0 and self.high < 1 << 64 else None

    def converter(self) -> Convert:
        """Return what makes the value of a sample from one of these values."""
        number = self._number()
        if number is not None:
            null = np.float64(np.nan) if number is np.float64 else None
            return lambda value: null if value is None else number(value)
        if self.types == {list} and self.item is not None:
            inner = self.item.lists()
            return lambda value: None if value is None else inner(value)
        if self.types == {dict} and self.fields is not None:
            fields = {name: kind.converter() for name, kind in self.fields.items()}
            return lambda value: None if value is None else {name: fields[name](inner) for name, inner in value.items()}
        return as_written

    def lists(self) -> Convert:
        """Return what makes the value of a sample from a list of these values."""
        item, depth = self, 1
        while item.types == {list} and item.item is not None:
            item, depth = item.item, depth + 1
        number = item._number()
        if number is None or (item.null and number is not np.float64):
            return WholeList
        return lambda value: _array(value, number, depth)

    def arrow_type(self) -> Any:
        """Return the pyarrow type of the values, or None if there is none."""
        import pyarrow as pa

        number = self._number()
        if number is not None:
            return pa.from_numpy_dtype(number)
        if not self.types:
            return pa.null()
        if self.types == {str}:
            return pa.string()
        if self.types == {list} and self.item is not None:
            inner = self.item.arrow_type()
            return None if inner is None else pa.list_(inner)
        if self.types == {dict} and self.fields is not None:
            inner = [kind.arrow_type() for kind in self.fields.values()]
            return None if None in inner else pa.struct(list(zip(self.fields, inner, strict=True)))
        return None


class Kinds(dict[str, Kind]):
    """What is known of the columns of all JSON files of a source, by their names."""

    @cached_property
    def converters(self) -> dict[str, Convert]:
        """What makes the value of a sample from a value of each column."""
        return {name: kind.converter() for name, kind in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return Kinds, (dict(self),)  # Functions stay here.


def as_written(value: Any) -> Any:
    """Return a JSON value as it is; a batch holds lists and objects as one value per sample."""
    if type(value) is list:
        return WholeList(value)
    return WholeDict(value) if type(value) is dict else value


def _array(values: list[Any], number: Any, depth: int) -> Any:
    """Return an array of so many axes, or a list of arrays where inner lists are null or of several lengths."""
    if depth == 1:
        return np.array([np.nan if value is None else value for value in values], number)
    inner: list[Any] = [None if value is None else _array(value, number, depth - 1) for value in values]
    shapes = {value.shape if isinstance(value, np.ndarray) else None for value in inner}
    if not inner:
        return np.zeros((0,) * depth, number)
    return np.stack(inner) if len(shapes) == 1 and None not in shapes else WholeList(inner)
