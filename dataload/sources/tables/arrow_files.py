"""Parquet and Arrow IPC files, which come in groups of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dataload.errors import ConfigError
from dataload.sources.tables.arrow_rows import ArrowRows, ColumnError
from dataload.sources.tables.arrow_types import example, plain_type
from dataload.sources.tables.options import AS_WRITTEN, Options
from dataload.storage.files import ObjectFile
from dataload.storage.paths import RemotePath


class _ArrowGroups:
    """What Parquet and Arrow files have in common: a schema of their own."""

    _path: Path | RemotePath
    rows: list[int]

    def _set_schema(self, schema: Any, options: Options) -> None:
        """Find out which columns are read, and as what.

        Raises:
            ConfigError: a column is there twice, or of a type that has no values.
        """
        import pyarrow as pa

        self.names: list[str] = schema.names
        self.wanted = options.wanted(self._path, self.names)
        self._validated: set[int] = set()
        self.types: dict[str, Any] = {}
        for name in self.wanted:
            where = f"column {name!r} of {str(self._path)!r}"
            if options.types.get(name) == AS_WRITTEN:
                raise ConfigError(f"types={{{name!r}: 'json'}} is for JSON files: {where} is {schema.field(name).type}")
            kind = schema.field(name).type
            try:
                self.types[name] = options.types.get(name, plain_type(kind))
                column = example(kind)
                if column is not None:
                    rows = ArrowRows(pa.table([column], [name])).typed(self.types)
                    rows.samples(np.zeros(1, np.int64))
            except (pa.ArrowException, ValueError, ColumnError) as error:
                why = error.why if isinstance(error, ColumnError) else error
                raise ConfigError(f"{where} is {kind}, which cannot be read ({why}): {_MEND}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_validated": set()}

    def _rows(self, group: int, table: Any) -> ArrowRows:
        if table.column_names != self.wanted:
            table = table.select(self.wanted)
        rows = ArrowRows(table)
        if group not in self._validated:
            # What is damaged in a way that only shows here would crash the interpreter later.
            rows.validate()
            self._validated.add(group)
        return rows.typed(self.types)


class ParquetGroups(_ArrowGroups):
    """The row groups of a Parquet file."""

    def __init__(self, path: Path | RemotePath, options: Options) -> None:
        import pyarrow.parquet as parquet

        self._path = path
        self._metadata: Any = None
        with parquet.ParquetFile(_readable(path)) as file:
            if not isinstance(path, Path):
                # Not small beside what else is asked of a store: one request for each row group.
                self._metadata = file.metadata
            self.rows = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
            self._set_schema(file.schema_arrow, options)

    def read(self, group: int) -> ArrowRows:
        """Return the rows of one row group."""
        import pyarrow.parquet as parquet

        # Opened anew each time: a handle that stayed open would have to be shared between threads, and the footer is
        # small beside a row group.
        columns = None if len(self.wanted) == len(self.names) else self.wanted
        remote = self._metadata is not None
        with parquet.ParquetFile(_readable(self._path), metadata=self._metadata, pre_buffer=remote) as file:
            table = file.read_row_group(group, columns=columns, use_threads=False)
        return self._rows(group, table)


class ArrowGroups(_ArrowGroups):
    """The record batches of an Arrow IPC file or stream, memory mapped; of one in a store, in memory."""

    def __init__(self, path: Path | RemotePath, options: Options) -> None:
        self._path = path
        self._map()
        self._set_schema(self._schema, options)

    def _map(self) -> None:
        import pyarrow as pa

        path = self._path
        with pa.memory_map(str(path)) if isinstance(path, Path) else pa.BufferReader(path.url.read()) as file:
            try:
                reader = pa.ipc.open_file(file)
                batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
            except pa.ArrowInvalid:
                file.seek(0)
                reader = pa.ipc.open_stream(file)
                batches = list(reader)
            self._schema = reader.schema
        # The batches are views of the map: pages are read when rows are.
        self._batches = batches
        self.rows = [batch.num_rows for batch in batches]

    def __getstate__(self) -> dict[str, Any]:
        # Pickled batches would be copies of the file.
        left_out = ("_batches", "_schema", "rows")
        return {name: value for name, value in super().__getstate__().items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()

    def read(self, group: int) -> ArrowRows:
        """Return the rows of one record batch, as views of the memory map."""
        import pyarrow as pa

        return self._rows(group, pa.Table.from_batches([self._batches[group]], self._schema))


def _readable(path: Path | RemotePath) -> Any:
    return path if isinstance(path, Path) else ObjectFile(path.url)


_MEND = "rename or convert it, or leave it out with columns="
