"""Worker processes: for work that keeps the GIL. They start without fork and are sent the pipeline by value.

A task goes to the process with the least to do; its result comes back as a short message that says where in shared
memory the batch lies. What is here decides: who gets which task, what to do about a process that died. How a process is
spoken to is in `remote`.
"""

from __future__ import annotations

import queue
import signal
import time
from typing import Any

from dataload.errors import NotPicklable, WorkerDied
from dataload.pipeline import Pipeline
from dataload.transport import wire
from dataload.transport.payload import Payload
from dataload.workers.base import Result, Task, timed_out
from dataload.workers.child import SETUP_FAILED
from dataload.workers.remote import Ended, Event, RemoteWorker

# A batch that was in the making when its worker died is tried again this often: a worker that the kernel killed for
# the memory of another program deserves another try, a file that crashes a decoder would crash it for ever.
_MAX_RETRIES = 2
# Stands for the number of a task where deaths are counted of workers that had nothing to do.
_IDLE = -1


class ProcessWorkers:
    """`count` processes that each run the pipeline on the tasks they are sent."""

    def __init__(self, pipeline: Pipeline, count: int) -> None:
        self._payload = _pack_pipeline(pipeline)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._workers: list[RemoteWorker] = []
        self._retries: dict[int, int] = {}
        try:
            self.resize(count)
        except BaseException:
            self.close()
            raise

    def _start(self, number: int) -> RemoteWorker:
        worker = RemoteWorker(number, self._payload, self._events)
        self._workers.append(worker)
        return worker

    def submit(self, task: Task) -> None:
        """Send the task to the worker with the least to do."""
        staying = (worker for worker in self._workers if not worker.leaving)
        min(staying, key=lambda worker: len(worker.tasks)).send(task)

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                event = self._events.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise timed_out(timeout, f"{len(self._workers)} process workers") from None
            worker = event.worker
            if isinstance(event, Ended):
                if event.error is not None:
                    raise event.error
                # The end of a worker that was dismissed is no news.
                if worker in self._workers:
                    self._replace(worker)
                continue
            result = event.result
            if result.number == SETUP_FAILED and result.error is not None:
                raise result.error
            del worker.tasks[result.number]
            self._retries.pop(result.number, None)
            if worker.leaving and not worker.tasks:
                self._dismiss(worker)
            return result

    def _replace(self, dead: RemoteWorker) -> None:
        """Start another process in place of a dead one and send it the same tasks, if they deserve it."""
        self._dismiss(dead)
        suspect = next(iter(dead.tasks.values()), None)
        key = _IDLE if suspect is None else suspect.number
        self._retries[key] = self._retries.get(key, 0) + 1
        if self._retries[key] > _MAX_RETRIES:
            raise WorkerDied(_obituary(dead, suspect))
        worker = self._start(dead.number)
        for task in dead.tasks.values():
            worker.send(task)

    def _dismiss(self, worker: RemoteWorker) -> None:
        self._workers.remove(worker)
        worker.end()

    def resize(self, count: int) -> None:
        """Start processes, or let some end when they have done what they were sent."""
        staying = [worker for worker in self._workers if not worker.leaving]
        for worker in staying[count:]:
            worker.leaving = True
            if not worker.tasks:
                self._dismiss(worker)
        for number in range(len(staying), count):
            self._start(number)

    def close(self) -> None:
        """End all processes and wait until they have."""
        for worker in self._workers:
            # All are told before any is waited for.
            worker.hang_up()
        while self._workers:
            self._workers.pop().end()
        self._payload.close()


def _pack_pipeline(pipeline: Pipeline) -> Payload:
    try:
        return Payload(*wire.dump_by_value(pipeline))
    except Exception as error:
        parts = {"the source": pipeline.source, "collate_fn": pipeline.collate}
        parts |= {f"transform {step}": step.transform for step in pipeline.steps}
        culprit = next((name for name, part in parts.items() if not _travels(part)), "the pipeline")
        raise NotPicklable(
            f"{culprit} cannot be sent to a worker process ({type(error).__name__}: {error}). Use worker='thread', or "
            "open files, locks and connections inside the function that uses them"
        ) from error


def _travels(part: Any) -> bool:
    try:
        wire.dump_by_value(part)
    except Exception:
        return False
    return True


def _obituary(dead: RemoteWorker, task: Task | None) -> str:
    code = dead.process.returncode
    if code < 0:
        end = f"was ended by {signal.Signals(-code).name}"
        causes = {
            signal.SIGKILL: "the kernel killed it because memory ran out (fewer workers or smaller batches need less)",
            signal.SIGSEGV: "a native library crashed, perhaps on a damaged file",
            signal.SIGABRT: "a native library gave up, perhaps on a damaged file",
            signal.SIGBUS: "a memory-mapped file was truncated, or shared memory ran out",
        }
        cause = causes.get(signal.Signals(-code), "another program sent the signal")
    else:
        end = f"exited with code {code}"
        cause = "something called os._exit or sys.exit, or Python itself could not start (see the output above)"
    doing = "while it had nothing to do"
    if task is not None:
        shown = f"{task.indices[:8].tolist()}{'...' if len(task.indices) > 8 else ''}"
        doing = f"while making batch {task.batch} of epoch {task.epoch} (samples {shown})"
    return (
        f"process worker {dead.number} (pid {dead.process.pid}) {end} {doing}, in each of {_MAX_RETRIES + 1} tries. "
        f"Likely cause: {cause}. num_workers=0 shows what happens in this process"
    )
