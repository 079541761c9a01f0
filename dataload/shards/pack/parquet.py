"""Parquet files of samples: a column per field, in row groups of some megabytes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np

from dataload.errors import ConfigError
from dataload.kinds import describe
from dataload.shards.pack.base import Cursor, Layout, quoted, same_fields
from dataload.shards.pack.values import File, Samples

_GROUP_BYTES = 32 << 20
_GROUP_SHARE = 4  # a row group is at most this part of a shard, so that shards come near to their size
_FOOTER = 1024  # of a file, and as much for every column chunk: what comes behind the data
_FIRST = 64  # samples that settle the types of columns

Row = tuple[dict[str, Any], int]


class Parquet:
    """Samples as rows of Parquet files; arrays are lists, of as many levels as they have axes.

    Args:
        layout: of an earlier run.
    """

    suffix = ".parquet"

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or {}
        self._kept: list[Any] = []

    def settle(self, samples: Samples) -> None:
        """Settle the types of the columns by the first samples: the first alone may hold a null, or an empty list."""
        if self.layout:
            return
        import pyarrow as pa

        rows = [{name: _example(value) for name, value in samples[i].items()} for i in range(min(len(samples), _FIRST))]
        layout: Layout = {}
        for name in rows[0]:
            try:
                kind = pa.array([row[name] for row in rows if name in row]).type
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                raise ConfigError(
                    f"field {name!r} is {describe(rows[0][name])}, which Parquet cannot keep: {error}"
                ) from None
            schema = pa.schema([pa.field(name, kind)])
            layout[name] = {"type": str(kind), "schema": base64.b64encode(schema.serialize().to_pybytes()).decode()}
        self.layout = layout

    def encode(self, index: int, fields: dict[str, Any]) -> Row:
        """Return the row of a sample, and about how many bytes it takes."""
        import pyarrow as pa

        same_fields(self.layout, fields)
        row = {name: _plain(fields[name]) for name in self.layout}
        size = 0
        for name, value in row.items():
            kind = self._schema().field(name).type
            try:
                column = pa.array([value], kind)
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                raise ConfigError(
                    f"field {name!r} is {describe(value)}, and was {kind} in the first samples: {error}"
                ) from None
            size += column.nbytes
            if pa.types.is_nested(kind) and _nested_lost(column, value):
                raise ConfigError(f"field {name!r} would come back from Parquet as something else: pack it into a tar")
        return row, size

    def data(self, record: Row) -> bytes:
        """Return the row of a sample as Arrow writes it."""
        import pyarrow as pa

        found: bytes = pa.RecordBatch.from_pylist([record[0]], self._schema()).serialize().to_pybytes()
        return found

    def shard(self, cursor: Cursor[Row], limit: int) -> Iterator[bytes]:
        """Yield row groups of the next samples, and the footer."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = self._schema()
        footer = _FOOTER * (1 + len(schema))
        sink = _Sink()
        group_bytes = min(_GROUP_BYTES, limit // _GROUP_SHARE)
        binary = [field.name for field in schema if pa.types.is_binary(field.type)]
        others = [field.name for field in schema if field.name not in binary and not pa.types.is_nested(field.type)]
        # Sound is packed already, and hardly a recording is there twice.
        with pq.ParquetWriter(
            sink, schema, compression="zstd", use_dictionary=others, write_statistics=False
        ) as writer:
            written = 0
            while not cursor.over:
                rows: list[dict[str, Any]] = []
                size = 0
                while not cursor.over:
                    row, row_size = cursor.peek()
                    full = (written or rows) and written + size + row_size + footer > limit
                    if full or (rows and size + row_size > group_bytes):
                        break
                    rows.append(row)
                    size += row_size
                    cursor.take()
                if not rows:
                    break
                writer.write_table(pa.Table.from_pylist(rows, schema), row_group_size=len(rows))
                yield sink.taken()
                written = sink.size
                footer += _FOOTER * len(schema)
        yield sink.taken()

    def lines(self, pattern: str) -> list[str]:
        """Return what makes a TableSource of a pattern."""
        return ["from dataload import TableSource", f"TableSource({quoted(pattern)})"]

    def _schema(self) -> Any:
        import pyarrow as pa

        if not self._kept:
            read = [pa.ipc.read_schema(pa.py_buffer(base64.b64decode(e["schema"]))) for e in self.layout.values()]
            self._kept.append(pa.schema([schema.field(0) for schema in read]))
        return self._kept[0]


class _Sink:
    """What a ParquetWriter writes to; the bytes are taken from it as they come."""

    closed = False

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self.size += len(part)
        return len(part)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def _plain(value: Any) -> Any:
    """Return a value as pyarrow takes it."""
    if isinstance(value, File):
        return value.data
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, np.ma.MaskedArray):
        raise ConfigError("a masked array cannot be packed, its mask would be lost: fill it (array.filled)")
    if isinstance(value, np.ndarray) or (hasattr(value, "__array__") and not isinstance(value, np.generic)):
        return _axes(np.asarray(value))
    return value


def _example(value: Any) -> Any:
    """Return what is of the type of a value as pyarrow takes it, and small."""
    plain = _plain(value)
    if isinstance(plain, bytes):
        return b""
    return plain[:1] if isinstance(plain, np.ndarray) else plain


def _axes(array: Any) -> Any:
    if array.ndim == 0:
        return array[()]
    if array.ndim > 1 and not array.size:
        raise ConfigError(f"an array of shape {array.shape} would lose its shape in Parquet: pack it into a tar")
    return array if array.ndim == 1 else [_axes(inner) for inner in array]


def _nested_lost(column: Any, value: Any) -> bool:
    """Return whether a list or dict would come back otherwise."""
    return not isinstance(value, np.ndarray) and not _alike(column.to_pylist()[0], value)


def _alike(found: Any, value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return isinstance(found, list)
    if isinstance(value, dict):
        return (
            isinstance(found, dict) and found.keys() == value.keys() and all(_alike(found[k], value[k]) for k in value)
        )
    if isinstance(value, list):
        return isinstance(found, list) and len(found) == len(value) and all(map(_alike, found, value))
    return bool(found == value or (found != found and value != value))
