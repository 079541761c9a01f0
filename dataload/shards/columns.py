"""The file of an index: one Arrow IPC file with a row per sample, which all processes of a machine map.

Whoever opens it reads the schema and nothing else. It may come from anywhere, so nothing in it is believed unchecked:
what the columns say is checked against the size of a shard where it is used.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError, DecodeError, SourceNotFound, StorageError
from dataload.shards.arrow import File, parse

VERSION = 1
_METADATA = b"dataload"
_MAX_SIZE = 2**62
_PART = 2**24
_NOTHING = np.empty(0, np.uint8)
# Bytes of an index beyond which it is not worth reading whole because one sample of it was looked at.
_LARGE = 1 << 26

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


def map_file(path: str) -> NDArray[np.uint8]:
    """Return the bytes of a file, mapped. A large one is read page by page where it is looked at.

    Shuffled samples lie anywhere in it, and a system that reads megabytes ahead of each of them reads for nobody.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if len(mapped) > _LARGE and hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(mapped, np.uint8)


def open_columns(path: str) -> Columns:
    """Map an index.

    Raises:
        SourceNotFound: there is no such file.
        StorageError: it cannot be read.
        DecodeError: it is no index, or damaged.
        ConfigError: a later version of the library made it.
    """
    try:
        data = map_file(path)
    except FileNotFoundError:
        raise SourceNotFound(f"{path}: no such index: check the path, or make it with `dataload index`") from None
    except OSError as error:
        raise StorageError(f"{path}: the index cannot be read: {error}") from None
    except ValueError:
        raise damaged(path, "it is empty") from None
    return _decode(data, path, path)


def decode(data: bytes, name: str) -> Columns:
    """Return the columns of a file of these bytes.

    Raises:
        DecodeError: it is no index, or damaged.
        ConfigError: a later version of the library made it.
    """
    return _decode(np.frombuffer(data, np.uint8), name, None)


def _decode(data: NDArray[np.uint8], name: str, path: str | None) -> Columns:
    try:
        file = parse(data)
        described = json.loads(file.metadata[_METADATA])
        version = described["version"]
        if isinstance(version, int) and version > VERSION:
            raise ConfigError(f"{name}: a later version of dataload made this index: update dataload, or make it anew")
        return _columns(described, file, path)
    except ConfigError:
        raise
    except KeyError as error:
        raise damaged(name, f"it has no {error}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(name, str(error)) from None


def damaged(name: str, why: str) -> DecodeError:
    """Return the error of a file that is no index, or a damaged one."""
    return DecodeError(f"{name}: is no index of shards, or a damaged one ({why}): make it anew with `dataload index`")


def _columns(described: Any, file: File, path: str | None) -> Columns:
    """Return the columns of a file that is what its description says, or raise ValueError."""
    kind, remote, fields, keyed = (described[name] for name in ("kind", "remote", "fields", "keys"))
    if not (isinstance(kind, str) and isinstance(remote, bool) and isinstance(keyed, bool)):
        raise ValueError("its description is not of the right types")
    if not isinstance(fields, list) or not all(isinstance(field, str) for field in fields):
        raise ValueError("its fields are no list of names")
    entries = [_entry(entry) for entry in described["shards"]]
    rows = sum(entry.samples for entry in entries)
    if rows != file.rows:
        raise ValueError(f"its shards have {rows} samples, and it has {file.rows} rows")
    expected = ["key"] * keyed + [f"{field} {what}" for field in fields for what in ("offset", "size")]
    if file.names != (expected or ["none"]):
        raise ValueError(f"its columns are {file.names}, not {expected}")
    buffers = iter(file.buffers)
    keys = None
    if keyed:
        if file.types[0] != "large_binary":
            raise ValueError("the column of keys is of another type")
        _, ends, text = next(buffers, None), next(buffers, _NOTHING), next(buffers, _NOTHING)
        keys = Keys(_flat(ends, "int64", rows + 1) if rows else np.zeros(1, np.int64), text)
    offsets: dict[str, NDArray[np.int64]] = {}
    sizes: dict[str, Ints] = {}
    for field, types in zip(fields, zip(file.types[keyed::2], file.types[keyed + 1 :: 2], strict=True), strict=True):
        if types not in (("int64", "int32"), ("int64", "int64")):
            raise ValueError(f"the columns of field {field!r} are of other types")
        _, offset, _, size = (next(buffers, _NOTHING) for _ in range(4))
        offsets[field], sizes[field] = _flat(offset, types[0], rows), _flat(size, types[1], rows)
    return Columns(kind, remote, entries, offsets, sizes, keys, path)


def _entry(entry: Any) -> Entry:
    name, size, tag, samples = entry
    if not (isinstance(name, str) and isinstance(tag, str) and type(size) is int and type(samples) is int):
        raise ValueError("what it says of a shard is not of the right types")
    if not (0 <= size < _MAX_SIZE and 0 <= samples < _MAX_SIZE):
        raise ValueError(f"shard {name!r} of {size} bytes and {samples} samples cannot be")
    return Entry(name, size, tag, samples)


def _flat(buffer: NDArray[np.uint8], kind: str, length: int) -> NDArray[Any]:
    """Return a buffer as an array of that length, or raise ValueError where it is shorter."""
    return np.frombuffer(buffer, np.dtype(kind).newbyteorder("<"), length) if length else np.empty(0, kind)


def _again(path: str, digest: str) -> Columns:
    """Map an index that another process has mapped."""
    columns = open_columns(path)
    if columns.digest() != digest:
        raise ConfigError(f"{path}: the index was replaced by that of other shards: make the source anew")
    return columns
