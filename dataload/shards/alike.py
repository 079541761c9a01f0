"""A batch of TFRecords that are laid out alike, read by numpy for all of them together.

In Python a record takes ten microseconds, whatever is in it; here it takes one, and the copy of its bytes. Records are
alike where their Examples have the same names and types at the same places, and numbers or bytes of the same length in
the wanted features; the others are read one by one, which also says what is wrong with one that is damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataload.memory import Allocator, Bytes
from dataload.samplers.base import IndexArray
from dataload.shards.layouts import BYTES, FLOATS, INT64S, between, walk
from dataload.shards.tfrecord import FOOT, HEAD, crc32c, head_of, masked

# Records of so many lengths are read together: varints of one label have few.
_MAX_LENGTHS = 16
# Longer values are copied one by one: an index for each of their bytes takes longer.
_MAX_GATHERED = 1024


class Column(NamedTuple):
    """A field of the batch.

    Attributes:
        name: of the field.
        feature: that it is read from.
        kind: the numbers that the one value of a bytes list is ("bytes"); the one value of an int64 list ("int") or of
            a float list ("float"); a float list as stored ("floats").
        dtype: of the numbers as stored; of "int" there are varints.
    """

    name: str
    feature: str
    kind: Literal["bytes", "int", "float", "floats"]
    dtype: np.dtype[Any] = np.dtype("<f4")


class _Group(NamedTuple):
    """Records of one length: their rows in the batch, where their data begin, and where the values lie in these."""

    rows: IndexArray
    begins: IndexArray
    spans: dict[str, tuple[int, list[tuple[int, int]]]]


def stacked(
    data: bytes, starts: IndexArray, sizes: IndexArray, columns: Sequence[Column], alloc: Allocator
) -> dict[str, NDArray[Any]] | None:
    """Return the batch of some records, None where they are not alike, or not as they should be.

    Args:
        data: in which they lie.
        starts: where each begins, with its frame.
        sizes: of each, with its frame.
        columns: the fields of the batch.
        alloc: where it is written.

    Raises:
        MissingExtra: google-crc32c is not installed.
    """
    base = np.frombuffer(data, np.uint8)
    groups = _groups(data, base, starts, sizes)
    if not groups or not _is_whole(data, base, starts, sizes):
        return None
    batch = {}
    for column in columns:
        values = (_integers if column.kind == "int" else _numbers)(base, groups, column, len(starts), alloc)
        if values is None:
            return None
        batch[column.name] = values
    return batch


def _groups(data: bytes, base: Bytes, starts: IndexArray, sizes: IndexArray) -> list[_Group] | None:
    """Return the records by their length, None where those of one length are not alike."""
    lengths = np.unique(sizes)
    if len(lengths) > _MAX_LENGTHS or not len(lengths) or lengths[0] < HEAD + FOOT:
        return None
    groups = []
    for length in lengths.tolist():
        rows = np.flatnonzero(sizes == length)
        begins = starts[rows] + HEAD
        one = data[begins[0] : begins[0] + length - HEAD - FOOT]
        try:
            entries = walk(one)
        except (IndexError, ValueError):
            return None
        if entries is None:
            return None
        same = np.concatenate([np.arange(start, stop) for start, stop, _ in between(one, entries)])
        # What is in front is compared with what it must be; names, types and lengths with those of the first record.
        head = base[starts[rows][:, None] + np.arange(HEAD)]
        found = base[begins[:, None] + same]
        if (found != found[0]).any() or (head != np.frombuffer(head_of(len(one)), np.uint8)).any():
            return None
        groups.append(_Group(rows, begins, {entry.name: (entry.kind, entry.spans) for entry in entries}))
    return groups


def _is_whole(data: bytes, base: Bytes, starts: IndexArray, sizes: IndexArray) -> bool:
    """Return whether the data of all records have the checksums that were written with them."""
    stops, crc = starts + sizes - FOOT, crc32c()
    found = [crc(data[start:stop]) for start, stop in zip((starts + HEAD).tolist(), stops.tolist(), strict=True)]
    feet = base[stops[:, None] + np.arange(FOOT)].view("<u4")[:, 0]
    return bool((feet == masked(np.array(found, np.uint64))).all())


def _numbers(base: Bytes, groups: list[_Group], column: Column, count: int, alloc: Allocator) -> NDArray[Any] | None:
    """Return values that are copied as they are, None where they are of another kind or differ in length."""
    kind = BYTES if column.kind == "bytes" else FLOATS
    found = [group.spans.get(column.feature, (0, [])) for group in groups]
    if any(one != kind or len(spans) != 1 for one, spans in found):
        return None
    width, *others = {spans[0][1] - spans[0][0] for _, spans in found}
    size = column.dtype.itemsize
    if others or (width != size if column.kind == "float" else width % size):
        return None
    shape = (count,) if column.kind == "float" else (count, width // size)
    out = alloc(shape, column.dtype.newbyteorder("="))
    rows = out.view(np.uint8).reshape(count, width) if width else out
    for group, (_, spans) in zip(groups, found, strict=True):
        begins = group.begins + spans[0][0]
        if width <= _MAX_GATHERED:
            rows[group.rows] = base[begins[:, None] + np.arange(width)]
        else:
            for row, begin in zip(group.rows.tolist(), begins.tolist(), strict=True):
                rows[row] = base[begin : begin + width]
    if not column.dtype.isnative:
        out.byteswap(inplace=True)
    return out


def _integers(
    base: Bytes, groups: list[_Group], column: Column, count: int, alloc: Allocator
) -> NDArray[np.int64] | None:
    """Return the one value of an int64 list of every record: (count,) int64; None where it is not such a list."""
    out = alloc((count,), np.dtype(np.int64))
    for group in groups:
        kind, spans = group.spans.get(column.feature, (0, []))
        size = spans[0][1] - spans[0][0] if spans else 0
        if kind != INT64S or not 1 <= size <= 10:
            return None
        digits = base[(group.begins + spans[0][0])[:, None] + np.arange(size)].astype(np.uint64)
        # Of a varint the last byte alone is below 128.
        if (digits[:, :-1] < 128).any() or (digits[:, -1] > (127 if size < 10 else 1)).any():
            return None
        shifts = np.arange(0, 7 * size, 7, dtype=np.uint64)
        out[group.rows] = ((digits & np.uint64(127)) << shifts).sum(axis=1, dtype=np.uint64).view(np.int64)
    return out
