"""Worker processes: for work that keeps the GIL. They start without fork and are sent the pipeline by value.

A task goes to the process with the least to do; its result comes back as a short message that says where in shared
memory the batch lies. What is here decides: who gets which task, what to do about a process that died. How a process is
spoken to is in `remote`.
"""

from __future__ import annotations

import os
import queue
import time

from dataload.errors import WorkerDied, WorkerNeverStarted
from dataload.pipeline import Pipeline
from dataload.storage import secrets
from dataload.transport.payload import Payload
from dataload.workers.base import Result, Task, WorkerStatistics, closed, timed_out
from dataload.workers.obituary import Blame, cause_of_death, obituary
from dataload.workers.packing import pack_pipeline
from dataload.workers.remote import Closed, Ended, Event, RemoteWorker, end_all
from dataload.workers.undisturbed import undisturbed


class ProcessWorkers:
    """`count` processes that each run the pipeline on the tasks they are sent.

    Args:
        pipeline: makes the batches.
        count: of the processes.

    A batch that was in the making when its worker died is tried again, as often as its task allows: a worker that the
    kernel killed for the memory of another program deserves another try, a file that crashes a decoder would crash it
    for ever.
    """

    def __init__(self, pipeline: Pipeline, count: int) -> None:
        # Of the task submitted last: how many workers may die one after the other while they have nothing to do.
        self._max_retries = 0
        self._died = 0
        self._closed = False
        self._payload: Payload | None = None
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._workers: list[RemoteWorker] = []
        self._blame = Blame()
        # How many workers have died at nothing since the last result.
        self._idle_deaths = 0
        self._process = os.getpid()
        try:
            # The processes start while the pipeline is packed.
            self.resize(count)
            self._payload = Payload(*pack_pipeline(pipeline, secrets.for_workers()))
            for worker in self._workers:
                worker.begin(self._payload)
        except BaseException:
            self.close()
            raise

    def _start(self, number: int) -> RemoteWorker:
        started: list[RemoteWorker] = []

        def start() -> None:
            started.append(RemoteWorker(number, self._events))
            self._workers.extend(started)
            if self._payload is not None:
                started[0].begin(self._payload)

        undisturbed(start)
        (worker,) = started
        if self._closed:  # by another thread, which has not seen this worker
            self._dismiss(worker)
            raise closed()
        return worker

    def submit(self, task: Task) -> None:
        """Send the task to the worker with the least to do."""
        staying = [worker for worker in self._workers if not worker.leaving]
        if not staying:
            raise closed()
        self._max_retries = task.max_retries
        min(staying, key=lambda worker: len(worker.tasks)).send(task)

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                event = self._events.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise self._timed_out() from None
            if isinstance(event, Closed):
                self._events.put(event)
                raise closed()
            worker = event.worker
            if isinstance(event, Ended):
                if event.error is not None:
                    raise event.error
                # The end of a worker that was dismissed is no news.
                if worker in self._workers:
                    self._replace(worker)
                continue
            result = event.result
            del worker.tasks[result.number]
            self._blame.clear(result.number)
            self._idle_deaths = 0
            if worker.leaving and not worker.tasks:
                self._dismiss(worker)
            return result

    def ready(self) -> int:
        """Return how many results wait to be taken."""
        return self._events.qsize()

    def _timed_out(self) -> Exception:
        # The batch that the loader waits for is the oldest one.
        working = [worker for worker in self._workers if worker.tasks]
        if not working:
            return timed_out(f"{len(self._workers)} process workers", "None of them is making one")
        worker = min(working, key=lambda worker: next(iter(worker.tasks)))
        return timed_out(str(worker), worker.doing())

    def _replace(self, dead: RemoteWorker) -> None:
        """Start another process in place of a dead one and send it the same tasks, if they deserve it."""
        self._dismiss(dead)
        self._died += 1
        death = cause_of_death(dead.exit_code)
        tasks = list(dead.tasks.values())
        if not tasks or not dead.started:
            self._idle_deaths += 1
            if self._idle_deaths > self._max_retries:
                died = WorkerDied if dead.started else WorkerNeverStarted
                raise died(obituary(str(dead), death, dead.started, None, self._idle_deaths))
        else:
            tasks[0] = self._blame.next_try(tasks[0], str(dead), death, dead.working_on)
        worker = self._start(dead.number)
        for task in tasks:
            worker.send(task)

    def _dismiss(self, worker: RemoteWorker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
            end_all([worker])

    def resize(self, count: int) -> None:
        """Start processes, or let some end when they have done what they were sent."""
        staying = [worker for worker in self._workers if not worker.leaving]
        for worker in staying[count:]:
            worker.leaving = True
            if not worker.tasks:
                self._dismiss(worker)
        for number in range(len(staying), count):
            self._start(number)

    def statistics(self) -> WorkerStatistics:
        """Return how many processes there are, and how many have died."""
        count = sum(not worker.leaving for worker in self._workers)
        return WorkerStatistics("process", count, died=self._died)

    def close(self) -> None:
        """End all processes and wait until they have."""
        if os.getpid() != self._process:
            return  # This is a fork; the processes belong to the one that it was forked from.
        self._closed = True
        workers, self._workers = self._workers, []
        self._events.put(Closed())
        try:
            end_all(workers)
        finally:
            if self._payload is not None:
                self._payload.close()
