"""Choosing the kind of worker by trying: on the first batches, which are delivered like any others.

Threads cost nothing and copy nothing, but only help where the work lets go of the GIL; short reads of many small files
let go of it so often that two threads are slower than one. Processes always help, and cost a start and some memory.
Which case it is cannot be read off the code, so it is measured: no workers, then threads, and processes only if the
threads disappoint.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from dataload.errors import NotPicklable
from dataload.machine import usable_cores
from dataload.pipeline import Pipeline
from dataload.workers.base import Result, Task, Workers

# Threads are taken, and processes not even tried, if n of them are at least this much of n times as fast as none.
_SHARE = 0.75
# A kind is tried until it has worked this long in at least three bursts after the one that warms it up (the first
# features may import numba for half a second), or in one that was long.
_ENOUGH_SECONDS = 0.2
_LONG_BURST_SECONDS = 1.0

_log = logging.getLogger("dataload")


@dataclass(frozen=True)
class Choice:
    """Which kind of worker was chosen, and from which numbers.

    Attributes:
        worker: "thread" or "process".
        num_workers: how many of each kind were tried.
        samples_per_second: of "serial" (no workers), "thread", and "process" if it came to that.
        reason: the choice in words.
    """

    worker: str
    num_workers: int
    samples_per_second: dict[str, float]
    reason: str


@dataclass
class _Trial:
    """One kind on trial: its bursts as (samples, seconds)."""

    kind: str
    workers: Workers
    bursts: list[tuple[int, float]] = field(default_factory=list)

    def is_over(self) -> bool:
        if len(self.bursts) >= 2 and self.bursts[-1][1] >= _LONG_BURST_SECONDS:
            return True
        return len(self.bursts) >= 4 and sum(seconds for _, seconds in self.bursts[1:]) >= _ENOUGH_SECONDS

    def rate(self) -> float:
        """Samples per second of the best burst: whatever else runs on the machine can only make one slower.

        The first burst, which pays for imports and fresh memory, does not count.
        """
        return max(samples / max(seconds, 1e-9) for samples, seconds in self.bursts[1:])


class AutoWorkers:
    """Tries the kinds of worker on the tasks it is given, then is one of them.

    Args:
        pipeline: makes the batches.
        count: number of workers.
        start: (kind, count, pipeline) -> workers of that kind; count 0 for none.
        chosen: called once with the choice.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        count: int,
        start: Callable[[str, int, Pipeline], Workers],
        chosen: Callable[[Choice], None],
    ) -> None:
        self._pipeline = pipeline
        self._count = count
        self._start = start
        self._chosen = chosen
        self._held: deque[Task] = deque()
        self._results: deque[Result] = deque()
        self._final: Workers | None = None
        self._trials = [_Trial("serial", start("serial", 0, pipeline))]

    def submit(self, task: Task) -> None:
        """Hand the task on, or keep it for the next burst."""
        if self._final is None:
            self._held.append(task)
        else:
            self._final.submit(task)

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result; while kinds are tried, run all tasks that were handed in."""
        if not self._results:
            if self._final is not None:
                return self._final.next_result(timeout)
            self._burst(timeout)
        return self._results.popleft()

    def ready(self) -> int:
        """Return how many results wait to be taken."""
        return len(self._results) + (self._final.ready() if self._final is not None else 0)

    def _burst(self, timeout: float | None) -> None:
        trial = self._trials[-1]
        start = time.perf_counter()
        samples = 0
        while self._held and (samples == 0 or time.perf_counter() - start < _LONG_BURST_SECONDS):
            # Without workers one by one, so that slow batches do not keep the training loop waiting for all of them.
            tasks = [self._held.popleft() for _ in range(1 if trial.kind == "serial" else len(self._held))]
            for task in tasks:
                trial.workers.submit(task)
            for task in tasks:
                self._results.append(trial.workers.next_result(timeout))
                samples += len(task.indices)
        trial.bursts.append((samples, time.perf_counter() - start))
        if trial.is_over():
            self._next_trial()

    def _next_trial(self) -> None:
        """Go on with the next kind, or choose."""
        rates = {trial.kind: trial.rate() for trial in self._trials}
        if "thread" not in rates:
            self._trials.append(_Trial("thread", self._start("thread", self._count, self._pipeline)))
            return
        share = rates["thread"] / rates["serial"] / min(self._count, usable_cores())
        compared = f"{rates['thread']:.0f} samples/s on {self._count} threads, {rates['serial']:.0f} without workers"
        if share >= _SHARE:
            self._choose("thread", rates, f"threads help: {compared}")
        elif "process" not in rates:
            try:
                workers = self._start("process", self._count, self._pipeline)
            except NotPicklable as error:
                self._choose("thread", rates, f"{compared}; processes cannot be used: {error}")
            else:
                self._trials.append(_Trial("process", workers))
        else:
            best = "process" if rates["process"] > rates["thread"] else "thread"
            self._choose(best, rates, f"{compared}, {rates['process']:.0f} in {self._count} processes")

    def _choose(self, kind: str, rates: dict[str, float], reason: str) -> None:
        for trial in self._trials:
            if trial.kind == kind:
                self._final = trial.workers
            else:
                trial.workers.close()
        self._trials.clear()
        _log.info("worker=%r was chosen: %s", kind, reason)
        self._chosen(Choice(kind, self._count, rates, reason))

    def resize(self, count: int) -> None:
        """Go on with another number of workers."""
        self._count = count
        if self._final is not None:
            self._final.resize(count)

    def close(self) -> None:
        """End all workers, those on trial too."""
        for trial in self._trials:
            trial.workers.close()
        if self._final is not None:
            self._final.close()
        self._held.clear()
        self._results.clear()
