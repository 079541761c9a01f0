"""Worker threads: for work that lets go of the GIL (decoding, FFTs, large numpy calls). Nothing is copied."""

from __future__ import annotations

import queue
import threading
import warnings

from dataload.memory import Recycler
from dataload.pipeline import Pipeline
from dataload.workers.base import Result, Task, TaskRunner, timed_out

# A batch in the making cannot be interrupted; closing waits this long for it, then leaves its thread behind.
_JOIN_SECONDS = 10.0


class ThreadWorkers:
    """`count` threads that take tasks from one queue."""

    def __init__(self, pipeline: Pipeline, count: int) -> None:
        # None in the queue ends the thread that takes it.
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._memory = Recycler(keep=4 * count)
        self._runner = TaskRunner(pipeline, count)
        self._threads: list[threading.Thread] = []
        self._count = 0
        self.resize(count)

    def _work(self, number: int) -> None:
        worker = f"thread worker {number}"
        while (task := self._tasks.get()) is not None and not self._closed.is_set():
            self._results.put(self._runner.run(task, self._memory.allocator(), worker))

    def submit(self, task: Task) -> None:
        """Put the task into the queue."""
        self._runner.expect(task)
        self._tasks.put(task)

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result."""
        try:
            return self._results.get(timeout=timeout)
        except queue.Empty:
            raise timed_out(timeout, f"{self._count} thread workers") from None

    def resize(self, count: int) -> None:
        """Start threads, or end some when they come to it."""
        for _ in range(count, self._count):
            self._tasks.put(None)
        for number in range(self._count, count):
            # Daemon threads, because a loader that was never closed must not keep the interpreter from exiting. The
            # loader's finaliser joins them before that point.
            thread = threading.Thread(target=self._work, args=(number,), name=f"dataload-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._count = count

    def close(self) -> None:
        """Drop the tasks not begun, and wait for the threads to end."""
        self._closed.set()
        for _ in self._threads:
            self._tasks.put(None)
        self._runner.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_SECONDS)
        left = [thread.name for thread in self._threads if thread.is_alive()]
        if left:
            warnings.warn(
                f"{', '.join(left)} did not finish a batch within {_JOIN_SECONDS:g} s of closing and was left behind: "
                "a transform or a read hangs",
                RuntimeWarning,
                stacklevel=2,
            )
        self._threads.clear()
