"""What a user may say about the files of a table, checked and kept together."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataload.errors import ConfigError
from dataload.sources.tables.dialect import Dialect
from dataload.sources.tables.text_types import NULLS
from dataload.storage.paths import RemotePath

AS_WRITTEN = "json"  # the type of a JSON column whose values are left as they are
_PYTHON = {int: "int64", float: "float64", bool: "bool", str: "string", bytes: "binary"}


@dataclass(frozen=True)
class Options:
    """How to read the files of one source.

    Args:
        columns: which to read; None for all.
        types: types that the user named, as pyarrow types or AS_WRITTEN.
        delimiter: None for that of the suffix.
        quote: None if nothing is quoted.
        escape: None if nothing is escaped.
        encoding: of text files.
        nulls: the user's words for a null in text files; None for `NULLS`, among numbers only.
    """

    columns: tuple[str, ...] | None = None
    types: Mapping[str, Any] = field(default_factory=dict)
    delimiter: str | None = None
    quote: str | None = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    nulls: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.dialect(",")
        try:
            if not codecs.lookup(self.encoding)._is_text_encoding:
                raise LookupError("it does not turn bytes into text")
        except (LookupError, TypeError) as error:
            raise ConfigError(
                f"encoding={self.encoding!r} is no encoding of text, such as 'latin-1': {error}"
            ) from None

    def dialect(self, delimiter: str) -> Dialect:
        """Return the dialect of files whose suffix stands for `delimiter`."""
        return Dialect(delimiter if self.delimiter is None else self.delimiter, self.quote, self.escape)

    def wanted(self, path: Path | RemotePath, names: list[str]) -> list[str]:
        """Return the names of the columns of a file that are read, in the order of a sample.

        Raises:
            ConfigError: one is not there, or there twice.
        """
        wanted = list(dict.fromkeys(names)) if self.columns is None else list(self.columns)
        for name in wanted:
            if name not in names:
                raise ConfigError(f"{str(path)!r} has no column {name!r}: its columns are {names}")
            if names.count(name) > 1:
                raise ConfigError(
                    f"{str(path)!r} has {names.count(name)} columns {name!r}: rename one of them, or leave them out "
                    "with columns="
                )
        return wanted

    @property
    def null_words(self) -> tuple[str, ...]:
        """What stands for a null among numbers."""
        return NULLS if self.nulls is None else self.nulls

    def described(self) -> str:
        """Return text that is equal for equal options, empty for the default ones: part of a fingerprint."""
        types = {name: str(kind) for name, kind in sorted(self.types.items())} or None
        said: dict[str, Any] = {"types": types, "nulls": self.nulls}
        said |= {"delimiter": self.delimiter, "escape": self.escape}
        text = "".join(f" {name}={value!r}" for name, value in said.items() if value is not None)
        text += "" if self.quote == '"' else f" quote={self.quote!r}"
        return text + ("" if self.encoding == "utf-8" else f" encoding={self.encoding!r}")


def make_options(
    columns: Sequence[str] | None,
    types: Any,
    delimiter: str | None,
    quote: str | None,
    escape: str | None,
    encoding: str,
    nulls: Sequence[str] | None,
) -> Options:
    """Return checked options.

    Raises:
        ConfigError: one cannot work.
    """
    for name, value in (("columns", columns), ("nulls", nulls)):
        if isinstance(value, str) or not all(isinstance(word, str) for word in value or ()):
            raise ConfigError(f"{name}={value!r} must be a list of texts")
    if columns is not None and not list(columns):
        raise ConfigError("columns=[] reads nothing: leave it out to read all")
    if columns is not None and len(set(columns)) < len(columns):
        raise ConfigError(f"columns={list(columns)} names a column twice")
    return Options(
        columns=None if columns is None else tuple(columns),
        types=_read_types(types),
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        encoding=encoding,
        nulls=None if nulls is None else tuple(nulls),
    )


def _read_types(types: Any) -> dict[str, Any]:
    if types is None:
        return {}
    import pyarrow as pa

    if isinstance(types, pa.Schema):
        return {field.name: field.type for field in types}
    if not isinstance(types, Mapping):
        raise ConfigError(f"types={types!r} must be a pyarrow.Schema, or a dict of column names and types")
    return {str(name): _read_type(str(name), kind) for name, kind in types.items()}


def _read_type(name: str, kind: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if isinstance(kind, pa.DataType) or kind == AS_WRITTEN:
        return kind
    kind = _PYTHON.get(kind, kind) if isinstance(kind, type) else kind
    try:
        return pa.type_for_alias(kind) if isinstance(kind, str) else pa.from_numpy_dtype(np.dtype(kind))
    except (ValueError, TypeError, pa.ArrowException):
        raise ConfigError(
            f"types={{{name!r}: {kind!r}}} is no type: give a pyarrow type, a name of one such as 'int64', 'float32', "
            f"'string', 'bool', 'date32' or 'timestamp[us]', or {AS_WRITTEN!r} for JSON values as they are written"
        ) from None
