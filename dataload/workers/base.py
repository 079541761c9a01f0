"""The contract of every kind of worker.

The loader submits tasks and takes results; results may come in any order, and the loader puts them in order. A kind
of worker decides where and when a task's pipeline runs, nothing else, so that no kind can change what a batch holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

from dataload.counts import NOTHING, Counts, take_counts
from dataload.errors import WorkerError, WorkerTimeout, annotate
from dataload.keyed import KeyedPipeline, keyed
from dataload.laps import NO_TIMES, Times, begin_laps, take_times
from dataload.memory import Allocator
from dataload.pipeline import Pipeline
from dataload.reading import ReadAhead
from dataload.salvage import BadSample, Salvage, make_from_the_good
from dataload.samplers.base import IndexArray


# Tasks and results are named tuples, since one of each is made for every batch, in half of a dataclass's time.
class Task(NamedTuple):
    """One batch to make.

    Attributes:
        number: k, of the batch in its epoch; the result carries it back.
        epoch: of the batch.
        indices: of its samples.
        salvage: what becomes of samples that cannot be made; None raises the first error.
        max_retries: how often the batch is tried again after its worker died.
    """

    number: int
    epoch: int
    indices: IndexArray
    salvage: Salvage | None = None
    max_retries: int = 2


class Result(NamedTuple):
    """What became of a task.

    Attributes:
        number: of the task.
        batch: what the collate function returned; None where there is an error.
        error: the exception that ended the task, with notes that say where it happened.
        seconds: spent in the pipeline.
        bad: samples that could not be made and were skipped or replaced.
        counts: what was counted on the way.
        times: where the time went.
        arrived: when it reached the process of the training loop, by `time.perf_counter`.
    """

    number: int
    batch: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    bad: tuple[BadSample, ...] = ()
    counts: Counts = NOTHING
    times: Times = NO_TIMES
    arrived: float = 0.0


@dataclass(frozen=True)
class Choice:
    """Which kind of worker was chosen, and from which numbers.

    Attributes:
        worker: name of the kind, such as "thread" or "process".
        num_workers: how many of each kind were tried.
        samples_per_second: of "serial" (no workers) and of each kind that was tried.
        reason: the choice in words.
    """

    worker: str
    num_workers: int
    samples_per_second: dict[str, float]
    reason: str


@dataclass(frozen=True)
class WorkerStatistics:
    """What some workers say of themselves.

    Attributes:
        kind: "serial", "thread", "process", "auto" while that is being found out, or the name of another kind.
        count: how many there are.
        choice: what "auto" has chosen, and from which numbers.
        died: how many have ended by themselves since the start.
        nodes: how many are on each machine of a cluster, by its name; empty where all are on this one.
    """

    kind: str
    count: int
    choice: Choice | None = None
    died: int = 0
    nodes: Mapping[str, int] = field(default_factory=dict)


class Workers(Protocol):
    """Some workers of one kind, started when made: `kind(pipeline, count)`.

    `submit`, `next_result`, `resize` and `statistics` are called by one thread at a time; `close` may be called by
    another one meanwhile, and then ends their waiting.
    """

    def submit(self, task: Task) -> None:
        """Hand in one task; never waits for a worker to be free."""
        ...

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result.

        Raises:
            WorkerTimeout: none came within `timeout` seconds (None: wait for ever).
            WorkerDied: a worker ended by itself.
            WorkerError: the workers were closed.
        """
        ...

    def ready(self) -> int:
        """Return how many results wait to be taken."""
        ...

    def resize(self, count: int) -> None:
        """Go on with another number of workers, at least 1; tasks that were handed in are done all the same."""
        ...

    def statistics(self) -> WorkerStatistics:
        """Return kind, number and health of the workers."""
        ...

    def close(self) -> None:
        """End all workers and wait until they have; what was not taken is dropped. May be called again."""
        ...


StartWorkers = Callable[[Pipeline, int], Workers]


class TaskRunner:
    """Runs tasks in this process: what a thread, a worker process and the serial path have in common.

    Args:
        pipeline: makes the batches.
        threads: how many threads will call `run`; each brings its share of reading threads. 0 is the training loop's
            own thread, or the only one of a worker process: there code that draws from the global generators is keyed.
    """

    def __init__(self, pipeline: Pipeline, threads: int = 0) -> None:
        self._maker = keyed(pipeline) if threads == 0 else pipeline
        self._steps = pipeline.steps
        threads = max(threads, 1)
        concurrency = pipeline.read_concurrency * threads
        self._reads = (
            ReadAhead(pipeline.source, concurrency, lambda: self._maker.may_read_ahead, pipeline.prefetch)
            if concurrency
            else None
        )

    def expect(self, task: Task) -> None:
        """Say that this task will be run: its samples can be read already."""
        if self._reads is not None:
            self._reads.expect(task.number, task.indices)

    def run(
        self,
        task: Task,
        alloc: Allocator,
        worker: str,
        working_on: Callable[[int], None] = lambda index: None,
    ) -> Result:
        """Run an expected task and catch whatever it raises.

        Args:
            task: what to make.
            alloc: where to write the batch.
            worker: name of who does it, for messages.
            working_on: told the index of each sample of a task that is made one by one.
        """
        begin_laps(self._steps)
        try:
            batch, bad = self._make(task, alloc, working_on)
        except BaseException as error:
            # SystemExit and its like too: a thread that ended of them would leave the loader waiting for ever.
            annotate(error, f"in batch {task.number} of epoch {task.epoch}, {worker}")
            times = take_times()
            return Result(task.number, error=error, seconds=times.ended - times.begun)
        times = take_times()
        seconds = times.ended - times.begun
        return Result(task.number, batch, None, seconds, tuple(bad), take_counts(), times, times.ended)

    def _make(self, task: Task, alloc: Allocator, working_on: Callable[[int], None]) -> tuple[Any, list[BadSample]]:
        salvage = task.salvage
        if salvage is not None and salvage.one_by_one:
            if self._reads is not None:
                self._reads.drop(task.number)
            return make_from_the_good(self._maker, task.epoch, task.indices, alloc, salvage, working_on)
        read = None if self._reads is None else partial(self._reads.take, task.number)
        try:
            return self._maker.run(task.epoch, task.indices, alloc, read), []
        except Exception:
            if salvage is None:
                raise
            # Which sample is to blame is found when they are made one by one.
            return make_from_the_good(self._maker, task.epoch, task.indices, alloc, salvage)
        finally:
            if self._reads is not None:
                self._reads.drop(task.number)  # Where it was not taken.

    @property
    def draws(self) -> bool:
        """Whether the pipeline was seen to draw from the global generators."""
        return isinstance(self._maker, KeyedPipeline) and self._maker.draws

    def close(self) -> None:
        """End the reading threads."""
        if self._reads is not None:
            self._reads.close()


def closed() -> WorkerError:
    """Return the error for a thread that waits for a batch of workers that were closed meanwhile."""
    return WorkerError("the loader was closed while a batch was being waited for")


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
