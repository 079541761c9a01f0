"""Rows of table files as a source: one sample per row, a dict of column values."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dataload.errors import ConfigError, DecodeError, StorageError
from dataload.samplers.base import IndexArray
from dataload.sources.groups import Groups, Rows, Seen, open_groups
from dataload.sources.tables.arrow_rows import ColumnError
from dataload.sources.tables.find import find_files
from dataload.sources.tables.json_text import BadRow
from dataload.sources.tables.options import make_options
from dataload.sources.tables.parts import part_values, without_parts
from dataload.sources.tables.settle import settle
from dataload.storage.cached import Keeper
from dataload.storage.places import Options


class TableSource:
    """The rows of Parquet, Arrow IPC, CSV, TSV, JSONL or JSON files, read on demand.

    Rows are read a row group at a time (a record batch in Arrow, 4 MB in CSV and JSON), and the groups used last are
    kept, so a file need not fit into memory. Reading in order is cheap, and so is `Loader(shuffle="blocks")`; a random
    order over a file with few, big row groups reads a group for every row that is not in one of those kept.

    A sample is a dict: numbers as numpy numbers of the column's type, text as str, binary as bytes, structs as dicts,
    dates and times as those of `datetime`. A null is NaN in a column of floats and None elsewhere; it does not change
    the type of the other values. Lists of numbers are arrays; lists of such lists are arrays of as many axes where the
    inner lists of a row are of one length, as those of a fixed length always are, and lists of arrays where they are
    not. Any other list is a list, of which a batch holds one per sample.

    A column has one type in all files. In CSV it is that of numbers only where no value would be changed by it: digits
    with leading zeros, beyond 64 bits, or beyond 53 bits beside fractions are text, and so are dates. In JSON a row has
    the keys that stand there, unless `columns` names others, which then are null; numbers are as in CSV, and objects
    whose keys differ, lists of several things and whole numbers beyond 64 bits are left as they are written.

    Args:
        paths: a file, a folder (the table files in it and in the folders in it, in sorted order, without hidden ones;
            folders such as year=2021 give a column), a pattern such as "train-*.parquet", or a list of these. Text
            files may be packed with gzip (.csv.gz). Rows are numbered through in this order. Each may be behind a URL
            (s3://, gs://, az://, http(s)://, and what fsspec knows): of Parquet the row groups are read by ranges, of
            text blocks of 4 MB; Arrow files are read whole.
        columns: names of the columns to read; None reads all.
        cache_groups: how many groups to keep in memory in each process. With `Loader(shuffle="blocks")` it is at least
            as many as are mixed.
        types: types of columns, as a pyarrow.Schema, or a dict of names and pyarrow types, numpy types, or names of
            types such as "int64", "float32", "string", "bool", "timestamp[us]"; others follow from the files. "json"
            leaves the values of a JSON column as they are written, of several types or not.
        delimiter: what stands between the values of delimited text; None is a tab in .tsv and a comma in .csv.
        quote: what stands around values that hold delimiters or line ends, doubled where it is meant itself; None
            where quotes are part of the text.
        escape: what stands in front of a character that is meant itself; None for nothing.
        encoding: of text files.
        nulls: what stands for a null in delimited text; None is the empty value, "NA", "NaN", "null" and the like, and
            among numbers only.
        storage_options: how a store is reached: see `FileSource`.
        cache: a folder where bytes that were read from a store are kept: see `FileSource`.
        cache_bytes: that it may take, such as "100GB".

    Raises:
        SourceNotFound: there is no such file.
        StorageError: a store cannot be asked, cannot list, or has another object there now.
        DecodeError: a file is empty, damaged, or not what its suffix says; a value is not of the type of its column.
        ConfigError: an unknown suffix, a column that is not there or there twice, files with different columns, or
            with types that have none in common; a cache that cannot be one.

    >>> TableSource("train.parquet", columns=["text", "label"])[0]  # doctest: +SKIP
    {'text': 'hello', 'label': np.int64(3)}
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        columns: Sequence[str] | None = None,
        cache_groups: int = 4,
        types: Any = None,
        delimiter: str | None = None,
        quote: str | None = '"',
        escape: str | None = None,
        encoding: str = "utf-8",
        nulls: Sequence[str] | None = None,
        storage_options: Options | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int | str | None = None,
    ) -> None:
        if cache_groups < 1:
            raise ConfigError(f"cache_groups={cache_groups} must be 1 or more")
        self._options = make_options(columns, types, delimiter, quote, escape, encoding, nulls)
        self._cache_groups = cache_groups
        keeper = Keeper(cache, cache_bytes)
        found = [replace(file, path=keeper.path(file.path)) for file in find_files(paths, storage_options)]
        keeper.check(repr(str(found[0].path)))
        self._paths = [file.path for file in found]
        self._parts = part_values(found, self._options)
        options = without_parts(self._options, self._parts)
        seen = Seen()
        self._files: list[Groups] = [open_groups(path, options, seen) for path in self._paths]
        settle(self._paths, self._files, options, seen)
        self._number_rows()

    def _number_rows(self) -> None:
        rows = [(file, group, n) for file, opened in enumerate(self._files) for group, n in enumerate(opened.rows)]
        self._groups = [(file, group) for file, group, _ in rows]
        self._ends = np.cumsum([n for *_, n in rows], dtype=np.int64)
        self._cache: OrderedDict[int, Rows] = OrderedDict()
        # Threads that miss the same group wait for one of them to read it, instead of each reading it.
        self._lock = threading.Lock()

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
        # Groups in memory first: reading one of the others may drop them.
        for group in sorted(np.unique(groups).tolist(), key=lambda group: group not in self._cache):
            places = np.flatnonzero(groups == group)
            for place, sample in zip(places, self._samples(group, wanted[places]), strict=True):
                samples[place] = sample
        return samples

    def _samples(self, number: int, wanted: Any) -> list[dict[str, Any]]:
        """Return samples of one group, by their numbers in the whole source."""
        first = int(self._ends[number - 1]) if number else 0
        try:
            samples = self._read(number).samples(wanted - first)
        except ColumnError as error:
            raise DecodeError(self._explain(number, error)) from None
        except BadRow as error:
            file, group = self._groups[number]
            raise DecodeError(
                f"row group {group} of {str(self._paths[file])!r} is not what it was when the source was made: {error}"
            ) from None
        parts = self._parts[self._groups[number][0]]
        if parts:
            for sample in samples:
                sample.update(parts)
            if self._options.columns is not None:
                samples = [{name: sample[name] for name in self._options.columns} for sample in samples]
        return samples

    def _explain(self, number: int, error: ColumnError) -> str:
        file, group = self._groups[number]
        row = "" if error.row is None else f", row {sum(self._files[file].rows[:group]) + error.row}"
        return f"column {error.column!r} in row group {group} of {str(self._paths[file])!r}{row} {error.why}"

    def _read(self, number: int) -> Rows:
        import pyarrow as pa

        with self._lock:
            if number not in self._cache:
                file, group = self._groups[number]
                try:
                    rows = self._files[file].read(group)
                except StorageError:
                    raise
                except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                    path = str(self._paths[file])
                    raise DecodeError(f"row group {group} of {path!r} cannot be read: {error}") from None
                while len(self._cache) >= self._cache_groups:
                    self._cache.popitem(last=False)
                self._cache[number] = rows
            self._cache.move_to_end(number)
            return self._cache[number]

    def runs(self) -> IndexArray:
        """Return the rows of each group: (groups,) int64."""
        return np.diff(self._ends, prepend=0)

    def keep_runs(self, count: int) -> None:
        """Keep as many groups in memory as this from now on, or more."""
        self._cache_groups = max(self._cache_groups, count)

    def describe(self, index: int) -> str:
        """Return file and row, for messages."""
        group = int(np.searchsorted(self._ends, index, side="right"))
        file = self._groups[group][0]
        first = next(i for i, (owner, _) in enumerate(self._groups) if owner == file)
        return f"row {index - (int(self._ends[first - 1]) if first else 0)} of {self._paths[file]}"

    def fingerprint(self) -> str:
        """Return a digest of file names, row counts, columns and options; the folder may differ between machines."""
        state = hashlib.blake2b(digest_size=8)
        columns = None if self._options.columns is None else list(self._options.columns)
        for path, file, parts in zip(self._paths, self._files, self._parts, strict=True):
            state.update(f"{path.name}{file.rows}{file.names}{columns}{parts or ''}".encode())
        state.update(self._options.described().encode())
        return f"TableSource[{len(self)}]:{state.hexdigest()}"

    def __getstate__(self) -> dict[str, Any]:
        # Where the groups are travels to a worker, so that it need not look again; what is in them does not.
        return {name: self.__dict__[name] for name in ("_paths", "_parts", "_options", "_cache_groups", "_files")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._number_rows()

    def __repr__(self) -> str:
        more = f" and {len(self._paths) - 1} more" if len(self._paths) > 1 else ""
        return f"TableSource({str(self._paths[0])!r}{more}: {len(self)} rows)"
