"""One pass over one epoch: keeps the workers busy and hands out their batches in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dataload.errors import DataloadError, WorkerError
from dataload.samplers.base import IndexArray
from dataload.tuning import Interval
from dataload.workers import Choice, Result, Task, Workers

if TYPE_CHECKING:
    from dataload.loader import Loader


@dataclass(frozen=True)
class LoaderStats:
    """Figures of the epoch under way, or of the last one.

    Attributes:
        worker: "thread" or "process", "serial" without workers, "auto" while that is being found out.
        num_workers: how many.
        epoch: number of the epoch.
        batches: delivered to the training loop.
        samples: delivered to the training loop.
        wait_seconds: that the training loop waited for batches, over all of them.
        work_seconds: spent on making them, summed over the workers.
        first_batch_seconds: from the start of the epoch to its first batch, starting of workers included.
        choice: what worker="auto" has chosen, and from which numbers; None until then, and without "auto".
        tuning: what num_workers="auto" has seen so far, a line for each number of workers it tried.
    """

    worker: str
    num_workers: int
    epoch: int = 0
    batches: int = 0
    samples: int = 0
    wait_seconds: float = 0.0
    work_seconds: float = 0.0
    first_batch_seconds: float = 0.0
    choice: Choice | None = None
    tuning: tuple[Interval, ...] = ()


class EpochIterator:
    """The batches of one epoch, made by `iter(loader)`.

    A bounded number of batches is in the making or waiting. Leaving the loop early ends the workers.
    """

    def __init__(self, loader: Loader, epoch: int, batches: Iterator[IndexArray]) -> None:
        self._loader = loader
        self._epoch = epoch
        self._batches = batches
        self._workers: Workers | None = None
        self._sizes: dict[int, int] = {}
        self._ready: dict[int, Result] = {}
        self._submitted = 0
        self._delivered = 0
        self._samples = 0
        self._wait = self._work = self._first = 0.0
        self._last = 0.0
        self._done = False

    def __iter__(self) -> EpochIterator:
        return self

    def __next__(self) -> Any:
        if self._done:
            raise StopIteration
        if not self.active:
            self._done = True
            raise DataloadError(
                "this iterator was ended because a newer one was made of the same Loader, which runs one at a time. "
                "For two at once make a second Loader: loader.with_options()"
            )
        start = time.perf_counter()
        try:
            result = self._next_result()
        except BaseException:
            self.close()
            raise
        if result is None:
            self._done = True
            self._loader._finished(self)
            raise StopIteration
        if result.error is not None:
            self.close()
            raise _not_stop_iteration(result.error)
        now = time.perf_counter()
        waited, since_last = now - start, now - (self._last or start)
        self._last = now
        self._wait += waited
        self._work += result.seconds
        self._first = self._first or self._wait
        size = self._sizes.pop(result.number)
        self._samples += size
        self._delivered += 1
        self._loader._delivered(size, waited, since_last)
        return result.batch

    def _next_result(self) -> Result | None:
        """Return the result next in order, or None at the end of the epoch."""
        if self._workers is None:
            self._workers = self._loader._start_workers()
        window = self._loader._window()
        while self._submitted - self._delivered < window and (batch := next(self._batches, None)) is not None:
            self._sizes[self._submitted] = len(batch)
            self._workers.submit(Task(self._submitted, self._epoch, self._submitted, batch))
            self._submitted += 1
        if self._delivered == self._submitted:
            return None
        while self._delivered not in self._ready:
            result = self._workers.next_result(self._loader.timeout or None)
            self._ready[result.number] = result
        return self._ready.pop(self._delivered)

    def stats(self) -> LoaderStats:
        """Return the figures so far."""
        return replace(
            self._loader._workers_stats(),
            epoch=self._epoch,
            batches=self._delivered,
            samples=self._samples,
            wait_seconds=self._wait,
            work_seconds=self._work,
            first_batch_seconds=self._first,
        )

    @property
    def active(self) -> bool:
        """Whether the loader still answers to this iterator, and not to a newer one."""
        return self._loader._is_active(self)

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
