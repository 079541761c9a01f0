"""What an actor runs: it unpacks the pipeline once and makes batches.

Two calls of `make` are under way at a time, so that the next batch's samples are read, and its task is there, while one
is made; they take turns. The loader's process sees the end of an actor, idle or not, by the call of `stay` failing.
"""

from __future__ import annotations

import os
import platform
import queue
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dataload.errors import annotate
from dataload.memory import Recycler
from dataload.samplers.base import Sampler
from dataload.storage.secrets import ForWorkers
from dataload.version import VERSION
from dataload.workers import failures, logs, messages
from dataload.workers.base import Result, Task, TaskRunner
from dataload.workers.packing import not_picklable, unpack_pipeline

# number, seconds, counts, times, pickle of the body, arrays of the body, log records
Reply = tuple[int, float, tuple[int, ...], tuple[Any, ...], bytes, list[Any], list[dict[str, Any]]]


def versions() -> dict[str, str]:
    """Return the versions of what must be the same on all machines."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, "dataload": VERSION, "numpy": np.__version__}


class Turns:
    """Lets the threads of one actor in by their numbers, one at a time."""

    def __init__(self) -> None:
        self._next = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, number: int) -> Iterator[None]:
        """Wait until all before `number` have had their turns."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == number)
        try:
            yield
        finally:
            with self._changed:
                self._next += 1
                self._changed.notify_all()


class Actor:
    """Makes batches in a process of some machine of the cluster.

    Args:
        number: of the worker, for messages.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._name = f"ray worker {number}"
        self._runner: TaskRunner | None = None
        self._memory = Recycler(keep=4)
        self._arrivals, self._work = Turns(), Turns()
        self._spares: Sampler | None = None
        self._records: deque[dict[str, Any]] = deque()
        # Of a task that is made sample by sample: what the thread says, and what lets it go on.
        self._said: queue.SimpleQueue[int | Reply] = queue.SimpleQueue()
        self._go_on = threading.Semaphore(0)

    def about(self, paths: Sequence[str]) -> dict[str, Any]:
        """Return what this process is: plain values, as the other end may be of another version.

        Args:
            paths: of the loader's machine that the pipeline names.
        """
        import ray

        context = ray.get_runtime_context()
        address = ray.util.get_node_ip_address()
        self._name = f"ray worker {self._number} (pid {os.getpid()} on {address})"
        return {
            "versions": versions(),
            "node": context.get_node_id(),
            "address": address,
            "pid": os.getpid(),
            "missing": [path for path in paths if not Path(path).exists()],
        }

    def set_up(
        self, data: Any, buffers: list[Any], copied: list[bool], vault: ForWorkers | None, path: list[str]
    ) -> failures.Failure | None:
        """Unpack the pipeline; return what is wrong with it, if anything.

        Args:
            data: (bytes,) uint8, the pickle.
            buffers: (bytes,) uint8 of each array in it, in memory that all actors of the machine share.
            copied: which of them get memory of this process's own, because they can be written to where they come from.
            vault: the options of stores; that it was unpickled is what counts.
            path: of the program's modules.
        """
        try:
            sys.path += [entry for entry in path if entry not in sys.path]
            arrays = [buffer.copy() if own else buffer for buffer, own in zip(buffers, copied, strict=True)]
            pipeline, levels = unpack_pipeline(data, arrays)
            self._runner = TaskRunner(pipeline)
        except BaseException as error:
            annotate(error, f"while {self._name} was unpacking the source and transforms")
            return failures.pack(error)
        logs.forward(levels, self._records.append)
        return None

    def stay(self) -> None:
        """Never return."""
        threading.Event().wait()

    def make(self, turn: int, order: bytes) -> Reply:
        """Make a batch.

        Args:
            turn: how many calls of this have been sent before.
            order: the task, as `messages.write_order` gives it.
        """
        with self._arrivals.take(turn):
            task = self._expect(order)
        with self._work.take(turn):
            result = self._run(task)
        return self._encode(result, task)

    def begin(self, order: bytes) -> int | Reply:
        """Begin to make a batch sample by sample; return the index of the first one before it is tried."""
        task = self._expect(order)

        def work() -> None:
            self._said.put(self._encode(self._run(task, careful=True), task))

        threading.Thread(target=work, daemon=True).start()
        return self._said.get()

    def go_on(self) -> int | Reply:
        """Try the sample that was named last; return the index of the next one, or what became of the batch."""
        self._go_on.release()
        return self._said.get()

    def _expect(self, data: bytes) -> Task:
        order = messages.read_order(memoryview(data))
        if order.spares is not None:
            self._spares = order.spares
        task = order.task
        if task.salvage is not None and order.replaces:
            task = task._replace(salvage=replace(task.salvage, spares=self._spares))
        assert self._runner is not None
        self._runner.expect(task)
        return task

    def _run(self, task: Task, careful: bool = False) -> Result:
        def working_on(index: int) -> None:
            self._said.put(index)
            self._go_on.acquire()

        assert self._runner is not None
        alloc = self._memory.allocator()
        return self._runner.run(task, alloc, self._name, *([working_on] if careful else []))

    def _encode(self, result: Result, task: Task) -> Reply:
        """Return a result as it travels; one whose batch cannot be pickled becomes an error that says so."""
        error = result.error
        body, buffers = b"", list[memoryview]()
        if error is None:
            try:
                body, buffers = messages.write_body(messages.Body(result.batch, None, result.bad))
            except Exception as reason:
                error = not_picklable(result.batch, reason)
                annotate(error, f"in batch {task.number} of epoch {task.epoch}, {self._name}")
        if error is not None:
            body, buffers = messages.write_body(messages.Body(None, failures.pack(error)))
        arrays = [np.frombuffer(buffer, np.uint8) for buffer in buffers]
        records = [self._records.popleft() for _ in range(len(self._records))]
        return task.number, result.seconds, tuple(result.counts), tuple(result.times), body, arrays, records
