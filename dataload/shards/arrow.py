"""As much of Arrow's file format as an index needs, to map its columns.

Arrow's own reader believes what a file says, and one that is damaged can end the process. Here nothing is read outside
of the file, and no memory is taken for what it claims to hold. Names in brackets are those of Arrow's Message.fbs.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = b"ARROW1"
_BEGIN = 8
_CONTINUED = 0xFFFFFFFF
_SCHEMA, _RECORD_BATCH = 1, 3
_INT, _LARGE_BINARY = 2, 19
_BITS = {32: "int32", 64: "int64"}


class Broken(ValueError):
    """A file that is none of these, or damaged; the message says what is wrong."""


class File(NamedTuple):
    """A file of one record batch.

    Attributes:
        metadata: of the schema.
        names: of the columns.
        types: of the columns: "int32", "int64", "large_binary", or "" for any other.
        rows: as many as it says that there are.
        buffers: of all columns in turn, such as validity and values; each (bytes,) uint8.
    """

    metadata: dict[bytes, bytes]
    names: list[str]
    types: list[str]
    rows: int
    buffers: list[NDArray[np.uint8]]


class _Table(NamedTuple):
    """A table of a flatbuffer: fields that are found by number, through a list of where they stand."""

    data: bytes
    at: int

    def place(self, field: int) -> int:
        """Return where a field stands, 0 where it is left out."""
        (back,) = struct.unpack_from("<i", self.data, self.at)
        places = self.at - back
        (size,) = struct.unpack_from("<H", self.data, places)
        if 4 + 2 * field >= size:
            return 0
        (offset,) = struct.unpack_from("<H", self.data, places + 4 + 2 * field)
        return self.at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        place = self.place(field)
        return int(struct.unpack_from(form, self.data, place)[0]) if place else 0

    def table(self, field: int) -> _Table:
        return self._follow(self.place(field))

    def vector(self, field: int, size: int) -> range:
        """Return where the elements of a vector stand."""
        place = self.place(field)
        if not place:
            return range(0)
        start = self._follow(place).at
        (count,) = struct.unpack_from("<I", self.data, start)
        if start + 4 + count * size > len(self.data):
            raise Broken("a list in it is longer than itself")
        return range(start + 4, start + 4 + count * size, size)

    def tables(self, field: int) -> list[_Table]:
        return [self._follow(place) for place in self.vector(field, 4)]

    def text(self, field: int) -> bytes:
        place = self.vector(field, 1)
        return self.data[place.start : place.stop]

    def _follow(self, place: int) -> _Table:
        (offset,) = struct.unpack_from("<I", self.data, place)
        return _Table(self.data, place + offset)


def parse(data: NDArray[np.uint8]) -> File:
    """Return what is in a file, on its memory.

    Args:
        data: (bytes,) the file.

    Raises:
        Broken: it is no such file, or damaged.
    """
    if data[: len(MAGIC)].tobytes() != MAGIC:
        raise Broken("it is no Arrow file")
    if len(data) < _BEGIN + 2 * len(MAGIC) or data[-len(MAGIC) :].tobytes() != MAGIC:
        raise Broken("it is cut off")
    try:
        kind, schema, _, after = _message(data, _BEGIN)
        if kind != _SCHEMA or schema.number(0, "<h"):  # [endianness]
            raise Broken("it has no schema that can be read")
        metadata = {pair.text(0): pair.text(1) for pair in schema.tables(2)}  # [custom_metadata]
        fields = schema.tables(1)  # [fields]
        names, types = [field.text(0).decode() for field in fields], [_type(field) for field in fields]
        kind, batch, body, _ = _message(data, after)
        if kind != _RECORD_BATCH:
            raise Broken("it has no record batch")
        if batch.place(3):  # [compression]
            raise Broken("its columns are compressed, and they are to be mapped")
        buffers = []
        for place in batch.vector(2, 16):  # [buffers]
            start, size = struct.unpack_from("<qq", batch.data, place)
            if min(start, size) < 0 or start + size > len(body):
                raise Broken("a column of it lies outside of it")
            buffers.append(body[start : start + size])
        return File(metadata, names, types, batch.number(0, "<q"), buffers)  # [length]
    except struct.error as error:
        raise Broken(f"a message of it is damaged: {error}") from None


def _message(data: NDArray[np.uint8], start: int) -> tuple[int, _Table, NDArray[np.uint8], int]:
    """Return kind, header and body of the message at a place, and where the next begins."""
    mark, size = struct.unpack("<II", data[start : start + 8].tobytes())
    begin = start + 8 + size
    if mark != _CONTINUED or begin > len(data):
        raise Broken("a message of it is damaged, or it is cut off")
    described = data[start + 8 : begin].tobytes()
    message = _Table(described, struct.unpack_from("<I", described)[0])
    length = message.number(3, "<q")  # [bodyLength]
    if not 0 <= length <= len(data) - begin:
        raise Broken("it is cut off")
    return message.number(1, "<B"), message.table(2), data[begin : begin + length], begin + length  # [header]


def _type(field: _Table) -> str:
    kind = field.number(2, "<B")  # [type_type]
    if field.place(4):  # [dictionary]
        return ""
    if kind == _LARGE_BINARY:
        return "large_binary"
    number = field.table(3) if kind == _INT else None  # [type]
    return _BITS.get(number.number(0, "<i"), "") if number is not None and number.number(1, "<B") else ""
