"""What a field of `TFRecordSource` makes of a feature: one value, the list as it is, or what a function gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dataload.errors import ConfigError
from dataload.shards.messages import Value

# By what stands beside the name of a feature: what its list holds, and as what it is asked for.
_ONE = {
    bytes: ("bytes", "bytes"),
    str: ("bytes", "str"),
    int: ("int64", "int"),
    float: ("float32", "float"),
}
_NAMES = {np.int64: "int64", np.float32: "float32"}
_ASK_FOR = {"bytes": "bytes or str", "int64": "int", "float32": "float"}


class WrongValue(Exception):
    """A list that is not what a field asks for; the message goes on after the name of the feature."""


class Feature(NamedTuple):
    """A field: its name, the name of the feature that it is read from, and what makes it of the list as stored.

    Of the types `bytes`, `str`, `int` and `float` it is the one value; None is the list as stored.
    """

    name: str
    feature: str
    make: Callable[[Any], Any] | None

    def made(self, stored: Value) -> Any:
        """Return the value of the field.

        Raises:
            WrongValue: there is not one value in the list, or one of another kind, where one is asked for.
        """
        if self.make is None:
            return stored
        one = _ONE.get(self.make) if isinstance(self.make, type) else None
        return self.make(stored) if one is None else _single(stored, *one)


def feature(name: str, value: Any) -> Feature:
    """Return a field as `TFRecordSource` is given it.

    Raises:
        ConfigError: it is neither the name of a feature, nor that and a type or function.
    """
    key, make = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    if not isinstance(key, str) or (isinstance(value, tuple) and not callable(make)):
        raise ConfigError(
            f"field {name}={value!r} must be the name of a feature, such as {name}='image/encoded', or a name and what "
            f"to make of its list: bytes, str, int or float for the one value in it, such as {name}=('label', int), or "
            "a function"
        )
    return Feature(name, key, make)


def _single(stored: Value, kind: str, asked: str) -> Any:
    # Looked up by type: numpy puts the name of a dtype together anew each time, which takes as long as all of this.
    found = "bytes" if isinstance(stored, list) else _NAMES[stored.dtype.type]
    if found != kind:
        raise WrongValue(f"holds {found}, and {asked} asks for {kind}: ask for {_ASK_FOR[found]}")
    if len(stored) != 1:
        raise WrongValue(
            f"has {len(stored)} values, and {asked} asks for one: give its name alone for the list, or its name and a "
            "function of the list"
        )
    value = stored[0]
    if asked != "str":
        return value
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise WrongValue(f"is no UTF-8 ({error}): ask for bytes") from None
