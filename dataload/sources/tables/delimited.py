"""CSV and TSV files as blocks of whole rows.

The file is read through once, when it is opened, to find the blocks, how many rows each has, and what its columns are.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataload.errors import ConfigError, DecodeError
from dataload.sources.tables.arrow_rows import ArrowRows
from dataload.sources.tables.options import AS_WRITTEN, Options
from dataload.sources.tables.streams import open_stream
from dataload.sources.tables.text_types import TEXT, Known, known_of
from dataload.storage.paths import RemotePath

_AHEAD = 64 << 10
_MAX_ROW = 1 << 30  # pyarrow counts the bytes of a block in 32 bits.
_BOM = b"\xef\xbb\xbf"


class DelimitedGroups:
    """The rows of a file of delimited text with a header line, some megabytes at a time.

    Args:
        path: the file.
        options: how it is written.
        delimiter: what its suffix stands for.
        block_bytes: how long a block is at least, except for the last one.
        known: what is known of columns by their names from other files; what this one tells is added.

    Raises:
        DecodeError: it cannot be parsed, a value is not of the type that was named for it, or it has no rows.
        ConfigError: it has a column twice.
    """

    def __init__(
        self, path: Path | RemotePath, options: Options, delimiter: str, block_bytes: int, known: dict[str, Known]
    ) -> None:
        self._path = path
        self._stream = open_stream(path, options.encoding)
        self._dialect = options.dialect(delimiter)
        self._nulls = options.null_words
        self._text_nulls = options.nulls is not None
        self._blocks: list[tuple[int, int]] = []
        self.rows: list[int] = []
        start = self._read_header()
        self.wanted = wanted = options.wanted(path, self.names)
        self.types: dict[str, Any] = {name: options.types[name] for name in wanted if name in options.types}
        if as_written := [name for name, kind in self.types.items() if kind == AS_WRITTEN]:
            raise ConfigError(f"types={{{as_written[0]!r}: 'json'}} is for JSON files, {str(path)!r} is none")
        for begin, block in self._cut(start, block_bytes):
            self._add(begin, block, known)
        if not self._blocks:
            raise DecodeError(f"{str(path)!r} has no rows")

    def _read_header(self) -> int:
        """Find the names of the columns; return where the first row begins."""
        start = len(_BOM) if self._stream.read(0, len(_BOM)) == _BOM else 0
        while (data := self._stream.read(start, _AHEAD)) and not data.strip(b"\r\n"):
            start += len(data)
        start += len(data) - len(data.lstrip(b"\r\n"))
        end, header = self._row_end(start, 0)
        try:
            self.names = self._dialect.split(header[:end].decode().rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise DecodeError(f"the header of {str(self._path)!r} is not UTF-8 ({error}): {_ENCODING}") from None
        return start + end

    def _row_end(self, start: int, at_least: int) -> tuple[int, bytes]:
        """Return the length of whole rows from `start` that end at `at_least` or behind, and at least their bytes."""
        ahead = _AHEAD
        while True:
            data = self._stream.read(start, at_least + ahead)
            last = len(data) < at_least + ahead
            end = self._dialect.row_end(data, at_least, last=last)
            if end is not None:
                return end, data
            if last or len(data) > _MAX_ROW:
                break
            ahead *= 4
        quote = self._dialect.open_quote(data)
        if quote is not None:
            raise DecodeError(
                f"{str(self._path)!r} cannot be parsed near byte {start + quote}: a quoted value begins there and "
                "never ends. Where quotes are part of the text, read it with quote=None"
            )
        if not last:
            raise DecodeError(f"{str(self._path)!r} cannot be parsed near byte {start}: a row of {len(data)} bytes")
        return len(data), data

    def _cut(self, start: int, block_bytes: int) -> Iterator[tuple[int, bytes]]:
        """Yield (start, bytes) of consecutive blocks of whole rows that hold something."""
        while True:
            end, data = self._row_end(start, block_bytes)
            if not data:
                return
            if data[:end].strip(b"\r\n"):
                yield start, data[:end]
            start += end

    def _add(self, start: int, block: bytes, known: dict[str, Known]) -> None:
        import pyarrow as pa

        types = {name: self.types.get(name, pa.string()) for name in self.wanted}
        table = self._parse(start, block, types, first_row=sum(self.rows), scan=True)
        self._blocks.append((start, len(block)))
        self.rows.append(table.num_rows)
        for name in self.wanted:
            before = known.get(name, Known())
            if name not in self.types and before != TEXT:
                known[name] = before | known_of(table.column(name).combine_chunks(), self._nulls)

    def _parse(self, start: int, block: bytes, types: dict[str, Any], *, first_row: int, scan: bool = False) -> Any:
        import pyarrow as pa
        from pyarrow import csv

        # Columns are given numbers for names: those of columns that nobody asked for may stand there twice.
        numbers = {name: str(self.names.index(name)) for name in types}
        nulls = self._text_nulls and not scan
        try:
            table = csv.read_csv(
                io.BytesIO(block),
                read_options=csv.ReadOptions(
                    use_threads=False,
                    block_size=max(len(block), 1),
                    column_names=[str(number) for number in range(len(self.names))],
                ),
                parse_options=csv.ParseOptions(
                    delimiter=self._dialect.delimiter,
                    quote_char=self._dialect.quote or False,
                    escape_char=self._dialect.escape or False,
                    newlines_in_values=True,
                ),
                convert_options=csv.ConvertOptions(
                    column_types={numbers[name]: kind for name, kind in types.items()},
                    include_columns=list(numbers.values()),
                    null_values=self._nulls,
                    strings_can_be_null=nulls,
                ),
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError) as error:
            raise DecodeError(self._explain(str(error), start, first_row)) from None
        return table.rename_columns(list(types))

    def _explain(self, message: str, start: int, first_row: int) -> str:
        """Return an error of pyarrow with names and numbers that hold for the file."""
        where = f"{str(self._path)!r} cannot be parsed near byte {start}"
        row = re.search(r"Row #(\d+): ", message)
        if row is not None:
            where += f", row {first_row + int(row[1]) - 1}"
            message = message.replace(row[0], "", 1)
        column = re.search(r"In CSV column #(\d+): ", message)
        if column is not None:
            where += f", column {self.names[int(column[1])]!r}"
            message = message.replace(column[0], "", 1)
        hint = f": {_ENCODING}" if "invalid UTF8" in message else ""
        return f"{where}: {message}{hint}"

    def read(self, group: int) -> ArrowRows:
        """Return the rows of one block."""
        start, length = self._blocks[group]
        types = {name: self.types[name] for name in self.wanted}
        return ArrowRows(self._parse(start, self._stream.read(start, length), types, first_row=sum(self.rows[:group])))


_ENCODING = "name the encoding of the file, such as encoding='latin-1'"
