"""The contract of every kind of worker.

The loader submits tasks and takes results; results may come in any order, and the loader puts them in order. A kind
of worker decides where and when a task's pipeline runs, nothing else, so that no kind can change what a batch holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dataload.bad_samples import BadSample, Careful
from dataload.errors import WorkerTimeout
from dataload.memory import Allocator
from dataload.pipeline import Pipeline
from dataload.reading import ReadAhead
from dataload.samplers.base import IndexArray


@dataclass(frozen=True)
class Task:
    """One batch to make.

    Attributes:
        number: of the task, counted by the loader; the result carries it back.
        epoch: the random transforms are keyed by it.
        batch: number of the batch in this run of the epoch, for messages.
        indices: of the samples.
        fatal: where the batch has ended its worker: the samples known to have done that, and how it ended. None for
            all others, which are made without looking at single samples.
    """

    number: int
    epoch: int
    batch: int
    indices: IndexArray
    fatal: dict[int, str] | None = None

    def pack(self) -> tuple[int, int, int, bytes, dict[int, str] | None]:
        """Return the task as it travels: plain values are pickled five times faster than a class and an array."""
        return self.number, self.epoch, self.batch, self.indices.tobytes(), self.fatal

    @classmethod
    def unpack(cls, number: int, epoch: int, batch: int, indices: bytes, fatal: dict[int, str] | None) -> Task:
        """Return the task that was packed."""
        return cls(number, epoch, batch, np.frombuffer(indices, np.int64), fatal)


@dataclass(frozen=True)
class Result:
    """What became of a task.

    Attributes:
        number: of the task.
        batch: what the collate function returned; None where there is an error.
        error: the exception that ended the task, with notes that say where it happened.
        seconds: spent in the pipeline.
        bad: samples that could not be made and were left out or replaced.
    """

    number: int
    batch: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    bad: tuple[BadSample, ...] = ()


class Workers(Protocol):
    """Some workers of one kind, started when made."""

    def submit(self, task: Task) -> None:
        """Hand in one task; never waits for a worker to be free."""
        ...

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result.

        Raises:
            WorkerTimeout: none came within `timeout` seconds (None: wait for ever).
            WorkerDied: a worker ended by itself.
        """
        ...

    def ready(self) -> int:
        """Return how many results wait to be taken."""
        ...

    def resize(self, count: int) -> None:
        """Go on with another number of workers, at least 1; tasks that were handed in are done all the same."""
        ...

    def close(self) -> None:
        """End all workers and wait until they have; what was not taken is dropped. May be called again."""
        ...


class TaskRunner:
    """Runs tasks in this process: what a thread, a worker process and the serial path have in common.

    Args:
        pipeline: makes the batches.
        threads: how many threads will call `run`; each brings its share of reading threads.
    """

    def __init__(self, pipeline: Pipeline, threads: int = 1) -> None:
        self._pipeline = pipeline
        concurrency = pipeline.read_concurrency * threads
        self._reads = ReadAhead(pipeline.source, concurrency) if concurrency else None

    def expect(self, task: Task) -> None:
        """Say that this task will be run: its samples can be read already."""
        if self._reads is not None:
            self._reads.expect(task.number, task.indices)

    def run(self, task: Task, alloc: Allocator, worker: str, working_on: Callable[[int], None] | None = None) -> Result:
        """Run an expected task and catch what it raises.

        Args:
            task: what to make.
            alloc: where to write the batch.
            worker: name of who does it, for messages.
            working_on: told the index of each sample of a task that has ended a worker before.
        """
        start = time.perf_counter()
        try:
            careful = None if task.fatal is None or working_on is None else Careful(task.fatal, working_on)
            batch, bad = self._pipeline.make(task.epoch, task.indices, alloc, self._samples(task), careful)
        except Exception as error:
            error.add_note(f"in batch {task.batch} of epoch {task.epoch}, {worker}")
            return Result(task.number, error=error, seconds=time.perf_counter() - start)
        return Result(task.number, batch, seconds=time.perf_counter() - start, bad=tuple(bad))

    def _samples(self, task: Task) -> list[Any] | None:
        """Return the samples of the task if they were read ahead."""
        if self._reads is None:
            return None
        try:
            return self._reads.take(task.number)
        except Exception:
            if self._pipeline.on_error == "raise":
                raise
            return None  # Whichever of them cannot be read is found when they are made one by one.

    def close(self) -> None:
        """End the reading threads."""
        if self._reads is not None:
            self._reads.close()


def timed_out(worker: str, doing: str) -> WorkerTimeout:
    """Return the error for a batch that did not come in time.

    Args:
        worker: whose batch it was.
        doing: what the worker is doing, such as its stack.
    """
    return WorkerTimeout(
        f"{worker} has not finished it. A transform or a read hangs, or a batch takes longer than that; timeout=0 "
        f"waits for ever. {doing}"
    )
