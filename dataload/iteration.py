"""One pass over one epoch: keeps the workers busy and hands out their batches in order."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from dataload.batching import Plan
from dataload.crew import Crew
from dataload.errors import DataloadError, WorkerTimeout, for_the_loop
from dataload.options import Options
from dataload.progress import Phase, Progress
from dataload.salvage import Empty, Salvage
from dataload.workers import Result, Task, Workers


class EpochIterator:
    """The batches of one epoch, made by `iter(loader)`.

    A bounded number of batches is in the making or waiting. Leaving the loop early ends the workers.

    Args:
        plan: which indices make which batch.
        progress: where the iterator is, for the loader to read.
        crew: makes the batches.
        options: of the loader: what becomes of errors, how long to wait.
    """

    def __init__(self, plan: Plan, progress: Progress, crew: Crew, options: Options) -> None:
        self._progress = progress
        self._crew = crew
        self._options = options
        self._tally = progress.tally
        self._salvage: Salvage | None = None
        self._workers: Workers | None = None
        self._sizes: dict[int, int] = {}
        self._ready: dict[int, Result] = {}
        self._follow(plan)
        # Asked of the crew for every batch until it is settled.
        self._window = 0
        self._last = 0.0
        self._process = os.getpid()
        self._busy = progress.busy

    def _follow(self, plan: Plan) -> None:
        """Go on with a plan after what all ranks have had."""
        epoch, samples = self._progress.epoch, self._progress.samples
        self._plan = plan
        self._start = samples
        self._batches = plan.batches(epoch, samples)
        # Numbers k of the first batch, of the one that comes next in order, and of the one that is submitted next.
        self._first = self._next = self._submitted = plan.first_number(epoch, samples)
        self._tally.batch = self._first

    def __iter__(self) -> EpochIterator:
        return self

    def __next__(self) -> Any:
        if not self._progress.running or os.getpid() != self._process:
            raise self._refusal()
        if not self._busy.acquire(False):
            raise DataloadError(
                "this iterator is already at work on another thread: take its batches on one thread, or make one "
                "Loader for each with loader.with_options()"
            )
        try:
            return self._deliver()
        except BaseException as error:
            phase = Phase.FINISHED if isinstance(error, StopIteration) else Phase.FAILED
            if not self._progress.end(phase) and not isinstance(error, StopIteration):
                # Another thread has ended this iterator while it waited: that is the reason, not what it looks like.
                if isinstance(error, Exception) and (reason := self._reason()) is not None:
                    raise reason from error
            elif phase is Phase.FAILED:
                self._drop()
            raise
        finally:
            self._busy.release()

    def _deliver(self) -> Any:
        start = time.perf_counter()
        if self._progress.plan is not None:
            self._change_ranks(self._progress.plan)
        result = self._next_result()
        while result is not None and isinstance(result.batch, Empty):
            self._take_note(result)
            result = self._next_result()
        if result is None:
            raise StopIteration
        samples = self._take_note(result)
        now = time.perf_counter()
        waited, since_last = now - start, now - (self._last or start)
        self._last = now
        if not self._progress.running:
            raise DataloadError("the iterator was ended while this batch was being made")
        steps = self._next - self._first
        self._progress.samples = self._plan.position(self._progress.epoch, self._start, steps)
        self._tally.delivered(result, samples, waited, now)
        if not self._window:
            self._crew.delivered(samples, waited, since_last)
        return result.batch

    def _next_result(self) -> Result | None:
        """Return the result next in order, or None at the end of the epoch."""
        if self._workers is None:
            self._workers = self._crew.start()
            self._salvage = self._make_salvage()
            self._window = self._crew.window() if self._crew.settled else 0
        epoch, window = self._progress.epoch, self._window or self._crew.window()
        while self._submitted - self._next < window and (indices := next(self._batches, None)) is not None:
            self._sizes[self._submitted] = len(indices)
            task = Task(self._submitted, epoch, indices, self._salvage, self._options.max_retries)
            self._workers.submit(task)
            self._submitted += 1
        if self._next == self._submitted:
            return None
        if self._next not in self._ready:
            self._wait_for(self._next, self._workers)
        result = self._ready.pop(self._next)
        self._tally.waiting = len(self._ready)
        return result

    def take_ahead(self, ahead: bool) -> None:
        """Say whether batches are taken before the training loop asks for them: only who does it knows the place."""
        self._progress.ahead = ahead

    def go_back(self, samples: int) -> None:
        """Go on after so many samples, over all ranks: the batches taken since then are for nobody."""
        with self._busy:
            self._progress.samples, self._progress.plan = samples, self._progress.plan or self._plan

    def _change_ranks(self, plan: Plan) -> None:
        """Drop the batches that were made for the shard of before, and go on with those of another plan.

        The workers stay. What they are at is waited for: they could not begin with anything else before, and tasks of
        two plans with one number k must not meet.
        """
        for number in range(self._next, self._submitted):
            if self._workers is not None and number not in self._ready:
                self._wait_for(number, self._workers)
        self._ready.clear()
        self._sizes.clear()
        self._tally.waiting = 0
        self._follow(plan)
        self._progress.plan = None

    def _make_salvage(self) -> Salvage | None:
        if self._options.on_error == "raise":
            return None
        # Samples that the sampler leaves out, such as another part of a split, may not come in as replacements.
        return Salvage(self._plan.spares(self._progress.epoch) if self._options.on_error == "replace" else None)

    def _wait_for(self, number: int, workers: Workers) -> None:
        timeout = self._options.timeout
        deadline = time.monotonic() + timeout
        while number not in self._ready:
            # Other batches that come meanwhile do not give this one more time.
            try:
                result = workers.next_result(max(deadline - time.monotonic(), 0.0) if timeout else None)
            except WorkerTimeout as error:
                raise WorkerTimeout(f"no batch came within timeout={timeout:g} s: {error}") from None
            self._ready[result.number] = result

    def _take_note(self, result: Result) -> int:
        """Take note of the result that was next: raise its error, or return how many samples are in its batch."""
        if result.error is not None:
            raise for_the_loop(result.error)
        self._next += 1
        self._tally.batch = self._next
        self._tally.made(result)
        size = self._sizes.pop(result.number)
        if result.bad:
            self._tally.bad(result.bad, self._options.max_errors)
            size -= sum(bad.replaced_by is None for bad in result.bad)
        return size

    @property
    def active(self) -> bool:
        """Whether batches can still come."""
        return self._progress.running

    def _refusal(self) -> Exception:
        """Return what to raise where no further batch can come."""
        if os.getpid() != self._process:
            return DataloadError(
                f"this iterator belongs to process {self._process}, of which this one is a fork: only there are the "
                "workers. Make a new one: iter(loader)"
            )
        return self._reason() or StopIteration()

    def _reason(self) -> DataloadError | None:
        """Return the error that says why this iterator was ended from elsewhere."""
        if self._progress.phase is Phase.SUPERSEDED:
            return DataloadError(
                "this iterator was ended because a newer one was made of the same Loader, which runs one at a time, or "
                "because its epoch or state was set. For two at once make a second Loader: loader.with_options()"
            )
        if self._progress.phase is Phase.CLOSED:
            return DataloadError("this iterator was ended because its Loader was closed: make a new one, iter(loader)")
        return None

    def close(self) -> None:
        """End early: no further batch comes, and the workers are ended. Any thread may call this, and again."""
        if os.getpid() == self._process and self._progress.end(Phase.LEFT):
            self._drop()

    def _drop(self) -> None:
        """End the workers, whose batches in the making are for nobody."""
        self._crew.stop()
        self._ready.clear()
        self._tally.waiting = 0

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        # `break` drops the iterator. Where its constructor failed there is nothing to end, nor at the end of the
        # interpreter: there the crew has ended its workers, and modules may be gone.
        if hasattr(self, "_busy") and not ending():
            self.close()
