"""Which bytes of which values are where, in memory: some numbers for each entry of all segments."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import NamedTuple


class Held(NamedTuple):
    """Bytes `start` to `stop` of a value; `place` says which entry they are in, -1 where they are in none."""

    start: int
    stop: int
    place: int


class _Several:
    """Ranges of one value: none lies inside of another, so that starts and stops both grow."""

    __slots__ = ("places", "starts", "stops")

    def __init__(self) -> None:
        self.starts, self.stops, self.places = array("q"), array("q"), array("q")

    def add(self, start: int, stop: int, place: int) -> None:
        at = bisect_right(self.starts, start)
        if at and self.stops[at - 1] >= stop:
            return
        first = bisect_left(self.starts, start)
        last = bisect_right(self.stops, stop)
        for column, value in ((self.starts, start), (self.stops, stop), (self.places, place)):
            column[first:last] = array("q", (value,))

    def remove(self, start: int, place: int) -> None:
        at = bisect_left(self.starts, start)
        if at < len(self.starts) and self.places[at] == place:
            for column in (self.starts, self.stops, self.places):
                del column[at]

    def find(self, start: int, stop: int) -> list[Held]:
        found = []
        at = max(bisect_right(self.starts, start) - 1, 0)
        while start < stop:
            if at == len(self.starts) or self.starts[at] >= stop:
                found.append(Held(start, stop, -1))
                break
            if self.stops[at] > start:
                begin = self.starts[at]
                if begin > start:
                    found.append(Held(start, begin, -1))
                    start = begin
                # The next one may begin before this one ends: this one is read as far as it goes.
                end = min(self.stops[at], stop)
                found.append(Held(start, end, self.places[at]))
                start = end
            at += 1
        return found


class Ranges:
    """The ranges that are held of each value. A value is named by a number of 64 bits.

    Most values are held in one piece, and cost no more than their place in the table.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[int, int, int] | _Several] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, value: int, start: int, stop: int, place: int) -> None:
        """Take note of a range; those that lie inside of it, and it inside of another one, are not kept."""
        known = self._found.get(value)
        if known is None:
            self._found[value] = (start, stop, place)
            return
        if not isinstance(known, _Several):
            several = _Several()
            several.add(*known)
            known = self._found[value] = several
        known.add(start, stop, place)

    def remove(self, value: int, start: int, place: int) -> None:
        """Forget the range that begins there and is at that place, if it is known."""
        known = self._found.get(value)
        if isinstance(known, _Several):
            known.remove(start, place)
            if not known.starts:
                del self._found[value]
        elif known is not None and known[0] == start and known[2] == place:
            del self._found[value]

    def find(self, value: int, start: int, stop: int) -> list[Held]:
        """Return what is held of bytes `start` to `stop` and what is not, in order, without gaps."""
        known = self._found.get(value)
        if known is None:
            return [Held(start, stop, -1)]
        if not isinstance(known, _Several):
            several = _Several()
            several.add(*known)
            known = several
        return known.find(start, stop)

    def first(self, value: int) -> Held | None:
        """Return the range that begins the value, None where none is held."""
        known = self._found.get(value)
        if isinstance(known, _Several):
            known = (known.starts[0], known.stops[0], known.places[0])
        return Held(*known) if known is not None and known[0] == 0 else None
