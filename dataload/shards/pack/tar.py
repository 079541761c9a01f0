"""Tar files of samples after WebDataset's convention: a member per field, named by the sample's key and a suffix.

The same samples give the same bytes: members have no times and no owners.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dataload.errors import ConfigError
from dataload.kinds import Kind, describe, kind_of
from dataload.shards.pack.base import Code, Cursor, Layout, same_fields, source_lines
from dataload.shards.pack.values import File, Samples
from dataload.whole import is_whole, opened

_END = bytes(2 * tarfile.BLOCKSIZE)
_SUFFIX = re.compile(r"[\w-]+(\.[\w-]+)*")
_TAKEN = ("paths", "index", "storage_options", "cache", "cache_bytes", "self")
# What makes of bytes what they were.
_FUNCTIONS = {
    "text": "bytes.decode",
    "json": "json.loads",
    "npy": "lambda data: np.load(io.BytesIO(data))",
}
_BYTES = bytes | bytearray | memoryview


class Tar:
    """Samples as members of tar files.

    A file and bytes are kept as they are, text as UTF-8, whole numbers in decimal (`cls`), other numbers of Python,
    lists and dicts as JSON, arrays and numpy's other numbers as `npy`.

    Args:
        suffixes: of fields, without the dot, in place of those by their values.
        layout: of an earlier run.
    """

    suffix = ".tar"

    def __init__(self, suffixes: Mapping[str, str] | None = None, layout: Layout | None = None) -> None:
        # Readers take suffixes in lower case.
        self._suffixes = {field: suffix.lower() for field, suffix in (suffixes or {}).items()}
        self.layout = layout or {}
        for field, suffix in self._suffixes.items():
            if not _SUFFIX.fullmatch(suffix):
                raise ConfigError(f"--suffix {field}={suffix}: a suffix is letters and digits, without a dot in front")

    def settle(self, samples: Samples) -> None:
        """Settle kind and suffix of every field by the first sample."""
        if self.layout:
            return
        fields = samples[0]
        for field in self._suffixes:
            if field not in fields:
                raise ConfigError(f"--suffix {field}=...: there is no such field; the fields are {', '.join(fields)}")
        layout: Layout = {field: _settled(field, value) for field, value in fields.items()}
        taken = [entry["suffix"] for entry in layout.values()]
        for field, entry in layout.items():
            # Readers take a member's kind from what stands behind the last dot.
            prefix = f"{_clean(field)}." if taken.count(entry["suffix"]) > 1 else ""
            entry["suffix"] = self._suffixes.get(field, prefix + entry["suffix"])
            if entry["kind"] == "file":
                entry |= {"prefix": prefix, "fixed": field in self._suffixes, "suffixes": [entry["suffix"]]}
        suffixes = [entry["suffix"] for entry in layout.values()]
        for field, entry in layout.items():
            if suffixes.count(entry["suffix"]) > 1:
                raise ConfigError(
                    f"field {field!r} has the suffix {entry['suffix']!r}, and so has another: give it one of its own "
                    f"with --suffix {field}=NAME"
                )
        self.layout = layout

    def encode(self, index: int, fields: dict[str, Any]) -> bytes:
        """Return the members of a sample, as they stand in a tar file."""
        same_fields(self.layout, fields)
        parts = []
        for field, entry in self.layout.items():
            try:
                data = _encoded(fields[field], entry)
            except ConfigError as error:
                raise ConfigError(f"field {field!r} {error}") from None
            info = tarfile.TarInfo(f"{index:09}.{self._suffix(field, entry, fields[field])}")
            info.size, info.mode = len(data), 0o644
            parts += [info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"), data]
            parts.append(bytes(-len(data) % tarfile.BLOCKSIZE))
        return b"".join(parts)

    def data(self, record: bytes) -> bytes:
        """Return the members of a sample."""
        return record

    def shard(self, cursor: Cursor[bytes], limit: int) -> Iterator[bytes]:
        """Yield the members of the next samples, and the end of the file."""
        size = len(_END)
        while not cursor.over:
            record = cursor.peek()
            if size > len(_END) and size + len(record) > limit:
                break
            yield record
            size += len(record)
            cursor.take()
        yield _END

    def lines(self, pattern: str) -> list[str]:
        """Return what makes a TarSource of a pattern."""
        fields = {field: _read_by(entry) for field, entry in self.layout.items()}
        return source_lines("TarSource", pattern, fields, _TAKEN)

    def _suffix(self, field: str, entry: dict[str, Any], value: Any) -> str:
        """Return the suffix of a value; files of a field have their own."""
        suffix: str = entry["suffix"]
        if not isinstance(value, File) or entry["fixed"]:
            return suffix
        suffix = entry["prefix"] + _file_suffix(field, value)
        if suffix not in entry["suffixes"]:
            if any(suffix in other.get("suffixes", [other["suffix"]]) for other in self.layout.values()):
                raise ConfigError(
                    f"field {field!r} is a file with the suffix {suffix!r}, which another field has: give the field "
                    f"one for all its files with --suffix {field}=NAME"
                )
            entry["suffixes"].append(suffix)
        return suffix


def _entry(field: str, value: Any) -> dict[str, Any] | None:
    """Return how a value is kept, and with which suffix; None where it cannot be."""
    if isinstance(value, File):
        return {"kind": "file", "suffix": _file_suffix(field, value)}
    if isinstance(value, _BYTES):
        return {"kind": "bytes", "suffix": _clean(field)}
    if isinstance(value, str):
        return {"kind": "text", "suffix": "txt"}
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        # A batch of int64 and one of int are the same.
        name = type(value).__name__ if isinstance(value, np.integer) and type(value) is not np.int64 else "int"
        return {"kind": "integer", "suffix": "cls", "dtype": name}
    if isinstance(value, bool | float | list | dict | np.bool_):
        return {"kind": "json", "suffix": "json", "type": type(value).__name__ if is_whole(value) else "plain"}
    return {"kind": "npy", "suffix": "npy"} if kind_of(value) in (Kind.ARRAY, Kind.NUMBER) else None


def _settled(field: str, value: Any) -> dict[str, Any]:
    entry = _entry(field, value)
    if entry is None:
        hint = "give it a value in every sample" if value is None else "make bytes, text, numbers or an array of it"
        raise ConfigError(f"field {field!r} is {describe(value)}, which a tar file cannot keep: {hint}")
    return entry


def _encoded(value: Any, entry: dict[str, Any]) -> bytes:
    kind = entry["kind"]
    found = _entry("", value)
    if found is None or any(found.get(name) != entry.get(name) for name in ("kind", "dtype", "type")):
        what = entry.get("dtype", kind)
        raise ConfigError(f"is {describe(value)}, and was kept as {what} before: a field is of one kind in all samples")
    if kind == "file":
        return bytes(value.data)
    if kind == "bytes":
        return bytes(value)
    if kind == "text":
        try:
            return str(value).encode()
        except UnicodeEncodeError as error:
            raise ConfigError(f"is text that UTF-8 cannot keep: {error}") from None
    if kind == "integer":
        return str(int(value)).encode()
    return _json(value) if kind == "json" else _npy(value)


def _json(value: Any) -> bytes:
    try:
        _check_json(opened(value))
        return json.dumps(value, ensure_ascii=False, default=lambda number: number.item()).encode()
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"cannot be kept as JSON: {error}") from None


def _check_json(value: Any) -> None:
    """Raise ValueError for what would come back from JSON as something else."""
    if is_whole(value):
        raise ValueError("a list or dict in it is kept whole in a batch; make a field of it")
    if isinstance(value, list):
        for element in value:
            _check_json(element)
    elif isinstance(value, dict):
        for key, element in value.items():
            if not isinstance(key, str):
                raise ValueError(f"the key {key!r} is no text")
            _check_json(element)
    # Numbers of these types of numpy make the same batch as those of Python that come back.
    elif not isinstance(value, str | int | float | None | np.int64 | np.bool_):
        raise ValueError(f"{describe(value)} in it would come back as something else; make a field of it")


def _npy(value: Any) -> bytes:
    if isinstance(value, np.ma.MaskedArray):
        raise ConfigError("is a masked array, whose mask a file would lose: fill it (array.filled)")
    array = np.asarray(value)
    header = np.lib.format
    if array.dtype.hasobject or header.descr_to_dtype(header.dtype_to_descr(array.dtype)) != array.dtype:
        raise ConfigError(f"is an array of {array.dtype}, which a file cannot keep: convert it (array.astype)")
    file = io.BytesIO()
    header.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def _clean(field: str) -> str:
    """Return a field's name as a suffix."""
    return re.sub(r"[^\w-]+", "_", field).lower()


def _file_suffix(field: str, file: File) -> str:
    return _clean(file.suffix) or _clean(field)


def _read_by(entry: dict[str, Any]) -> Any:
    """Return what TarSource takes for a field."""
    suffix = "|".join(entry.get("suffixes", [entry["suffix"]]))
    kind = entry["kind"]
    if kind == "integer":
        return suffix, Code(entry["dtype"] if entry["dtype"] == "int" else f"np.{entry['dtype']}")
    if kind == "json" and entry["type"] != "plain":
        return suffix, Code(f"lambda data: {entry['type']}(json.loads(data))")
    return (suffix, Code(_FUNCTIONS[kind])) if kind in _FUNCTIONS else suffix
