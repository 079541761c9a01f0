"""Loaders under a training loop, measured in turns: each keeps its workers while the others are measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from dataload.errors import ConfigError, annotate
from dataload.loader import Loader

Step = Callable[[Any], Any]


class Seen(NamedTuple):
    """What a window has shown: batches, samples, seconds, and of these those in which the loop waited for batches."""

    batches: int
    samples: int
    seconds: float
    waited: float

    @property
    def rate(self) -> float:
        """Samples per second."""
        return self.samples / self.seconds


class Lane:
    """A loader with a training step, epoch after epoch.

    Args:
        loader: is closed with the lane.
        step: called with every batch.
    """

    def __init__(self, loader: Loader, step: Step) -> None:
        self.loader = loader
        self._step = step
        self._samples_before = 0
        self._epoch: Iterator[Any] | None = None
        self._number = 0

    def window(self, seconds: float) -> Seen:
        """Run the loop for some seconds, after the batches that were made while others were measured."""
        for _ in range(self.loader.crew.window() + 1):
            self._turn()
        clock = time.perf_counter
        begin, before, first, waited = clock(), self._samples(), self._number, 0.0
        while True:
            waited += self._turn()
            now = clock()
            if now - begin >= seconds:
                return Seen(self._number - first, max(self._samples() - before, 1), now - begin, waited)

    def batches(self, count: int) -> list[Any]:
        """Return some batches, to be used again and again."""
        kept: list[Any] = []
        while len(kept) < count:
            batch, _ = self._next()
            kept.append(batch)
        return kept

    def _turn(self) -> float:
        batch, waited = self._next()
        try:
            self._step(batch)
        except Exception as error:
            annotate(error, f"in the training step, on batch {self._number} of the examination")
            raise
        self._number += 1
        return waited

    def _next(self) -> tuple[Any, float]:
        begin = time.perf_counter()
        for fresh in (self._epoch is None, True):
            if fresh:
                if self._epoch is not None:
                    self._samples_before += self.loader.stats.samples
                self._epoch = iter(self.loader)
            assert self._epoch is not None
            batch = next(self._epoch, _END)
            if batch is not _END:
                return batch, time.perf_counter() - begin
        raise ConfigError(f"{self.loader!r} has no batches to look at")

    def _samples(self) -> int:
        return self._samples_before + self.loader.stats.samples

    def close(self) -> None:
        """End the workers."""
        self.loader.close()


_END = object()


def free_rate(batches: list[Any], samples: float, step: Step, seconds: float) -> float:
    """Return samples per second of a loop whose batches are there already.

    Args:
        batches: which are used again and again.
        samples: in a batch, on average.
        step: called with each of them.
        seconds: to measure for.
    """
    clock, count = time.perf_counter, 0
    begin = clock()
    while True:
        for batch in batches:
            step(batch)
            count += 1
        if clock() - begin >= seconds:
            return count * samples / (clock() - begin)
