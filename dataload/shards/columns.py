"""The file of an index: one Arrow IPC file with a row per sample, which all processes of a machine map.

Whoever opens it reads the schema and nothing else. It may come from anywhere, so nothing in it is believed unchecked:
what the columns say is checked against the size of a shard where it is used.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError, DecodeError, SourceNotFound, StorageError

VERSION = 1
_MAGIC = b"ARROW1"
_METADATA = b"dataload"
_MAX_SIZE = 2**62
_PART = 2**24

Ints = NDArray[np.int64] | NDArray[np.int32]


class Entry(NamedTuple):
    """What an index says of a shard: its name, size in bytes, tag, and number of samples."""

    name: str
    size: int
    tag: str
    samples: int


class Keys(NamedTuple):
    """Names of samples as one block of bytes; that of sample i is from `ends[i]` to `ends[i + 1]`."""

    ends: NDArray[np.int64]
    text: NDArray[np.uint8]

    def get(self, row: int) -> str:
        """Return the name of a sample, or "" where the block is damaged."""
        start, stop = int(self.ends[row]), int(self.ends[row + 1])
        if not 0 <= start <= stop <= len(self.text):
            return ""
        return self.text[start:stop].tobytes().decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Columns:
    """Where the fields of all samples are.

    Attributes:
        kind: the format of the shards.
        remote: whether the tags are those of a remote store; they say nothing about a copy on a disk.
        entries: one per shard, in the order of the rows.
        offsets: by field, where its bytes begin in the shard; (samples,) int64.
        sizes: by field, how many they are, or -1 where a sample has no such field; (samples,) int32 or int64.
        keys: names of the samples.
        path: the file that this is mapped from, or None.
    """

    kind: str
    remote: bool
    entries: list[Entry]
    offsets: dict[str, NDArray[np.int64]]
    sizes: dict[str, Ints]
    keys: Keys | None
    path: str | None = None

    def digest(self) -> str:
        """Return text that tells this index from one of other shards."""
        return hashlib.blake2b(_described(self), digest_size=16).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is not None:
            return _again, (self.path, self.digest())
        return Columns, (self.kind, self.remote, self.entries, self.offsets, self.sizes, self.keys)


def _described(columns: Columns) -> bytes:
    described = {
        "version": VERSION,
        "kind": columns.kind,
        "remote": columns.remote,
        "fields": list(columns.offsets),
        "keys": columns.keys is not None,
        "shards": columns.entries,
    }
    return json.dumps(described, separators=(",", ":")).encode()


def encode(columns: Columns) -> Iterator[bytes]:
    """Yield the bytes of the file, in parts."""
    import pyarrow as pa

    arrays, names = [], []
    if columns.keys is not None:
        ends, text = map(pa.py_buffer, columns.keys)
        arrays.append(pa.Array.from_buffers(pa.large_binary(), len(columns.keys.ends) - 1, [None, ends, text]))
        names.append("key")
    for field, offsets in columns.offsets.items():
        arrays += [pa.array(offsets), pa.array(columns.sizes[field])]
        names += [f"{field} offset", f"{field} size"]
    if not arrays:  # No sample in any shard, and Arrow needs a column to have rows.
        arrays, names = [pa.array([], pa.int64())], ["none"]
    batch = pa.RecordBatch.from_arrays(arrays, names, metadata={_METADATA: _described(columns)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data = memoryview(sink.getvalue())
    for start in range(0, len(data), _PART):
        yield bytes(data[start : start + _PART])


def open_columns(path: str) -> Columns:
    """Map an index.

    Raises:
        SourceNotFound: there is no such file.
        StorageError: it cannot be read.
        DecodeError: it is no index, or damaged.
        ConfigError: a later version of the library made it.
    """
    import pyarrow as pa

    try:
        with pa.memory_map(path) as file:
            buffer = file.read_buffer()
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: no such index: check the path, or make it with `dataload index`") from None
    except pa.ArrowException as error:  # An empty file.
        raise damaged(path, str(error)) from None
    except OSError as error:
        raise StorageError(f"{path}: the index cannot be read: {error}") from None
    return decode(buffer, path, path)


def decode(data: Any, name: str, path: str | None = None) -> Columns:
    """Return the columns of a file, on its memory.

    Args:
        data: the bytes of the file.
        name: what to call it in messages.
        path: the file that it is mapped from.

    Raises:
        DecodeError: it is no index, or damaged.
        ConfigError: a later version of the library made it.
    """
    import pyarrow as pa

    buffer = pa.py_buffer(data)
    begin, end = buffer[: len(_MAGIC)].to_pybytes(), buffer[-len(_MAGIC) :].to_pybytes()
    if begin != _MAGIC:
        raise damaged(name, "it is no Arrow file")
    if end != _MAGIC or buffer.size < 16:
        raise damaged(name, "it is cut off")
    try:
        # The stream within the file, not its footer: a message can be looked at before memory is taken for it.
        messages = pa.ipc.MessageReader.open_stream(pa.BufferReader(buffer[8:]))
        schema = pa.ipc.read_schema(messages.read_next_message())
        described = json.loads((schema.metadata or {})[_METADATA])
        version = described["version"]
        if isinstance(version, int) and version > VERSION:
            raise ConfigError(f"{name}: a later version of dataload made this index: update dataload, or make it anew")
        message = messages.read_next_message()
        if _is_compressed(message.metadata.to_pybytes()):
            raise ValueError("its columns are compressed, and they are to be mapped")
        return _columns(described, schema, pa.ipc.read_record_batch(message, schema), path)
    except ConfigError:
        raise
    except KeyError as error:
        raise damaged(name, f"it has no {error}") from None
    except (pa.ArrowException, ValueError, TypeError, OSError, EOFError, StopIteration, RecursionError) as error:
        raise damaged(name, str(error)) from None
    except struct.error as error:
        raise damaged(name, f"a message of it is cut off: {error}") from None


def damaged(name: str, why: str) -> DecodeError:
    """Return the error of a file that is no index, or a damaged one."""
    return DecodeError(f"{name}: is no index of shards, or a damaged one ({why}): make it anew with `dataload index`")


def _columns(described: Any, schema: Any, batch: Any, path: str | None) -> Columns:
    """Return the columns of a record batch that is what its description says, or raise ValueError."""
    import pyarrow as pa

    kind, remote, fields, keyed = (described[name] for name in ("kind", "remote", "fields", "keys"))
    if not (isinstance(kind, str) and isinstance(remote, bool) and isinstance(keyed, bool)):
        raise ValueError("its description is not of the right types")
    if not isinstance(fields, list) or not all(isinstance(field, str) for field in fields):
        raise ValueError("its fields are no list of names")
    entries = [_entry(entry) for entry in described["shards"]]
    rows = batch.num_rows
    if sum(entry.samples for entry in entries) != rows:
        raise ValueError(f"its shards have {sum(entry.samples for entry in entries)} samples, and it has {rows} rows")
    expected = ["key"] * keyed + [f"{field} {what}" for field in fields for what in ("offset", "size")]
    if schema.names != (expected or ["none"]):
        raise ValueError(f"its columns are {schema.names}, not {expected}")
    offsets: dict[str, NDArray[np.int64]] = {}
    sizes: dict[str, Ints] = {}
    for number, field in enumerate(fields):
        first = keyed + 2 * number
        if schema.types[first] != pa.int64() or schema.types[first + 1] not in (pa.int32(), pa.int64()):
            raise ValueError(f"the columns of field {field!r} are of other types")
        offsets[field] = _flat(batch.column(first), 1, np.dtype(np.int64), rows)
        sizes[field] = _flat(batch.column(first + 1), 1, schema.types[first + 1].to_pandas_dtype(), rows)
    keys = None
    if keyed:
        if schema.types[0] != pa.large_binary():
            raise ValueError("the column of keys is of another type")
        ends = _flat(batch.column(0), 1, np.dtype(np.int64), rows + 1 if rows else 0)
        text = batch.column(0).buffers()[2]
        keys = Keys(ends, np.frombuffer(text, np.uint8) if text else np.empty(0, np.uint8))
    return Columns(kind, remote, entries, offsets, sizes, keys, path)


def _entry(entry: Any) -> Entry:
    name, size, tag, samples = entry
    if not (isinstance(name, str) and isinstance(tag, str) and type(size) is int and type(samples) is int):
        raise ValueError("what it says of a shard is not of the right types")
    if not (0 <= size < _MAX_SIZE and 0 <= samples < _MAX_SIZE):
        raise ValueError(f"shard {name!r} of {size} bytes and {samples} samples cannot be")
    return Entry(name, size, tag, samples)


def _flat(column: Any, number: int, dtype: Any, length: int) -> NDArray[Any]:
    """Return a buffer of a column as an array of that length, or raise ValueError where it is shorter."""
    buffer = column.buffers()[number]
    # An array may claim nulls, or more rows than its buffer holds: only the buffer counts.
    return np.frombuffer(buffer, dtype, length) if length else np.empty(0, dtype)


def _is_compressed(metadata: bytes) -> bool:
    """Return whether the buffers of a record batch, of which these are the metadata, are compressed.

    Arrow would take memory for as many bytes as they claim to unpack to. The metadata are a flatbuffer: a Message with
    the RecordBatch as its third field, which has the compression as its fourth.
    """
    (message,) = struct.unpack_from("<I", metadata)
    header = message + _slot(metadata, message, 2)
    (offset,) = struct.unpack_from("<I", metadata, header)
    return _slot(metadata, header + offset, 3) != 0


def _slot(data: bytes, table: int, field: int) -> int:
    """Return where in a table of a flatbuffer a field stands, 0 where it has none."""
    (back,) = struct.unpack_from("<i", data, table)
    (size,) = struct.unpack_from("<H", data, table - back)
    place = 4 + 2 * field
    return int(struct.unpack_from("<H", data, table - back + place)[0]) if place < size else 0


def _again(path: str, digest: str) -> Columns:
    """Map an index that another process has mapped."""
    columns = open_columns(path)
    if columns.digest() != digest:
        raise ConfigError(f"{path}: the index was replaced by that of other shards: make the source anew")
    return columns
