"""JSON files as blocks of whole rows, which stay text until they are asked for.

Apart from tables of Arrow because rows of JSON have no columns: each has the keys that stand there.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import DecodeError
from dataload.sources.tables.arrow_rows import ColumnError, cast
from dataload.sources.tables.json_kinds import Kind, Kinds, as_written
from dataload.sources.tables.json_text import BadRow, lines, objects, parse_row, parse_rows
from dataload.sources.tables.options import AS_WRITTEN, Options
from dataload.sources.tables.streams import open_stream
from dataload.sources.tables.values import column_values, is_list
from dataload.storage.paths import RemotePath

_AHEAD = 64 << 10
_MAX_ROW = 1 << 30
_BOM = b"\xef\xbb\xbf"


class JsonRows:
    """Rows as text, parsed when they are asked for.

    Args:
        texts: one JSON object each.
        columns: which keys a sample has; None for those that stand there.
        converters: by key, what makes the value of a sample.
        types: by key, a pyarrow type that the values are turned into.
    """

    def __init__(
        self,
        texts: list[str],
        columns: Sequence[str] | None,
        converters: dict[str, Callable[[Any], Any]],
        types: dict[str, Any],
    ) -> None:
        self._texts = texts
        self._columns = columns
        self._converters = converters
        self._types = types

    def samples(self, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return one sample for each of some rows.

        Raises:
            ColumnError: a value has no equal of the type that was named for its column.
        """
        samples = [parse_row(self._texts[row]) for row in rows.tolist()]
        if self._columns is not None:
            samples = [{name: sample.get(name) for name in self._columns} for sample in samples]
        for sample in samples:
            for name, value in sample.items():
                if name not in self._types:
                    sample[name] = self._converters.get(name, as_written)(value)
        for name, kind in self._types.items():
            holders = [(row, sample) for row, sample in zip(rows.tolist(), samples, strict=True) if name in sample]
            values = _typed([sample[name] for _, sample in holders], kind, name, [row for row, _ in holders])
            for (_, sample), value in zip(holders, values, strict=True):
                sample[name] = value
        return samples


def _typed(values: list[Any], kind: Any, name: str, rows: list[int]) -> Sequence[Any]:
    """Return values as those of a pyarrow type."""
    import pyarrow as pa

    if not values:
        return []
    try:
        if len(set(map(type, values)) - {type(None)}) > 1:
            raise pa.ArrowInvalid("values of several types")
        # By way of the type that the values have themselves: what is made of them as `kind` at once may be rounded.
        array = pa.array(values, kind if _has_fields(kind) else None)
        return column_values(cast(pa.chunked_array([array]), kind, name))
    except (ColumnError, pa.ArrowException, ValueError, OverflowError) as error:
        if len(values) > 1:
            return [_typed([value], kind, name, [row])[0] for value, row in zip(values, rows, strict=True)]
        why = error.why if isinstance(error, ColumnError) else f"cannot be read as {kind}: {error}"
        raise ColumnError(name, rows[0], why) from None


def _has_fields(kind: Any) -> bool:
    from pyarrow import types

    while is_list(kind):
        kind = kind.value_type
    return bool(types.is_struct(kind) or types.is_map(kind))


class JsonGroups:
    """The rows of a JSON file, some megabytes at a time.

    Rows are objects: one per line, one behind the other over any lines, or the elements of one array.

    Args:
        path: the file.
        options: which columns are read, and as what.
        block_bytes: how long a block is at least, except for the last one.
        known: what is known of columns by their names from other files; what this one tells is added.

    Raises:
        DecodeError: a row cannot be read or is no object, or there is none.
    """

    def __init__(self, path: Path | RemotePath, options: Options, block_bytes: int, known: Kinds) -> None:
        self._path = path
        self._stream = open_stream(path, options.encoding)
        self._columns = None if options.columns is None else list(options.columns)
        self._blocks: list[tuple[int, int]] = []
        self.rows: list[int] = []
        self.first_rows: dict[tuple[str, type], int] = {}
        self.types: dict[str, Any] = dict(options.types)
        self.kinds = known
        names: dict[str, None] = {}
        self._in_lines, self._in_array = True, False
        for start, block, texts in self._cut(block_bytes):
            rows = self._parse(texts)
            self._blocks.append((start, len(block)))
            self._add(rows, names)
            self.rows.append(len(rows))
        self.names = list(names)
        self.wanted = [name for name in self.names if self._columns is None or name in self._columns]
        if not self._blocks:
            raise DecodeError(f"{str(path)!r} has no rows")

    def _cut(self, block_bytes: int) -> Iterator[tuple[int, bytes, list[str]]]:
        """Yield (start, bytes, rows) of consecutive blocks that hold something."""
        start = len(_BOM) if self._stream.read(0, len(_BOM)) == _BOM else 0
        self._in_lines = self._has_a_row_per_line(start)
        length = block_bytes
        while data := self._stream.read(start, length + _AHEAD):
            last = len(data) < length + _AHEAD
            end = data.find(b"\n", min(block_bytes, len(data))) + 1 if self._in_lines else 0
            if last and not end:
                end = len(data)
            texts: list[str] = []
            if not self._in_lines:
                text = self._decode(start, data, last)
                texts, place = objects(text)
                end = len(text[:place].encode())
                left = text[place:].strip()
                if last and (left or (self._in_array and not text.rstrip().endswith("]"))):
                    texts.append(left)
                    end = len(data)
            elif end:
                texts = lines(self._decode(start, data[:end], True))
            if not end:
                if len(data) > _MAX_ROW:
                    raise DecodeError(f"{str(self._path)!r} has a row of {len(data)} bytes at byte {start}")
                length *= 2
                continue
            if texts:
                yield start, data[:end], texts
            start, length = start + end, block_bytes

    def _has_a_row_per_line(self, start: int) -> bool:
        ahead = _AHEAD
        while True:
            data = self._stream.read(start, ahead)
            begun = data.lstrip()
            if begun[:1] == b"[":
                self._in_array = True
                return False
            line, end, _ = begun.partition(b"\n")
            if end or len(data) < ahead or ahead > _MAX_ROW:
                break
            ahead *= 4
        try:
            parse_row(line.decode("utf-8", "replace"))
        except BadRow:
            # The first line alone is no row, but some lines together may be one.
            return not objects(data.decode("utf-8", "replace"))[0]
        return True

    def _decode(self, start: int, block: bytes, whole: bool) -> str:
        try:
            # A character may be cut in two at the end of what was read.
            return codecs.getincrementaldecoder("utf-8")().decode(block, whole)
        except UnicodeDecodeError as error:
            row = sum(self.rows) + block[: error.start].count(b"\n")
            raise DecodeError(
                f"row {row} of {str(self._path)!r} is not UTF-8 at byte {start + error.start}: name the encoding of "
                "the file, such as encoding='latin-1'"
            ) from None

    def _parse(self, texts: list[str]) -> list[dict[str, Any]]:
        try:
            return parse_rows(texts)
        except BadRow as error:
            row = sum(self.rows) + error.row
            raise DecodeError(f"row {row} of {str(self._path)!r} cannot be read: {error}") from None

    def _add(self, rows: list[dict[str, Any]], names: dict[str, None]) -> None:
        """Take the rows of the next block into account."""
        values: dict[str, list[Any]] = {}
        places: dict[str, Sequence[int]] = {}  # in which row each value stands
        keys = rows[0].keys()
        if all(row.keys() == keys for row in rows):
            values = {name: [row[name] for row in rows] for name in keys}
            places = dict.fromkeys(keys, range(len(rows)))
        else:
            holders: dict[str, list[int]] = {}
            for place, row in enumerate(rows):
                for name, value in row.items():
                    values.setdefault(name, []).append(value)
                    holders.setdefault(name, []).append(place)
            places.update(holders)
        names.update(dict.fromkeys(values))
        for name, column in values.items():
            if name in self.types or (self._columns is not None and name not in self._columns):
                continue
            kind = self.kinds.setdefault(name, Kind())
            before = set(kind.types)
            kind.add(column)
            for new in kind.types - before:
                place = next(place for place, value in zip(places[name], column, strict=True) if type(value) is new)
                self.first_rows[name, new] = sum(self.rows) + place

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "first_rows": {}}  # Only said while the source is made.

    def read(self, group: int) -> JsonRows:
        """Return the rows of one block."""
        start, length = self._blocks[group]
        text = self._stream.read(start, length).decode()
        texts = lines(text) if self._in_lines else objects(text)[0]
        types = {name: kind for name, kind in self.types.items() if kind != AS_WRITTEN}
        return JsonRows(texts, self._columns, self.kinds.converters, types)
