"""Where the values of a serialized tf.train.Example lie.

What one serializer writes for one data set mostly differs in the values alone: names, types and lengths are the same
bytes at the same places. So an Example is first compared with the layouts of others of its length, a few comparisons of
bytes, and only walked through where it is like none of them.
"""

from __future__ import annotations

from typing import NamedTuple

BYTES, FLOATS, INT64S = 0x0A, 0x12, 0x1A

_ONE_FIELD = 0x0A  # Field 1 with a length: features, an entry of a map, its key, a value of a list.
_ENTRY_VALUE = 0x12
# Lengths that are remembered, layouts of each, and values of one: more would take memory for what hardly repeats.
_MAX_LENGTHS, _MAX_LAYOUTS, _MAX_SPANS = 4096, 8, 64


class Entry(NamedTuple):
    """A feature.

    Attributes:
        name: of it.
        kind: BYTES, FLOATS or INT64S.
        spans: where its values begin and end: each of a bytes list, all together of a list of numbers.
    """

    name: str
    kind: int
    spans: list[tuple[int, int]]


class _Layout(NamedTuple):
    """Where the values lie, and what lies between them."""

    entries: list[Entry]
    between: list[tuple[int, int, bytes]]


class Layouts:
    """The layouts of Examples that were seen before; threads may share it."""

    def __init__(self) -> None:
        self._known: dict[int, list[_Layout]] = {}

    def of(self, data: bytes) -> list[Entry] | None:
        """Return where the values lie; see `walk`."""
        known = self._known.get(len(data))
        for layout in known or ():
            for start, stop, same in layout.between:
                if data[start:stop] != same:
                    break
            else:
                return layout.entries
        entries = walk(data)
        if entries is not None:
            self._remember(data, entries, known)
        return entries

    def _remember(self, data: bytes, entries: list[Entry], known: list[_Layout] | None) -> None:
        if known is None:
            # Its layout is worth the time only when the length comes again.
            if len(self._known) >= _MAX_LENGTHS:
                self._known = {}
            self._known[len(data)] = []
        elif len(known) < _MAX_LAYOUTS and sum(len(entry.spans) for entry in entries) <= _MAX_SPANS:
            known.append(_Layout(entries, between(data, entries)))


def between(data: bytes, entries: list[Entry]) -> list[tuple[int, int, bytes]]:
    """Return what lies between the values, and in front of and behind them: (start, stop, bytes)."""
    found, at = [], 0
    for entry in entries:
        for start, stop in entry.spans:
            found.append((at, start, data[at:start]))
            at = stop
    return [*found, (at, len(data), data[at:])]


def walk(data: bytes) -> list[Entry] | None:
    """Return where the values lie of an Example as serializers write it, else None or any IndexError or ValueError.

    Every length is compared with the end of what it is in: a slice beyond it is short and no error.
    """
    found: list[Entry] = []
    end = len(data)
    if not end:
        return found
    size, at = _length(data, 1)
    if data[0] != _ONE_FIELD or at + size != end:
        return None
    while at < end:
        if data[at] != _ONE_FIELD:
            return None
        size, at = _length(data, at + 1)
        entry = _entry(data, at, at + size) if at + size <= end else None
        if entry is None:
            return None
        found.append(entry)
        at += size
    return found


def _entry(data: bytes, at: int, stop: int) -> Entry | None:
    size = data[at + 1]
    if data[at] != _ONE_FIELD or size > 127:
        return None
    at += 2 + size
    name = data[at - size : at].decode()
    if data[at] != _ENTRY_VALUE:
        return None
    size, at = _length(data, at + 1)
    kind = data[at]
    if at + size != stop:
        return None
    size, at = _length(data, at + 1)
    if at + size != stop:
        return None
    if kind == BYTES:
        spans = _values(data, at, stop)
    elif kind in (FLOATS, INT64S):
        spans = _numbers(data, at, stop, kind)
    else:
        return None
    return None if spans is None else Entry(name, kind, spans)


def _values(data: bytes, at: int, stop: int) -> list[tuple[int, int]] | None:
    spans = []
    while at < stop:
        if data[at] != _ONE_FIELD:
            return None
        size, at = _length(data, at + 1)
        spans.append((at, at + size))
        at += size
    return spans if at == stop else None


def _numbers(data: bytes, at: int, stop: int, kind: int) -> list[tuple[int, int]] | None:
    if at == stop:
        return [(at, stop)]
    size, start = _length(data, at + 1)
    if data[at] != _ONE_FIELD or start + size != stop or (kind == FLOATS and size % 4):
        return None
    return [(start, stop)]


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at a byte, of four bytes at most, and where it ends."""
    first = data[at]
    if first < 128:
        return first, at + 1
    second = data[at + 1]
    if second < 128:
        return first & 127 | second << 7, at + 2
    third = data[at + 2]
    if third < 128:
        return first & 127 | (second & 127) << 7 | third << 14, at + 3
    fourth = data[at + 3]
    if fourth < 128:
        return first & 127 | (second & 127) << 7 | (third & 127) << 14 | fourth << 21, at + 4
    raise ValueError
