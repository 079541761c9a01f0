"""Worker processes: for work that keeps the GIL. They start without fork and are sent the pipeline by value.

Each process has a socket of its own. A task goes to the process with the least to do; its result comes back as a short
message that says where in shared memory the batch lies. There is no thread in between: the loader waits on the sockets
itself.
"""

from __future__ import annotations

import pickle
import selectors
import signal
import socket
import subprocess
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any

from dataload.errors import NotPicklable, WorkerDied
from dataload.pipeline import Pipeline
from dataload.transport import wire
from dataload.transport.payload import Payload
from dataload.transport.slots import Manifest, SlotReader
from dataload.workers import failures
from dataload.workers.base import Result, Task, timed_out
from dataload.workers.child import SETUP_FAILED
from dataload.workers.spawn import spawn

# A batch that was in the making when its worker died is tried again this often: a worker that the kernel killed for
# the memory of another program deserves another try, a file that crashes a decoder would crash it for ever.
_MAX_RETRIES = 2
_EXIT_SECONDS = 1.0
# Stands for the number of a task where deaths are counted of workers that had nothing to do.
_IDLE = -1


class _Worker:
    """One process, its socket, and the tasks it has not answered, oldest first."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process, self.sock = spawn(number)
        self.tasks: OrderedDict[int, Task] = OrderedDict()
        self.slots = SlotReader()
        # Gets no further tasks and ends when it has none left.
        self.leaving = False

    def end(self) -> None:
        """Close the socket, at which the process exits; kill it where it does not."""
        self.sock.close()
        try:
            self.process.wait(_EXIT_SECONDS)
        except BaseException as error:  # Ctrl-C while waiting must not leave a process behind either.
            self.process.kill()
            self.process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise


class ProcessWorkers:
    """`count` processes that each run the pipeline on the tasks they are sent."""

    def __init__(self, pipeline: Pipeline, count: int) -> None:
        self._payload = _pack_pipeline(pipeline)
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._retries: dict[int, int] = {}
        try:
            self.resize(count)
        except BaseException:
            self.close()
            raise

    def _start(self, number: int) -> _Worker:
        worker = _Worker(number)
        self._workers.append(worker)
        self._selector.register(worker.sock, selectors.EVENT_READ, worker)
        return worker

    # An error in sending says that the process is gone. What it had to do is sent to its replacement when the end of
    # its socket is read, after the results that it may still have sent.

    def _greet(self, worker: _Worker) -> None:
        with suppress(OSError):
            self._payload.send(worker.sock)

    def _send(self, worker: _Worker, task: Task) -> None:
        with suppress(OSError):
            worker.sock.settimeout(None)
            wire.send(worker.sock, pickle.dumps((task.pack(), worker.slots.freed())))

    def submit(self, task: Task) -> None:
        """Send the task to the worker with the least to do."""
        staying = (worker for worker in self._workers if not worker.leaving)
        worker = min(staying, key=lambda worker: len(worker.tasks))
        worker.tasks[task.number] = task
        self._send(worker, task)

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            ready = self._selector.select(left)
            if not ready:
                raise timed_out(timeout, f"{len(self._workers)} process workers")
            worker: _Worker = ready[0][0].data
            # A worker that stops in the middle of a message must not outlast the timeout either.
            worker.sock.settimeout(left)
            try:
                number, seconds, batch, failure = _receive(worker)
            except TimeoutError:
                raise timed_out(timeout, f"process worker {worker.number}") from None
            except EOFError:
                self._replace(worker)
                continue
            error = None if failure is None else failures.unpack(failure)
            if number == SETUP_FAILED and error is not None:
                raise error
            del worker.tasks[number]
            self._retries.pop(number, None)
            if worker.leaving and not worker.tasks:
                self._dismiss(worker)
            return Result(number, batch, error, seconds)

    def _replace(self, dead: _Worker) -> None:
        """Start another process in place of a dead one and send it the same tasks, if they deserve it."""
        self._dismiss(dead)
        suspect = next(iter(dead.tasks.values()), None)
        key = _IDLE if suspect is None else suspect.number
        self._retries[key] = self._retries.get(key, 0) + 1
        if self._retries[key] > _MAX_RETRIES:
            raise WorkerDied(_obituary(dead, suspect))
        worker = self._start(dead.number)
        worker.tasks = dead.tasks
        self._greet(worker)
        for task in worker.tasks.values():
            self._send(worker, task)

    def _dismiss(self, worker: _Worker) -> None:
        self._selector.unregister(worker.sock)
        self._workers.remove(worker)
        worker.end()

    def resize(self, count: int) -> None:
        """Start processes, or let some end when they have done what they were sent."""
        staying = [worker for worker in self._workers if not worker.leaving]
        for worker in staying[count:]:
            worker.leaving = True
            if not worker.tasks:
                self._dismiss(worker)
        # All are started before any is waited for: the interpreters come up side by side.
        for worker in [self._start(number) for number in range(len(staying), count)]:
            self._greet(worker)

    def close(self) -> None:
        """End all processes and wait until they have."""
        for worker in self._workers:
            # All are told before any is waited for.
            with suppress(OSError):
                worker.sock.shutdown(socket.SHUT_RDWR)
        while self._workers:
            self._workers.pop().end()
        self._selector.close()
        self._payload.close()


def _receive(worker: _Worker) -> tuple[int, float, Any, failures.Failure | None]:
    """Return one result: the task's number, the seconds it took, and a batch in the worker's slots or a failure."""
    header, body = wire.receive(worker.sock)
    number, seconds, *fields = pickle.loads(header)
    manifest = Manifest(*fields)
    descriptors = wire.receive_descriptors(worker.sock, sum(name is None for *_, name in manifest.made))
    worker.slots.update(manifest, descriptors)
    batch, failure = pickle.loads(body, buffers=worker.slots.buffers(manifest))
    return number, seconds, batch, failure


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


def _obituary(dead: _Worker, task: Task | None) -> str:
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
