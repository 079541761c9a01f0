"""What a field of `TFRecordSource` makes of a feature: one value, the list as it is, or what a function gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np

from dataload.errors import ConfigError
from dataload.shards.alike import Column
from dataload.shards.messages import Value


class WrongValue(Exception):
    """A list that is not what a field asks for; the message goes on after the name of the feature."""


class Feature(NamedTuple):
    """A field: its name, the name of the feature that it is read from, and what makes it of the list as stored.

    `made` raises WrongValue where there is not one value in the list, or one of another kind, and one is asked for.
    `column` says the same to whoever reads a whole batch at once; it is None where a function is called for each list.
    """

    name: str
    feature: str
    made: Callable[[Value], Any]
    column: Column | None


def feature(name: str, value: Any) -> Feature:
    """Return a field as `TFRecordSource` is given it.

    Raises:
        ConfigError: it is neither the name of a feature, nor that and a type or function.
    """
    key, make = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    of_type = isinstance(make, np.dtype) or (isinstance(make, type) and issubclass(make, np.generic))
    if not isinstance(key, str) or (isinstance(value, tuple) and not callable(make) and not of_type):
        raise ConfigError(
            f"field {name}={value!r} must be the name of a feature, such as {name}='image/encoded', or a name and what "
            f"to make of its list: bytes, str, int or float for the one value in it, such as {name}=('label', int), a "
            "numpy type for the numbers that its bytes are, or a function"
        )
    if of_type:
        dtype = np.dtype(make)
        if dtype.kind not in "biufc":
            raise ConfigError(f"field {name}={value!r}: {dtype} is no type of numbers")
        # Unless it says otherwise the first byte is the lowest, as for tf.io.decode_raw, on every machine.
        stored = dtype if dtype.byteorder == ">" else dtype.newbyteorder("<")
        return Feature(name, key, partial(_numbers_in, stored), Column(name, key, "bytes", stored))
    if make is None:
        return Feature(name, key, _as_stored, Column(name, key, "floats"))
    column = Column(name, key, "int") if make is int else Column(name, key, "float") if make is float else None
    return Feature(name, key, _ONE.get(make, make) if isinstance(make, type) else make, column)


def _numbers_in(dtype: np.dtype[Any], stored: Value) -> Any:
    if not isinstance(stored, list):
        return stored.astype(dtype.newbyteorder("="))
    data = _one_bytes(stored)
    if len(data) % dtype.itemsize:
        raise WrongValue(f"has {len(data)} bytes, which are no whole number of {dtype}")
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))


def _as_stored(stored: Value) -> Value:
    return stored


def _one_bytes(stored: Value) -> Any:
    return stored[0] if type(stored) is list and len(stored) == 1 else _refuse(stored, "bytes", "bytes")


def _one_str(stored: Value) -> Any:
    value = stored[0] if type(stored) is list and len(stored) == 1 else _refuse(stored, "bytes", "str")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise WrongValue(f"is no UTF-8 ({error}): ask for bytes") from None


def _one_int(stored: Value) -> Any:
    return stored[0] if len(stored) == 1 and _holds(stored) == "int64" else _refuse(stored, "int64", "int")


def _one_float(stored: Value) -> Any:
    return stored[0] if len(stored) == 1 and _holds(stored) == "float32" else _refuse(stored, "float32", "float")


# By what stands beside the name of a feature: the one value of its list.
_ONE: dict[type, Callable[[Value], Any]] = {bytes: _one_bytes, str: _one_str, int: _one_int, float: _one_float}
_NAMES = {np.int64: "int64", np.float32: "float32"}
_ASK_FOR = {"bytes": "bytes or str", "int64": "int", "float32": "float"}


def _holds(stored: Value) -> str:
    # Looked up by type: numpy puts the name of a dtype together anew each time, which takes as long as all of this.
    return "bytes" if isinstance(stored, list) else _NAMES[stored.dtype.type]


def _refuse(stored: Value, kind: str, asked: str) -> NoReturn:
    found = _holds(stored)
    if found != kind:
        raise WrongValue(f"holds {found}, and {asked} asks for {kind}: ask for {_ASK_FOR[found]}")
    raise WrongValue(
        f"has {len(stored)} values, and {asked} asks for one: give its name alone for the list, or its name and a "
        "function of the list"
    )
