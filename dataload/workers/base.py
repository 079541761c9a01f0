"""The contract of every kind of worker.

The loader submits tasks and takes results; results may come in any order, and the loader puts them in order. A kind
of worker decides where and when a task's pipeline runs, nothing else, so that no kind can change what a batch holds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

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
    """

    number: int
    epoch: int
    batch: int
    indices: IndexArray

    def pack(self) -> tuple[int, int, int, bytes]:
        """Return the task as it travels: plain values are pickled five times faster than a class and an array."""
        return self.number, self.epoch, self.batch, self.indices.tobytes()

    @classmethod
    def unpack(cls, number: int, epoch: int, batch: int, indices: bytes) -> Task:
        """Return the task that was packed."""
        return cls(number, epoch, batch, np.frombuffer(indices, np.int64))


@dataclass(frozen=True)
class Result:
    """What became of a task.

    Attributes:
        number: of the task.
        batch: what the collate function returned; None where there is an error.
        error: the exception that ended the task, with notes that say where it happened.
        seconds: spent in the pipeline.
    """

    number: int
    batch: Any = None
    error: BaseException | None = None
    seconds: float = 0.0


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

    def run(self, task: Task, alloc: Allocator, worker: str) -> Result:
        """Run an expected task, writing the batch where `alloc` says, and catch what it raises."""
        start = time.perf_counter()
        try:
            samples = None if self._reads is None else self._reads.take(task.number)
            batch = self._pipeline.run(task.epoch, task.indices, alloc, samples)
        except Exception as error:
            error.add_note(f"in batch {task.batch} of epoch {task.epoch}, {worker}")
            return Result(task.number, error=error, seconds=time.perf_counter() - start)
        return Result(task.number, batch, seconds=time.perf_counter() - start)

    def close(self) -> None:
        """End the reading threads."""
        if self._reads is not None:
            self._reads.close()


def timed_out(timeout: float | None, workers: str) -> WorkerTimeout:
    """Return the error for a batch that did not come in time."""
    return WorkerTimeout(
        f"no batch came from {workers} within timeout={timeout} s: a transform or a read hangs, or a batch takes "
        "longer than that. timeout=0 waits for ever; num_workers=0 shows where it hangs"
    )
