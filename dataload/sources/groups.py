"""Table files as groups of rows that can be read one by one.

Parquet has row groups and Arrow files have record batches; CSV and JSONL have nothing, so they are cut at line ends
when they are opened, which reads such a file through once. After that each format answers the same two questions: how
many rows has each group, and what is in group g.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from dataload.errors import ConfigError, DecodeError

# Big enough that parsing dominates the read, small enough that a few of them in memory do not matter.
_BLOCK_BYTES = 4 << 20


class Groups(Protocol):
    """One open table file."""

    schema: Any
    rows: list[int]

    def read(self, group: int, columns: list[str] | None) -> Any:
        """Return the rows of one group as a pyarrow.Table."""
        ...


class ParquetGroups:
    """The row groups of a Parquet file."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as parquet

        self._path = path
        with parquet.ParquetFile(path) as file:
            self.schema = file.schema_arrow
            self.rows = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]

    def read(self, group: int, columns: list[str] | None) -> Any:
        """Return the rows of one row group."""
        import pyarrow.parquet as parquet

        # Opened anew each time: a handle that stayed open would have to be shared between threads, and the footer is
        # small beside a row group.
        with parquet.ParquetFile(self._path) as file:
            return file.read_row_group(group, columns=columns, use_threads=False)


class ArrowGroups:
    """The record batches of an Arrow IPC file or stream, memory mapped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map()

    def _map(self) -> None:
        import pyarrow as pa

        with pa.memory_map(str(self._path)) as file:
            try:
                reader = pa.ipc.open_file(file)
                batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
            except pa.ArrowInvalid:
                file.seek(0)
                reader = pa.ipc.open_stream(file)
                batches = list(reader)
            self.schema = reader.schema
        # The batches are views of the map: pages are read when rows are.
        self._batches = batches
        self.rows = [batch.num_rows for batch in batches]

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path}  # Pickled batches would be copies of the file.

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()

    def read(self, group: int, columns: list[str] | None) -> Any:
        """Return the rows of one record batch, as views of the memory map."""
        import pyarrow as pa

        table = pa.Table.from_batches([self._batches[group]], self.schema)
        return table if columns is None else table.select(columns)


class LineGroups:
    """Blocks of whole lines of a CSV, TSV or JSONL file.

    The file is read through once to find the blocks, their row counts, and column types that hold for all of them.

    Args:
        path: the file.
        parse: (bytes of whole lines, schema or None) -> pyarrow.Table.
        header_lines: how many lines at the start belong in front of every block.
    """

    def __init__(self, path: Path, parse: Callable[[bytes, Any], Any], header_lines: int) -> None:
        import pyarrow as pa

        self._path = path
        self._parse = parse
        self._blocks: list[tuple[int, int]] = []
        self.rows = []
        schemas = []
        with path.open("rb") as file:
            self._header = b"".join(file.readline() for _ in range(header_lines))
            for start, block in _whole_lines(file):
                table = self._parse_at(start, block, None)
                self._blocks.append((start, len(block)))
                self.rows.append(table.num_rows)
                schemas.append(table.schema)
        if not schemas:
            raise DecodeError(f"{str(path)!r} has no rows")
        try:
            self.schema = pa.unify_schemas(schemas, promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DecodeError(f"columns of {str(path)!r} change their type along the file: {error}") from None

    def _parse_at(self, start: int, block: bytes, schema: Any) -> Any:
        import pyarrow as pa

        try:
            return self._parse(self._header + block, schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DecodeError(f"{str(self._path)!r} cannot be parsed near byte {start}: {error}") from None

    def read(self, group: int, columns: list[str] | None) -> Any:
        """Return the rows of one block."""
        start, length = self._blocks[group]
        with self._path.open("rb") as file:
            file.seek(start)
            table = self._parse_at(start, file.read(length), self.schema)
        return table if columns is None else table.select(columns)


def _whole_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (start, bytes) of consecutive blocks of whole lines that hold something."""
    while True:
        start = file.tell()
        block = file.read(_BLOCK_BYTES)
        if not block:
            return
        block += file.readline()
        if block.strip():
            yield start, block


@dataclass(frozen=True)
class _ParseCsv:
    """Parser of delimited text with a header line."""

    delimiter: str

    def __call__(self, data: bytes, schema: Any) -> Any:
        from pyarrow import csv

        types = None if schema is None else dict(zip(schema.names, schema.types, strict=True))
        return csv.read_csv(
            io.BytesIO(data),
            read_options=csv.ReadOptions(use_threads=False, block_size=max(len(data), 1)),
            parse_options=csv.ParseOptions(delimiter=self.delimiter),
            convert_options=csv.ConvertOptions(column_types=types),
        )


def _parse_json(data: bytes, schema: Any) -> Any:
    from pyarrow import json

    table = json.read_json(
        io.BytesIO(data),
        read_options=json.ReadOptions(use_threads=False, block_size=max(len(data), 1)),
        parse_options=json.ParseOptions(explicit_schema=schema),
    )
    return table if schema is None else table.select(schema.names)


_FORMATS: dict[str, Callable[[Path], Groups]] = {
    ".parquet": ParquetGroups,
    ".pq": ParquetGroups,
    ".arrow": ArrowGroups,
    ".feather": ArrowGroups,
    ".ipc": ArrowGroups,
    ".csv": lambda path: LineGroups(path, _ParseCsv(","), 1),
    ".tsv": lambda path: LineGroups(path, _ParseCsv("\t"), 1),
    ".jsonl": lambda path: LineGroups(path, _parse_json, 0),
    ".ndjson": lambda path: LineGroups(path, _parse_json, 0),
}
SUFFIXES = tuple(_FORMATS)


def open_groups(path: Path) -> Groups:
    """Open a table file by its suffix.

    Raises:
        ConfigError: the suffix is none of those known.
        DecodeError: the file is empty, damaged, or not what its suffix says.
    """
    import pyarrow as pa

    opener = _FORMATS.get(path.suffix.lower())
    if opener is None:
        raise ConfigError(f"{str(path)!r} is no table file: its name must end in one of {', '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise DecodeError(f"{str(path)!r} is empty (0 bytes)")
    try:
        opened = opener(path)
        # Names are decoded when they are first asked for: here, where an error is said with the name of the file.
        opened.schema.names  # noqa: B018
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise DecodeError(f"{str(path)!r} cannot be read as {path.suffix}: {error}") from None
    return opened
