"""Timing calls next to each other: every system in every round, medians over the rounds.

Apart from the table, since it knows calls and seconds alone.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dataload.transforms.fast import SWITCH

Call = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """Seconds per call of one system, in each round."""

    rounds: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(self.rounds)

    def ratio(self, other: Timing) -> float:
        """Return how many times as fast this is as `other`: the median over rounds, whose halves ran side by side."""
        return statistics.median(b / a for a, b in zip(self.rounds, other.rounds, strict=True))


@contextmanager
def fast_extra(on: bool) -> Iterator[None]:
    """Switch the `fast` extra on or off."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1" if on else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before


def race(calls: Mapping[str, Call], *, fast: frozenset[str], rounds: int, seconds: float) -> dict[str, Timing]:
    """Time calls in turn.

    Args:
        calls: name -> call.
        fast: names that are called with the `fast` extra.
        rounds: how often each has its turn; the order moves on by one in each round.
        seconds: how long a turn is.
    """
    found: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        with fast_extra(name in fast):
            for _ in range(3):  # what is compiled or cached on the first call
                call()
    names = list(calls)
    for round_ in range(rounds):
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            with fast_extra(name in fast):
                found[name].append(_per_call(calls[name], seconds))
    return {name: Timing(tuple(times)) for name, times in found.items()}


def _per_call(call: Call, seconds: float) -> float:
    clock = time.perf_counter
    times = []
    end = clock() + seconds
    call()  # another system's data is in the cache
    while not times or clock() < end:
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times)
