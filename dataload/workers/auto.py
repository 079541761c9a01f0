"""Choosing the kind of worker by trying: on the first batches, which are delivered like any others.

Threads cost nothing and copy nothing, but only help where the work releases the GIL; short reads of many small files
release it so often that two threads are slower than one. Processes always help, and cost a start and some memory. Which
case it is cannot be read off the code, so it is measured: no workers first, then each candidate, until one is nearly as
fast as that many workers can be. Processes are started once the work has taken as long as their start does, and while
they start the others go on: what is over sooner never pays for them. What was found is remembered on this machine.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataload.errors import WorkerDied, WorkerNeverStarted, WorkerTimeout
from dataload.machine import usable_cores
from dataload.pipeline import Pipeline
from dataload.workers.base import Choice, Result, StartWorkers, Task, Workers, WorkerStatistics, closed
from dataload.workers.recollection import Recollection
from dataload.workers.serial import SerialWorkers
from dataload.workers.undisturbed import undisturbed

# A candidate is taken, and the next one not even tried, if n workers are at least this much of n times as fast as none.
_SHARE = 0.75
# A kind is tried until it has worked this long after the burst that warms it up (the first features may import numba
# for half a second), in at least three bursts unless one was long.
_ENOUGH_SECONDS = 0.2
_LONG_BURST_SECONDS = 0.1
# Work that has taken so long is likely to go on for as long: processes take about as much of all cores to start.
_PATIENCE_SECONDS = 0.4

_log = logging.getLogger("dataload")


@dataclass
class _Trial:
    """One kind on trial: its bursts as (samples, seconds)."""

    kind: str
    workers: Workers
    bursts: list[tuple[int, float]] = field(default_factory=list)
    remembered: bool = False
    # How many tasks it has done before its trial: those that others had done already.
    warm: int = 0

    def is_over(self) -> bool:
        counted = [seconds for _, seconds in self.bursts[1:]]
        if not counted or sum(counted) < _ENOUGH_SECONDS:
            return False
        return len(counted) >= 3 or max(counted) >= _LONG_BURST_SECONDS

    def rate(self) -> float:
        """Samples per second of the best burst: whatever else runs on the machine can only make one slower.

        The first burst, which pays for imports and fresh memory, does not count.
        """
        return max(samples / max(seconds, 1e-9) for samples, seconds in self.bursts[1:] or self.bursts)


class AutoWorkers:
    """Tries the kinds of worker on the tasks it is given, then is one of them.

    A candidate that fails for reasons of its own (it cannot be started, its batches cannot travel, a transform does
    not find there what it needs) is out; its tasks are run again by the best kind so far.

    Args:
        pipeline: makes the batches.
        count: number of workers.
        candidates: kinds by name, in the order in which they are tried; the first one must work anywhere.
    """

    def __init__(self, pipeline: Pipeline, count: int, candidates: Mapping[str, StartWorkers]) -> None:
        self._pipeline = pipeline
        self._count = count
        self._candidates = dict(candidates)
        self._held: deque[Task] = deque()
        self._results: deque[Result] = deque()
        self._final: Workers | None = None
        self._choice: Choice | None = None
        self._failed: dict[str, str] = {}
        self._closed = False
        self._serial = SerialWorkers(pipeline)
        self._trials = [_Trial("serial", self._serial)]
        self._worked = 0.0
        # A kind that has been started and is not ready for its trial yet.
        self._coming: _Trial | None = None
        self._last: list[Task] = []
        self._recollection = Recollection(pipeline, count)
        self._remembered = self._recollection.kind(self._candidates)

    def submit(self, task: Task) -> None:
        """Hand the task on, or keep it for the next burst."""
        if self._final is None:
            self._held.append(task)
        else:
            self._final.submit(task)

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result; while kinds are tried, run all tasks that were handed in."""
        while not self._results:
            if self._closed:
                raise closed()
            if self._final is not None:
                return self._final.next_result(timeout)
            self._burst(timeout)
        return self._results.popleft()

    def ready(self) -> int:
        """Return how many results wait to be taken."""
        return len(self._results) + (self._final.ready() if self._final is not None else 0)

    def statistics(self) -> WorkerStatistics:
        """Return the statistics of the chosen kind, and the choice."""
        if self._final is None or self._choice is None:
            return WorkerStatistics("auto", self._count)
        chosen = self._final.statistics()
        return WorkerStatistics(chosen.kind, chosen.count, self._choice, chosen.died)

    def _burst(self, timeout: float | None) -> None:
        """Run the tasks that were handed in, on the kind that is on trial or, meanwhile, on the best one so far."""
        if self._remembered is not None:
            self._start_remembered(self._remembered)
        trial = self._trials[-1]
        counts = not self._is_over(trial)
        if not counts:
            trial = self._stand_in()
        start = time.perf_counter()
        samples = 0
        while self._held and (samples == 0 or time.perf_counter() - start < _LONG_BURST_SECONDS):
            # Without workers one by one, so that slow batches do not keep the training loop waiting for all of them.
            tasks = [self._held.popleft() for _ in range(1 if trial.kind == "serial" else len(self._held))]
            try:
                results = _run_all(trial.workers, tasks, timeout)
            except Exception as error:
                # Raised by the workers themselves: what a transform raises comes as a result.
                self._held.extendleft(reversed(tasks))
                if self._closed or not self._is_dispensable(trial) or not _is_their_own(error):
                    raise
                self._give_up(trial, error)
                return
            if self._is_dispensable(trial) and (refused := _first_error(results)) is not None:
                self._held.extendleft(reversed(tasks))
                self._give_up(trial, refused)
                return
            self._results += results
            self._last = tasks
            samples += sum(len(task.indices) for task in tasks)
        seconds = time.perf_counter() - start
        self._worked += seconds
        if counts:
            trial.bursts.append((samples, seconds))
        if self._coming is not None:
            self._look_for(self._coming)
        elif self._is_over(self._trials[-1]):
            self._next_trial()

    def _is_over(self, trial: _Trial) -> bool:
        # A kind that was the best one in an earlier run only has to show that it works.
        return trial.is_over() or (trial.remembered and bool(trial.bursts))

    def _stand_in(self) -> _Trial:
        """Return the trial whose workers make batches while another kind is not ready."""
        # Threads share the generators that something here draws from, so they would give other values.
        able = self._trials[:1] if self._serial.draws else self._trials
        return max(able, key=lambda trial: trial.rate() if len(trial.bursts) > 1 else 0.0)

    def _start_remembered(self, kind: str) -> None:
        self._remembered = None
        try:
            workers: list[Workers] = []
            undisturbed(lambda: workers.append(self._candidates[kind](self._pipeline, self._count)))
            self._trials.append(_Trial(kind, workers[0], remembered=True))
        except Exception as error:
            self._failed[kind] = f"{type(error).__name__}: {error}"

    def _look_for(self, coming: _Trial) -> None:
        """Let a kind that has been started be tried once all of its workers have made something."""
        while coming.workers.ready():
            try:
                result = coming.workers.next_result(0)
            except WorkerTimeout:
                return  # What came was no result.
            except Exception as error:
                if self._closed:
                    raise
                refused: BaseException | None = error
            else:
                refused = result.error
            if refused is not None:
                # Others have made the same batches, so it is the kind that is to blame.
                self._coming = None
                self._give_up(coming, refused)
                return
            coming.warm += 1
            if coming.warm == self._count:
                self._coming = None
                self._trials.append(coming)
                return

    def _is_dispensable(self, trial: _Trial) -> bool:
        """Whether another kind can do the work of this one: those that need nothing but this process cannot fail."""
        return trial.kind != "serial" and trial.kind != next(iter(self._candidates))

    def _give_up(self, trial: _Trial, error: BaseException) -> None:
        """Take a candidate off the list, and go on with the next one."""
        self._failed[trial.kind] = f"{type(error).__name__}: {error}"
        if trial in self._trials:
            self._trials.remove(trial)
        trial.workers.close()
        self._next_trial()

    def _next_trial(self) -> None:
        """Go on with the next kind, or choose."""
        rates = {trial.kind: trial.rate() for trial in self._trials if trial.bursts}
        if self._trials[-1].remembered:
            self._choose(self._trials[-1].kind, rates)
            return
        if "serial" not in rates:
            return  # The kind that was remembered does not work any more.
        tried = [kind for kind in self._candidates if kind in rates]
        left = [kind for kind in self._candidates if kind not in rates and kind not in self._failed]
        if self._serial.draws:
            left = [*left[1:], *left[:1]] if not tried else []
        best = max(tried, key=lambda kind: rates[kind], default=None)
        enough = _SHARE * rates["serial"] * min(self._count, usable_cores())
        if best is not None and (not left or rates[best] >= enough):
            self._choose(best, rates)
            return
        kind = left[0]
        slow_start = kind != next(iter(self._candidates))
        if slow_start and self._worked < _PATIENCE_SECONDS:
            return

        started: list[Workers] = []
        try:
            undisturbed(lambda: started.append(self._candidates[kind](self._pipeline, self._count)))
        except Exception as error:
            if not slow_start:
                raise
            self._failed[kind] = f"{type(error).__name__}: {error}"
            self._next_trial()
            return
        trial = _Trial(kind, started[0])
        if not slow_start:
            self._trials.append(trial)
            return
        self._coming = trial
        for number in range(self._count):
            trial.workers.submit(self._last[number % len(self._last)]._replace(number=number))

    def _choose(self, kind: str, rates: dict[str, float]) -> None:
        for trial in self._trials:
            if trial.kind == kind:
                self._final = trial.workers
            else:
                trial.workers.close()
        self._trials.clear()
        compared = [f"{rates['serial']:.0f} samples/s without workers"] if "serial" in rates else []
        compared += [
            f"{rates[name]:.0f} with {self._count} {_plural(name)}" for name in self._candidates if name in rates
        ]
        if "serial" not in rates:
            compared = [f"as in an earlier run, {self._recollection.words}"]
        reasons = [
            ", ".join(compared),
            *(f"{_plural(name)} cannot be used: {why}" for name, why in self._failed.items()),
        ]
        if self._serial.draws and kind == "thread":
            reasons.append("what is drawn from the global generators, which threads share, cannot be repeated")
            warnings.warn(f"worker='auto' has chosen threads: {'; '.join(reasons[1:])}", RuntimeWarning, stacklevel=2)
        self._choice = Choice(kind, self._count, rates, "; ".join(reasons))
        self._recollection.keep(self._choice)
        _log.info("worker=%r was chosen: %s", kind, self._choice.reason)
        while self._held and self._final is not None:
            self._final.submit(self._held.popleft())

    def resize(self, count: int) -> None:
        """Go on with another number of workers."""
        if self._coming is not None:
            self._coming.workers.resize(count)
            for number in range(self._count, count):
                self._coming.workers.submit(self._last[0]._replace(number=number))
        self._count = count
        if self._final is not None:
            self._final.resize(count)

    def close(self) -> None:
        """End all workers, those on trial too."""
        self._closed = True
        for trial in [*self._trials, *([self._coming] if self._coming is not None else [])]:
            trial.workers.close()
        if self._final is not None:
            self._final.close()
        self._held.clear()
        self._results.clear()


def _run_all(workers: Workers, tasks: list[Task], timeout: float | None) -> list[Result]:
    for task in tasks:
        workers.submit(task)
    return [workers.next_result(timeout) for _ in tasks]


def _is_their_own(error: Exception) -> bool:
    """Whether an error speaks of the kind of worker, and not of a batch that ends or hangs any worker."""
    if isinstance(error, WorkerDied):
        return isinstance(error, WorkerNeverStarted)
    return not isinstance(error, WorkerTimeout)


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _first_error(results: list[Result]) -> BaseException | None:
    """Return what went wrong in a trial: a batch that cannot travel, or a transform that misses something there.

    An error of the data comes again when another kind makes the same batches.
    """
    return next((result.error for result in results if result.error is not None), None)
