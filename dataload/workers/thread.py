"""Worker threads: for work that releases the GIL (decoding, FFTs, large numpy calls). Nothing is copied."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
import warnings

from dataload.memory import Recycler
from dataload.pipeline import Pipeline
from dataload.workers.base import Result, Task, TaskRunner, WorkerStatistics, closed, timed_out

# A batch in the making cannot be interrupted; closing waits this long for all of them, then leaves their threads
# behind, which end with their batches.
_JOIN_SECONDS = 1.5


class ThreadWorkers:
    """`count` threads that take tasks from one queue."""

    def __init__(self, pipeline: Pipeline, count: int) -> None:
        # None in the queue ends the thread that takes it.
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        # None in this queue wakes a thread that waits for a result when the workers are closed.
        self._results: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._memory = Recycler(keep=4 * count)
        self._runner = TaskRunner(pipeline, count)
        self._threads: list[threading.Thread] = []
        # Which thread is at which task, for messages.
        self._running: dict[int, threading.Thread] = {}
        self._count = 0
        self._process = os.getpid()
        try:
            self.resize(count)
        except BaseException:  # no further thread can be started
            self.close()
            raise

    def _work(self, number: int) -> None:
        worker = f"thread worker {number}"
        while (task := self._tasks.get()) is not None and not self._closed.is_set():
            self._running[task.number] = threading.current_thread()
            result = self._runner.run(task, self._memory.allocator(), worker)
            del self._running[task.number]
            self._results.put(result)
            # While this thread waits for its next task it must not keep the last batch in memory.
            del result

    def submit(self, task: Task) -> None:
        """Put the task into the queue."""
        self._runner.expect(task)
        self._tasks.put(task)

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result."""
        try:
            result = self._results.get(timeout=timeout)
        except queue.Empty:
            raise self._timed_out() from None
        if result is None:
            self._results.put(None)
            raise closed()
        return result

    def ready(self) -> int:
        """Return how many results wait to be taken."""
        return self._results.qsize()

    def _timed_out(self) -> Exception:
        oldest = min(self._running.items(), default=None)
        if oldest is None:
            return timed_out(f"{self._count} thread workers", "None of them is making one")
        thread = oldest[1]
        frame = sys._current_frames().get(thread.ident or 0)
        stack = "".join(traceback.format_stack(frame)) if frame else "nowhere: it has ended\n"
        return timed_out(thread.name.replace("dataload-", "thread worker "), f"It is at:\n{stack}")

    def resize(self, count: int) -> None:
        """Start threads, or end some when they come to it."""
        for _ in range(count, self._count):
            self._tasks.put(None)
        for number in range(self._count, count):
            # Daemon threads, because a loader that was never closed must not keep the interpreter from exiting. The
            # loader's finaliser joins them before that point.
            thread = threading.Thread(target=self._work, args=(number,), name=f"dataload-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._count = count

    def statistics(self) -> WorkerStatistics:
        """Return how many threads there are."""
        return WorkerStatistics("thread", self._count)

    def close(self) -> None:
        """Drop the tasks not begun, and wait for the threads to end."""
        if os.getpid() != self._process:
            return  # This is a fork, which has no threads.
        self._closed.set()
        self._results.put(None)
        for _ in self._threads:
            self._tasks.put(None)
        self._runner.close()
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0))
        left = [thread.name for thread in self._threads if thread.is_alive()]
        if left:
            warnings.warn(
                f"{', '.join(left)} did not finish a batch within {_JOIN_SECONDS:g} s of closing and was left behind, "
                "to end with its batch: a transform or a read hangs or takes that long",
                RuntimeWarning,
                stacklevel=2,
            )
        self._threads.clear()
