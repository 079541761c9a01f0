"""Rows of table files as a source: one sample per row, a dict of column values."""

from __future__ import annotations

import glob
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataload.errors import ConfigError, DecodeError, SourceNotFound
from dataload.sources.groups import SUFFIXES, Groups, open_groups


class TableSource:
    """The rows of Parquet, Arrow IPC, CSV, TSV or JSONL files, read on demand.

    Rows are read a row group at a time (a record batch in Arrow, 4 MB in CSV and JSONL), and the groups used last are
    kept, so a file need not fit into memory. Reading in order is cheap; a random order over a file with few, big row
    groups reads a group for every row that is not in one of those kept.

    A sample is a dict: numbers as numpy numbers of the column's type, text as str, binary as bytes, lists of numbers
    as arrays, structs as dicts, dates and times as those of `datetime`. A null is NaN in a column of floats and None
    elsewhere.

    Args:
        paths: a file, a folder (its table files in sorted order), a pattern such as "train-*.parquet", or a list of
            files. Rows are numbered through in this order.
        columns: names of the columns to read; None reads all.
        cache_groups: how many groups to keep in memory in each process.

    Raises:
        SourceNotFound: there is no such file.
        DecodeError: a file is empty, damaged, or not what its suffix says.
        ConfigError: an unknown suffix, a column that is not there, files with different columns.

    >>> TableSource("train.parquet", columns=["text", "label"])[0]  # doctest: +SKIP
    {'text': 'hello', 'label': np.int64(3)}
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        columns: Sequence[str] | None = None,
        cache_groups: int = 4,
    ) -> None:
        if cache_groups < 1:
            raise ConfigError(f"cache_groups={cache_groups} must be 1 or more")
        self._paths = _find(paths)
        self._columns = None if columns is None else list(columns)
        self._cache_groups = cache_groups
        self._files: list[Groups] = [open_groups(path) for path in self._paths]
        self._number_rows()
        self._check_columns()

    def _number_rows(self) -> None:
        rows = [(file, group, n) for file, opened in enumerate(self._files) for group, n in enumerate(opened.rows)]
        self._groups = [(file, group) for file, group, _ in rows]
        self._ends = np.cumsum([n for *_, n in rows], dtype=np.int64)
        self._cache: OrderedDict[int, Any] = OrderedDict()
        self._validated: set[int] = set()
        # Threads that miss the same group wait for one of them to read it, instead of each reading it.
        self._lock = threading.Lock()

    def _check_columns(self) -> None:
        names = self._files[0].schema.names
        for path, file in zip(self._paths, self._files, strict=True):
            if file.schema.names != names:
                raise ConfigError(
                    f"{str(path)!r} has the columns {file.schema.names}, {str(self._paths[0])!r} has {names}: files of "
                    "one source need the same columns in the same order"
                )
        missing = [name for name in self._columns or [] if name not in names]
        if missing:
            raise ConfigError(f"{str(self._paths[0])!r} has no column {missing[0]!r}: its columns are {names}")

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return one sample per index; each row group among them is visited once."""
        wanted = np.asarray(indices, np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"indices {wanted.min()}..{wanted.max()} reach outside of {self!r}")
        groups = np.searchsorted(self._ends, wanted, side="right")
        samples: list[dict[str, Any]] = [{}] * len(wanted)
        for group in np.unique(groups):
            places = np.flatnonzero(groups == group)
            first = self._ends[group - 1] if group else 0
            rows = self._read(int(group)).take(wanted[places] - first)
            columns = {name: self._column(int(group), name, rows) for name in rows.column_names}
            for row, place in enumerate(places):
                samples[place] = {name: values[row] for name, values in columns.items()}
        return samples

    def _column(self, number: int, name: str, rows: Any) -> Any:
        import pyarrow as pa

        try:
            return _values(rows.column(name))
        except (pa.ArrowException, ValueError, OverflowError) as error:  # such as a date of the year 0
            file, group = self._groups[number]
            where = f"column {name!r} in row group {group} of {str(self._paths[file])!r}"
            raise DecodeError(f"{where} has values that Python has none for: {error}") from None

    def _read(self, number: int) -> Any:
        import pyarrow as pa

        with self._lock:
            if number not in self._cache:
                file, group = self._groups[number]
                try:
                    table = self._files[file].read(group, self._columns)
                    if number not in self._validated:
                        # What is damaged in a way that only shows here would crash the interpreter later.
                        table.validate(full=True)
                        self._validated.add(number)
                except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                    path = str(self._paths[file])
                    raise DecodeError(f"row group {group} of {path!r} cannot be read: {error}") from None
                while len(self._cache) >= self._cache_groups:
                    self._cache.popitem(last=False)
                self._cache[number] = table
            self._cache.move_to_end(number)
            return self._cache[number]

    def describe(self, index: int) -> str:
        """Return file and row, for messages."""
        group = int(np.searchsorted(self._ends, index, side="right"))
        file = self._groups[group][0]
        first = next(i for i, (owner, _) in enumerate(self._groups) if owner == file)
        return f"row {index - (int(self._ends[first - 1]) if first else 0)} of {self._paths[file]}"

    def fingerprint(self) -> str:
        """Return a digest of the file names, row counts and columns; the folder may differ between machines."""
        state = hashlib.blake2b(digest_size=8)
        for path, file in zip(self._paths, self._files, strict=True):
            state.update(f"{path.name}{file.rows}{file.schema.names}{self._columns}".encode())
        return f"TableSource[{len(self)}]:{state.hexdigest()}"

    def __getstate__(self) -> dict[str, Any]:
        # Where the groups are travels to a worker, so that it need not look again; what is in them does not.
        return {name: self.__dict__[name] for name in ("_paths", "_columns", "_cache_groups", "_files")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._number_rows()

    def __repr__(self) -> str:
        more = f" and {len(self._paths) - 1} more" if len(self._paths) > 1 else ""
        return f"TableSource({str(self._paths[0])!r}{more}: {len(self)} rows)"


def _find(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(paths, str | os.PathLike):
        found = [path for entry in paths for path in _find(entry)]
        if not found:
            raise SourceNotFound("the list of table files is empty")
        return found
    path = Path(paths)
    if path.is_dir():
        found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
        if not found:
            raise SourceNotFound(f"folder {str(path)!r} has no file that ends in one of {', '.join(SUFFIXES)}")
        return found
    if path.is_file():
        return [path]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    if not found:
        raise SourceNotFound(f"there is no table file {str(path)!r} (looked from {str(Path.cwd())!r})")
    return found


def _values(column: Any) -> Any:
    """Return the values of a column, one per row."""
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if (numeric and column.null_count == 0) or types.is_floating(kind):
        return column.to_numpy()
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = kind.value_type
        if types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner):
            return [row.values.to_numpy(zero_copy_only=False) if row.is_valid else None for row in column]
    return column.to_pylist()
