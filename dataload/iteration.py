"""One pass over one epoch: keeps the workers busy and hands out their batches in order."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dataload.bad_samples import BadSample, Empty
from dataload.errors import BadSamples, DataloadError, WorkerError, WorkerTimeout
from dataload.tuning import Interval
from dataload.workers import Choice, Result, Task, Workers

if TYPE_CHECKING:
    from dataload.loader import Loader

# Of the bad samples so many are listed; all are counted and logged.
_MOST_LISTED = 10_000

_log = logging.getLogger("dataload")


@dataclass(frozen=True)
class LoaderStats:
    """Figures of the epoch under way, or of the last one.

    Attributes:
        worker: "thread" or "process", "serial" without workers, "auto" while that is being found out.
        num_workers: how many.
        epoch: number of the epoch.
        batches: delivered to the training loop.
        samples: in these batches.
        ready: batches that are made and wait for the training loop.
        wait_seconds: that the training loop waited for batches, over all of them.
        work_seconds: spent on making them, summed over the workers.
        first_batch_seconds: from the start of the epoch to its first batch, starting of workers included.
        choice: what worker="auto" has chosen, and from which numbers; None until then, and without "auto".
        tuning: what num_workers="auto" has seen so far, a line for each number of workers it tried.
        num_errors: samples that could not be made, and were left out or replaced (see on_error).
        errors: the first 10 000 of these.
    """

    worker: str
    num_workers: int
    epoch: int = 0
    batches: int = 0
    samples: int = 0
    ready: int = 0
    wait_seconds: float = 0.0
    work_seconds: float = 0.0
    first_batch_seconds: float = 0.0
    choice: Choice | None = None
    tuning: tuple[Interval, ...] = ()
    num_errors: int = 0
    errors: tuple[BadSample, ...] = ()


class EpochIterator:
    """The batches of one epoch, made by `iter(loader)`.

    A bounded number of batches is in the making or waiting. Leaving the loop early ends the workers.
    """

    def __init__(self, loader: Loader, epoch: int, start: int) -> None:
        self._loader = loader
        self._epoch = epoch
        self._start = start
        self._batches = loader.plan.batches(epoch, start)
        self._workers: Workers | None = None
        self._sizes: dict[int, int] = {}
        self._ready: dict[int, Result] = {}
        self._submitted = 0
        # Steps that are over, and those of them that gave a batch.
        self._steps = self._delivered = 0
        self._samples = 0
        self._wait = self._work = self._first = 0.0
        self._last = 0.0
        self._num_errors = 0
        self._errors: list[BadSample] = []
        self._done = False
        self._process = os.getpid()

    def __iter__(self) -> EpochIterator:
        return self

    def __next__(self) -> Any:
        if self._done:
            raise StopIteration
        self._check_active()
        start = time.perf_counter()
        try:
            result = self._next_result()
            while result is not None and isinstance(result.batch, Empty):
                self._over(result)
                result = self._next_result()
            if result is not None:
                self._over(result)
        except BaseException:
            self.close()
            raise
        if result is None:
            self._done = True
            self._loader._finished(self)
            raise StopIteration
        now = time.perf_counter()
        waited, since_last = now - start, now - (self._last or start)
        self._last = now
        self._wait += waited
        self._first = self._first or self._wait
        size = self._sizes.pop(result.number) - sum(bad.replaced_by is None for bad in result.bad)
        self._samples += size
        self._delivered += 1
        position = self._loader.plan.position(self._epoch, self._start, self._steps)
        self._loader._delivered(position, size, waited, since_last)
        return result.batch

    def _next_result(self) -> Result | None:
        """Return the result next in order, or None at the end of the epoch."""
        if self._workers is None:
            self._workers = self._loader._start_workers()
        window = self._loader._window()
        while self._submitted - self._steps < window and (batch := next(self._batches, None)) is not None:
            self._sizes[self._submitted] = len(batch)
            self._workers.submit(Task(self._submitted, self._epoch, self._submitted, batch))
            self._submitted += 1
        if self._steps == self._submitted:
            return None
        if self._steps not in self._ready:
            self._wait_for(self._steps, self._workers)
        return self._ready.pop(self._steps)

    def _wait_for(self, number: int, workers: Workers) -> None:
        timeout = self._loader.timeout
        deadline = time.monotonic() + timeout
        while number not in self._ready:
            # Other batches that come meanwhile do not give this one more time.
            try:
                result = workers.next_result(max(deadline - time.monotonic(), 0.0) if timeout else None)
            except WorkerTimeout as error:
                raise WorkerTimeout(f"no batch came within timeout={timeout:g} s: {error}") from None
            self._ready[result.number] = result

    def _over(self, result: Result) -> None:
        """Take note of a result: raise its error, or count what was bad in it."""
        if result.error is not None:
            raise _not_stop_iteration(result.error)
        self._steps += 1
        self._work += result.seconds
        if not result.bad:
            return
        for bad in result.bad:
            _log.warning("%s", bad)
        self._num_errors += len(result.bad)
        self._errors += result.bad[: _MOST_LISTED - len(self._errors)]
        most = self._loader.max_errors
        if most is not None and self._num_errors > most:
            shown = "\n".join(map(str, self._errors[:5]))
            raise BadSamples(
                f"{self._num_errors} samples of epoch {self._epoch} could not be made, max_errors={most} are allowed. "
                f"loader.stats.errors lists them; the first are:\n{shown}"
            )

    def stats(self) -> LoaderStats:
        """Return the figures so far."""
        return replace(
            self._loader._workers_stats(),
            epoch=self._epoch,
            batches=self._delivered,
            samples=self._samples,
            ready=len(self._ready) + (0 if self._done or self._workers is None else self._workers.ready()),
            wait_seconds=self._wait,
            work_seconds=self._work,
            first_batch_seconds=self._first,
            num_errors=self._num_errors,
            errors=tuple(self._errors),
        )

    @property
    def active(self) -> bool:
        """Whether the loader still answers to this iterator, and not to a newer one."""
        return self._loader._is_active(self)

    def _check_active(self) -> None:
        if os.getpid() != self._process:
            raise DataloadError(
                f"this iterator belongs to process {self._process}, of which this one is a fork: only there are the "
                "workers. Make a new one: iter(loader)"
            )
        if not self.active:
            self._done = True
            raise DataloadError(
                "this iterator was ended because a newer one was made of the same Loader, which runs one at a time. "
                "For two at once make a second Loader: loader.with_options()"
            )

    def close(self) -> None:
        """End early: no further batch comes, and the workers are ended."""
        if not self._done:
            self._done = True
            self._ready.clear()
            self._loader._left_early(self)

    def __del__(self) -> None:
        # `break` drops the iterator: the batches in the making are for nobody.
        self.close()


def _not_stop_iteration(error: BaseException) -> BaseException:
    """Return the error to raise; a StopIteration from user code would look like the end of the epoch."""
    if isinstance(error, StopIteration):
        converted = WorkerError("the source, a transform or collate_fn raised StopIteration")
        for note in getattr(error, "__notes__", ()):
            converted.add_note(note)
        converted.__cause__ = error
        return converted
    return error
