"""Rounds: what is compared takes turns, so that a machine that slows down for a while slows all of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")
Case = TypeVar("Case", bound=Hashable)


@dataclass(frozen=True)
class Rounds:
    """One figure of one case, in every round.

    >>> Rounds((3.0, 1.0, 2.0)).median, Rounds((3.0, 1.0, 2.0)).spread
    (2.0, 3.0)
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that stands for the case."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """The largest value over the smallest: 1 where all rounds agree, and above 1.5 on a busy machine."""
        return max(self.values) / min(self.values)

    def ratio(self, other: Rounds) -> float:
        """Return the median of `self / other` over rounds, whose halves were measured one after the other."""
        return median(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True))


def turns(cases: Sequence[T], rounds: int, *, warm_up: int = 0) -> Iterator[tuple[int, T]]:
    """Yield (round, case): every case once per round; each round begins one case further on.

    Rounds of the warm-up come first and have negative numbers.

    >>> list(turns("ab", 2, warm_up=1))
    [(-1, 'a'), (-1, 'b'), (0, 'a'), (0, 'b'), (1, 'b'), (1, 'a')]
    """
    for number in range(-warm_up, rounds):
        first = max(number, 0) % len(cases) if cases else 0
        for case in (*cases[first:], *cases[:first]):
            yield number, case


def race(
    cases: Sequence[Case],
    measure: Callable[[Case, int], T],
    *,
    rounds: int,
    warm_up: int = 0,
    on_measured: Callable[[], None] = lambda: None,
) -> dict[Case, list[T]]:
    """Measure each case once per round, in turns, and return what each gave in the rounds after the warm-up.

    Args:
        cases: what is compared.
        measure: gets a case and the number of the round, negative while warming up.
        rounds: that count.
        warm_up: rounds before them, measured and dropped.
        on_measured: called after each of the `(warm_up + rounds) * len(cases)` measurements.
    """
    found: dict[Case, list[T]] = {case: [] for case in cases}
    for number, case in turns(cases, rounds, warm_up=warm_up):
        result = measure(case, number)
        if number >= 0:
            found[case].append(result)
        on_measured()
    return found
