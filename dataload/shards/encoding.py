"""tf.train.Example, written without protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError

_LISTS = {"bytes": b"\x0a", "float": b"\x12", "int64": b"\x1a"}
_INT64 = np.iinfo(np.int64)


def encode_example(sample: Mapping[str, Any]) -> bytes:
    """Return a serialized tf.train.Example; equal samples give equal bytes.

    Args:
        sample: features by name. Bytes and text, or a list or array of them, are a bytes list, text in UTF-8. Whole
            numbers and bools, or a list or one-dimensional array of them, are an int64 list; others a float list,
            rounded to float32. A tuple is a list.

    Raises:
        ConfigError: a value that is none of these, or that no list can hold; the text names the feature.
    """
    if not isinstance(sample, Mapping):
        raise ConfigError(f"a sample to write is a {type(sample).__name__}: a tf.train.Example has names, give a dict")
    entries = []
    for name in sample:
        if not isinstance(name, str):
            raise ConfigError(f"a feature is called {name!r}: names of features are text")
    for name in sorted(sample):
        try:
            key = name.encode()
            kind, values = _listed(sample[name])
        except (_Unfit, UnicodeEncodeError) as error:
            raise ConfigError(f"feature {name!r} {error}") from None
        feature = _within(_LISTS[kind], values)
        entries.append(_within(b"\x0a", _within(b"\x0a", key) + _within(b"\x12", feature)))
    return _within(b"\x0a", b"".join(entries))


class _Unfit(Exception):
    """A value that cannot be written; the message goes on after the name of its feature."""


def _listed(value: Any) -> tuple[str, bytes]:
    """Return the kind of list that a value is, and the fields of that list."""
    if isinstance(value, bytes | bytearray | str):
        return "bytes", _within(b"\x0a", _as_bytes(value))
    if isinstance(value, np.ndarray | np.generic):
        if value.ndim > 1:
            raise _Unfit(
                f"has the shape {value.shape}, and a list has no shape: give it as array.reshape(-1), and its shape as "
                "another feature"
            )
        if value.dtype.kind in "iub":
            return "int64", _packed(_varints(_as_int64(value.reshape(-1))))
        if value.dtype.kind == "f":
            return "float", _packed(_as_float32(value.reshape(-1)))
        if value.dtype.kind not in "SUO":
            raise _Unfit(f"is an array of {value.dtype}: give numbers, bytes or text")
        values = value.reshape(-1).tolist()
        if not values:
            return "bytes", b""
    else:
        values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise _Unfit(
            "is an empty list, of which it is not known of what: give an array, such as np.array([], np.int64)"
        )
    if all(isinstance(one, bytes | bytearray | str) for one in values):
        return "bytes", b"".join(_within(b"\x0a", _as_bytes(one)) for one in values)
    if all(isinstance(one, int | np.integer | np.bool_) for one in values):
        wide = [one for one in map(int, values) if not _INT64.min <= one <= _INT64.max]
        if wide:
            raise _Unfit(f"has the number {wide[0]}, which does not fit 64 bits: give it as text, or divide it")
        return "int64", _packed(_varints(np.array(values, np.int64)))
    if all(isinstance(one, int | float | np.integer | np.floating | np.bool_) for one in values):
        try:
            return "float", _packed(_as_float32(np.array(list(map(float, values)))))
        except OverflowError:
            raise _Unfit("has a number beyond the largest float32") from None
    kinds = ", ".join(sorted({type(one).__name__ for one in values}))
    raise _Unfit(f"is or holds {kinds}: give bytes or text, numbers, or a list of one of these")


def _as_bytes(value: bytes | bytearray | str) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _as_int64(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype.kind == "u" and values.size and values.max() > _INT64.max:
        raise _Unfit(f"has the number {values.max()}, which does not fit 64 bits: give it as text, or divide it")
    return values.astype(np.int64)


def _as_float32(values: NDArray[Any]) -> bytes:
    with np.errstate(over="ignore"):
        rounded = values.astype("<f4")
    if (np.isinf(rounded) & ~np.isinf(values)).any():
        raise _Unfit("has a number beyond the largest float32")
    return rounded.tobytes()


def _varints(values: NDArray[np.int64]) -> bytes:
    """Return numbers as varints one behind the other."""
    numbers = values.view(np.uint64)
    if len(numbers) == 1:
        return _varint(int(numbers[0]))
    parts = np.empty((len(numbers), 10), np.uint8)
    used = np.zeros((len(numbers), 10), np.bool_)
    for i in range(10):
        rest = numbers >> np.uint64(7 * i)
        used[:, i] = (rest > 0) | (i == 0)
        parts[:, i] = (rest & np.uint64(127)) | np.where(rest > 127, 128, 0).astype(np.uint64)
    return parts[used].tobytes()


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _packed(raw: bytes) -> bytes:
    return _within(b"\x0a", raw) if raw else b""


def _within(tag: bytes, content: bytes) -> bytes:
    return b"".join((tag, _varint(len(content)), content))
