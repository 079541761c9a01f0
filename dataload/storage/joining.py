"""Which ranges are read in one request: a gap is read and thrown away where that takes less time than asking again.

What asking costs is measured: the shortest answers say what the way there and back takes, the long ones how many bytes
come in a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dataload.storage.base import Range

# Before anything is measured, and the bounds of what may be believed.
_GAP, _MIN_GAP, _MAX_GAP = 64 << 10, 4 << 10, 4 << 20
# A single request does not grow beyond this: it would wait for its last byte where several could come side by side.
_MAX_REQUEST = 8 << 20
_SMALL = 64 << 10
# How far a new measurement moves the figure.
_STEP = 0.2


class Joined(NamedTuple):
    """A request: its range, and which of the wanted ranges lie in it."""

    range: Range
    places: list[int]


class Pace:
    """What the requests to a store were seen to take."""

    def __init__(self) -> None:
        self._latency: float | None = None
        self._bandwidth: float | None = None

    def seen(self, size: int, seconds: float) -> None:
        """Take note of a request.

        Args:
            size: of what came, in bytes.
            seconds: it took.
        """
        if size <= _SMALL or self._latency is None:
            self._latency = _moved(self._latency, seconds) if self._latency is not None else seconds
        elif seconds > self._latency:
            self._bandwidth = _moved(self._bandwidth, size / (seconds - self._latency))

    def worth(self) -> int:
        """Return how many bytes come in the time that one more request takes."""
        if self._latency is None or self._bandwidth is None:
            return _GAP
        return int(min(max(self._latency * self._bandwidth, _MIN_GAP), _MAX_GAP))


def _moved(figure: float | None, seen: float) -> float:
    return seen if figure is None else figure + _STEP * (seen - figure)


def join(ranges: Sequence[Range], gap: int) -> list[Joined]:
    """Return the requests for some ranges: those of one object with no more than `gap` bytes between them together."""
    order = sorted(range(len(ranges)), key=lambda place: ranges[place])
    joined: list[Joined] = []
    for place in order:
        one = ranges[place]
        last = joined[-1].range if joined else None
        if (
            last is not None
            and (last.name, last.tag) == (one.name, one.tag)
            and one.start - last.stop <= gap
            and max(last.stop, one.stop) - last.start <= _MAX_REQUEST
        ):
            joined[-1].places.append(place)
            joined[-1] = Joined(last._replace(stop=max(last.stop, one.stop)), joined[-1].places)
        else:
            joined.append(Joined(one, [place]))
    return joined
