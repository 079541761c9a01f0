"""The fields of a source's samples as shards keep them: by name, and with a file's bytes in place of its path."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dataload.errors import ConfigError, annotate
from dataload.kinds import Kind, kind_of
from dataload.samples import field_names, get_field, is_namedtuple, is_record
from dataload.sources.base import describe, fetch
from dataload.sources.files import own_path
from dataload.storage.places import as_url

_BARE = {Kind.ARRAY: "array", Kind.NUMBER: "number", Kind.TEXT: "text"}


@dataclass(frozen=True)
class File:
    """A file that a field named: its path or URL, and its bytes."""

    path: str
    data: bytes

    @property
    def suffix(self) -> str:
        """The suffix of its name in lower case, without the dot; empty where it has none."""
        last = self.path.rpartition("/")[2].rpartition(os.sep)[2]
        stem, dot, suffix = last.rpartition(".")
        return suffix.lower() if stem and dot else ""


class Samples:
    """The samples of a source as dicts of what shards keep, one at a time.

    A field is a file where `files` names it, where its value is a path (`pathlib.Path` or `RemotePath`), and where a
    `FileSource` gives the path of the sample itself. A sample that is no dict and no record is one field, named by its
    kind.

    Args:
        source: any source.
        files: names of fields that hold paths or URLs of files.
    """

    def __init__(self, source: Any, files: Collection[str] = ()) -> None:
        self.source = source
        self.files = tuple(files)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return the fields of a sample, 0 <= index < len(self).

        Raises:
            ConfigError: a name of `files` is no field, or its value no path.
            The errors of the source, and of reading the files, with a note that names the sample.
        """
        (sample,) = fetch(self.source, [index])
        try:
            own = own_path(self.source, index)
            fields = self._fields(sample, own)
            if not fields:
                raise ConfigError("the sample has no fields: there is nothing of it to pack")
            for name in self.files:
                if name not in fields:
                    raise ConfigError(f"--file {name}: there is no such field; the fields are {', '.join(fields)}")
            return {name: self._value(name, value, own) for name, value in fields.items()}
        except Exception as error:
            annotate(error, f"while packing {self.describe(index)}")
            raise

    def describe(self, index: int) -> str:
        """Return what to call a sample in messages."""
        return describe(self.source, index)

    def _fields(self, sample: Any, own: str | None) -> dict[str, Any]:
        if isinstance(sample, dict):
            if wrong := [name for name in sample if not isinstance(name, str) or not name]:
                raise ConfigError(f"the sample has a key {wrong[0]!r}: the names of fields must be texts")
            return sample
        if is_record(sample) or is_namedtuple(sample):
            return {str(name): get_field(sample, name) for name in field_names(sample)}
        if isinstance(sample, tuple):
            return {f"field{number}": value for number, value in enumerate(sample)}
        if isinstance(sample, str | os.PathLike) and len(self.files) == 1:
            return {self.files[0]: sample}
        if isinstance(sample, os.PathLike) or (own is not None and sample == own):
            return {"file": sample}
        return {"bytes" if isinstance(sample, bytes) else _BARE.get(kind_of(sample), "value"): sample}

    def _value(self, name: str, value: Any, own: str | None) -> Any:
        is_own = own is not None and isinstance(value, str) and value == own
        if not is_own and name not in self.files and not isinstance(value, os.PathLike):
            return value
        if not isinstance(value, str | os.PathLike):
            raise ConfigError(f"--file {name}: the field holds a {type(value).__name__}, not the path of a file")
        path = os.fspath(value)
        return File(path, as_url(path).read())
