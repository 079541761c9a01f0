"""TFRecord files of samples: a tf.train.Example per sample, with a feature per field.

An Example knows bytes, float32 and int64 alone, and no shapes: what a field was is put into the line of Python that
reads it, and what cannot come back as it was is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dataload.errors import ConfigError
from dataload.kinds import Kind, describe, kind_of, number_dtype
from dataload.shards.example import encode_example
from dataload.shards.pack.base import Code, Cursor, Layout, same_fields, source_lines
from dataload.shards.pack.values import File, Samples
from dataload.shards.tfrecord import frame

_TAKEN = ("paths", "raw", "index", "storage_options", "cache", "cache_bytes", "self")
_MEND = "pack it into tar files or Parquet"
_LISTS = {"int": int, "float": float, "str": str}


class TFRecord:
    """Samples as records of TFRecord files.

    Args:
        layout: of an earlier run.
    """

    suffix = ".tfrecord"

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or {}

    def settle(self, samples: Samples) -> None:
        """Settle kind, dtype and shape of every field by the first sample."""
        if not self.layout:
            self.layout = {field: _settled(field, value) for field, value in samples[0].items()}

    def encode(self, index: int, fields: dict[str, Any]) -> bytes:
        """Return the record of a sample, with its frame."""
        same_fields(self.layout, fields)
        features = {}
        for field, entry in self.layout.items():
            if _settled(field, fields[field]) != entry:
                raise ConfigError(
                    f"field {field!r} is {describe(fields[field])}, and the first sample has {_told(entry)}: a field "
                    f"is of one kind in all samples, and arrays are alike but for their first axis; {_MEND}"
                )
            features[field] = _feature(field, fields[field])
        return frame(encode_example(features))

    def data(self, record: bytes) -> bytes:
        """Return the record of a sample."""
        return record

    def shard(self, cursor: Cursor[bytes], limit: int) -> Iterator[bytes]:
        """Yield the records of the next samples."""
        size = 0
        while not cursor.over:
            record = cursor.peek()
            if size and size + len(record) > limit:
                break
            yield record
            size += len(record)
            cursor.take()

    def lines(self, pattern: str) -> list[str]:
        """Return what makes a TFRecordSource of a pattern."""
        made = {field: _read_by(entry) for field, entry in self.layout.items()}
        fields = {field: (field, Code(code)) if code else field for field, code in made.items()}
        return source_lines("TFRecordSource", pattern, fields, _TAKEN)


def _settled(field: str, value: Any) -> dict[str, Any]:
    if isinstance(value, File | bytes | bytearray | memoryview):
        return {"kind": "bytes"}
    if isinstance(value, str):
        return {"kind": "text"}
    if isinstance(value, list):
        names = {type(one).__name__ for one in value}
        if len(names) == 1 and (name := names.pop()) in _LISTS:
            return {"kind": "list", "of": name, "type": type(value).__name__}
    kind = kind_of(value)
    if kind is Kind.NUMBER:
        dtype = number_dtype(type(value))
        if dtype.kind in "biuf" and dtype.itemsize <= 8:
            return {"kind": "number", "dtype": dtype.name}
    if kind is Kind.ARRAY and not isinstance(value, np.ma.MaskedArray):
        array = np.asarray(value)
        inner = list(array.shape[1:])
        if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8 and array.dtype.isnative and 0 not in inner:
            return {"kind": "array", "dtype": array.dtype.name, "axes": array.ndim, "inner": inner}
    raise ConfigError(f"field {field!r} is {describe(value)}, which a tf.train.Example cannot keep: {_MEND}")


def _feature(field: str, value: Any) -> Any:
    """Return a value as `encode_example` takes it."""
    if isinstance(value, File):
        return value.data
    if isinstance(value, str | bytes | bytearray | memoryview):
        return value if isinstance(value, str) else bytes(value)
    numbers = np.asarray(value)
    if numbers.dtype == np.float64 and not _exact(numbers):
        raise ConfigError(
            f"field {field!r} is or holds a float64, which a tf.train.Example rounds to float32: round it before "
            f"(np.float32), or {_MEND}"
        )
    return list(value) if isinstance(value, list) else numbers.reshape(-1)


def _exact(numbers: Any) -> bool:
    with np.errstate(over="ignore"):
        rounded = numbers.astype(np.float32).astype(np.float64)
    return bool(rounded.tobytes() == numbers.tobytes())


def _read_by(entry: dict[str, Any]) -> str:
    """Return the Python that makes of a list as stored what it was; nothing where it is that."""
    kind, dtype = entry["kind"], entry.get("dtype")
    if kind in ("bytes", "text"):
        return "bytes" if kind == "bytes" else "str"
    if kind == "list":
        made = "[str(one, 'utf-8') for one in values]" if entry["of"] == "str" else "values.tolist()"
        return f"lambda values: {made if entry['type'] == 'list' else f'''{entry['type']}({made})'''}"
    if kind == "number":
        simple = {"int64": "int", "float32": "float"}.get(dtype or "")
        return simple or f"lambda values: np.{dtype if dtype != 'bool' else 'bool_'}(values[0])"
    shape = "" if entry["axes"] == 1 else f".reshape({_shape(entry)})"
    cast = "" if dtype in ("int64", "float32") else f".astype(np.{dtype if dtype != 'bool' else 'bool_'})"
    return f"lambda values: values{cast}{shape}" if cast or shape else ""


def _shape(entry: dict[str, Any]) -> str:
    return "()" if entry["axes"] == 0 else ", ".join(map(str, [-1, *entry["inner"]]))


def _told(entry: dict[str, Any]) -> str:
    return " ".join(str(value) for name, value in entry.items() if name in ("kind", "dtype", "of"))
