"""One worker process as the loader sees it: its socket, its shared memory, and a thread that receives its results.

The thread is there for the training loop's sake: taking a message off a socket, mapping memory and unpickling are about
a hundred small Python calls, and they are done before the loop asks for the batch. It only receives; what becomes of
what it received is decided by the thread that calls `ProcessWorkers`.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from dataload.errors import annotate
from dataload.samplers.base import Sampler
from dataload.transport import wire
from dataload.transport.payload import Payload
from dataload.transport.slots import SlotReader
from dataload.workers import failures, logs, messages
from dataload.workers.base import Result, Task
from dataload.workers.spawn import spawn
from dataload.workers.undisturbed import undisturbed

# A process exits by itself when it notices that its socket is closed; native code that keeps the GIL does not notice.
_EXIT_SECONDS = 1.0


@dataclass(frozen=True)
class Received:
    """One result of a worker."""

    worker: RemoteWorker
    result: Result


@dataclass(frozen=True)
class Ended:
    """Nothing more will come of a worker.

    Attributes:
        worker: the one.
        error: why this process cannot go on receiving, or why the worker cannot begin; None where the worker closed
            its end.
    """

    worker: RemoteWorker
    error: BaseException | None = None


@dataclass(frozen=True)
class Closed:
    """All workers are being closed: nothing more will come."""


Event = Received | Ended | Closed


class RemoteWorker:
    """One process, and the tasks it has not answered, oldest first.

    Args:
        number: of the worker, for messages.
        events: where its results go, once it has begun.

    Attributes:
        working_on: the sample that a careful worker has said that it is at.
        started: whether the process was ever ready for tasks.
        leaving: whether it gets no further tasks and ends when it has none left.
    """

    def __init__(self, number: int, events: queue.SimpleQueue[Event]) -> None:
        self.number = number
        self._spawned = spawn(number)
        self._sock = self._spawned.sock
        self.tasks: OrderedDict[int, Task] = OrderedDict()
        self.slots = SlotReader()
        self.working_on: int | None = None
        self.started = False
        self.leaving = False
        self._spares: Sampler | None = None
        _all.add(self)
        self._thread = threading.Thread(
            target=self._receive_all, args=(events,), name=f"dataload-receive-{number}", daemon=True
        )

    def begin(self, payload: Payload) -> None:
        """Send the pipeline, and receive results from now on."""
        try:
            payload.send(self._sock)
        except OSError:
            self.hang_up()
        try:
            self._thread.start()
        except BaseException:  # no further thread can be started
            end_all([self])
            raise

    def __str__(self) -> str:
        return f"process worker {self.number} (pid {self._spawned.process.pid})"

    @property
    def exit_code(self) -> int:
        """How the process ended; it must have."""
        code = self._spawned.process.returncode
        assert code is not None
        return code

    def send(self, task: Task) -> None:
        """Send a task, the slots that are free again, and the spares of its epoch where this worker lacks them.

        A process that cannot be sent something is gone, mostly. What it had to do is sent to its replacement when the
        end of its socket is read, after the results that it may still have sent.
        """
        self.tasks[task.number] = task
        spares = None if task.salvage is None else task.salvage.spares
        new = spares if spares is not self._spares else None
        try:
            order = messages.Order(task, self.slots.freed(), spares is not None, new)
            wire.send(self._sock, messages.write_order(order))
            self._spares = spares if spares is not None else self._spares
        except OSError:
            self.hang_up()

    def _receive_all(self, events: queue.SimpleQueue[Event]) -> None:
        try:
            while True:
                event = self._receive()
                if event is not None:
                    events.put(event)
                # While this thread waits for the next result it must not keep the last batch in memory.
                del event
        except EOFError:
            events.put(Ended(self))
        except BaseException as error:
            annotate(error, f"while receiving a batch from {self}")
            events.put(Ended(self, error))

    def _receive(self) -> Event | None:
        header, body = wire.receive(self._sock)
        message = messages.read_header(header)
        return self._made(message, body) if isinstance(message, messages.Made) else self._other(message, body)

    def _made(self, message: messages.Made, body: memoryview) -> Event:
        manifest = message.manifest
        descriptors = wire.receive_descriptors(self._sock, sum(name is None for *_, name in manifest.made))
        self.slots.update(manifest, descriptors)
        batch, failure, bad = messages.read_body(body, self.slots.buffers(manifest))
        error = None if failure is None else failures.unpack(failure)
        made = (message.number, batch, error, message.seconds, bad, message.counts, message.times)
        return Received(self, Result(*made, time.perf_counter()))

    def _other(self, message: messages.Message, body: memoryview) -> Event | None:
        if isinstance(message, messages.WorkingOn):
            self.working_on = message.sample
        elif isinstance(message, messages.Logged):
            logs.handle(message.record)
        elif isinstance(message, messages.Started):
            self.started = True
        else:
            failure = messages.read_body(body, []).failure
            assert failure is not None
            return Ended(self, failures.unpack(failure))
        return None

    def doing(self) -> str:
        """Return what the process is at now, for messages: its Python stack, if it can be had."""
        # Before that the signal which asks for the stack would end it.
        return self._spawned.doing() if self.started else "It is still starting"

    def hang_up(self) -> None:
        """Tell the process to exit, without waiting for it."""
        # Unlike close, this wakes the thread that is waiting for a message.
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Wait so long at most until the process has exited."""
        with suppress(subprocess.TimeoutExpired):
            self._spawned.process.wait(max(seconds, 0))

    def kill(self) -> None:
        """End the process at once."""
        self._spawned.process.kill()

    def release(self) -> None:
        """Give back what is left of a process that was told to exit, or killed."""
        self.kill()
        self._spawned.process.wait()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        # Only now: the number of a closed descriptor may be another file's by the time the thread reads from it.
        self._spawned.close()

    def forget(self) -> None:
        """Close what a fork of the loader's process has inherited of it, so that only the loader's own end counts."""
        self._spawned.close()


def end_all(workers: Sequence[RemoteWorker]) -> None:
    """Let processes exit and wait until they have; kill those that do not."""

    def end() -> None:
        for worker in workers:
            worker.hang_up()
        deadline = time.monotonic() + _EXIT_SECONDS
        for worker in workers:
            worker.wait(deadline - time.monotonic())
            worker.release()

    def kill() -> None:
        for worker in workers:
            worker.kill()

    # Who presses Ctrl-C again does not want to wait; nothing is to be left behind all the same.
    undisturbed(end, hurry=kill)


_all: weakref.WeakSet[RemoteWorker] = weakref.WeakSet()


def _forget_all() -> None:
    for worker in list(_all):
        worker.forget()


if hasattr(os, "register_at_fork"):
    # Otherwise workers would outlive a loader's process that was killed for as long as a fork of it lives.
    os.register_at_fork(after_in_child=_forget_all)
