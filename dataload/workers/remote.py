"""One worker process as the loader sees it: its socket, its shared memory, and a thread that receives its results.

The thread is there for the training loop's sake: taking a message off a socket, mapping memory and unpickling are about
a hundred small Python calls, and they are done before the loop asks for the batch. It only receives; what becomes of
what it received is decided by the thread that calls `ProcessWorkers`.
"""

from __future__ import annotations

import pickle
import queue
import socket
import subprocess
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

from dataload.transport import wire
from dataload.transport.payload import Payload
from dataload.transport.slots import Manifest, SlotReader
from dataload.workers import failures
from dataload.workers.base import Result, Task
from dataload.workers.spawn import spawn

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
        error: why this process cannot go on receiving; None where the worker closed its end.
    """

    worker: RemoteWorker
    error: Exception | None = None


Event = Received | Ended


class RemoteWorker:
    """One process, and the tasks it has not answered, oldest first.

    Args:
        number: of the worker, for messages.
        payload: the pipeline.
        events: where its results go.
    """

    def __init__(self, number: int, payload: Payload, events: queue.SimpleQueue[Event]) -> None:
        self.number = number
        self.process, self._sock = spawn(number)
        self.tasks: OrderedDict[int, Task] = OrderedDict()
        # Gets no further tasks and ends when it has none left.
        self.leaving = False
        self.slots = SlotReader()
        # An error in sending says that the process is gone. What it had to do is sent to its replacement when the end
        # of its socket is read, after the results that it may still have sent.
        with suppress(OSError):
            payload.send(self._sock)
        self._thread = threading.Thread(
            target=self._receive_all, args=(events,), name=f"dataload-receive-{number}", daemon=True
        )
        self._thread.start()

    def send(self, task: Task) -> None:
        """Send a task, and the slots that are free again."""
        self.tasks[task.number] = task
        with suppress(OSError):
            wire.send(self._sock, pickle.dumps((task.pack(), self.slots.freed())))

    def _receive_all(self, events: queue.SimpleQueue[Event]) -> None:
        try:
            while True:
                events.put(Received(self, self._receive()))
        except EOFError:
            events.put(Ended(self))
        except Exception as error:
            events.put(Ended(self, error))

    def _receive(self) -> Result:
        header, body = wire.receive(self._sock)
        number, seconds, *fields = pickle.loads(header)
        manifest = Manifest(*fields)
        descriptors = wire.receive_descriptors(self._sock, sum(name is None for *_, name in manifest.made))
        self.slots.update(manifest, descriptors)
        batch, failure = pickle.loads(body, buffers=self.slots.buffers(manifest))
        return Result(number, batch, None if failure is None else failures.unpack(failure), seconds)

    def hang_up(self) -> None:
        """Tell the process to exit, without waiting for it."""
        # Unlike close, this wakes the thread that is waiting for a message.
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Let the process exit and wait until it has; kill it where it does not."""
        self.hang_up()
        try:
            self.process.wait(_EXIT_SECONDS)
        except BaseException as error:  # Ctrl-C while waiting must not leave a process behind either.
            self.process.kill()
            self.process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        finally:
            if self._thread is not threading.current_thread():
                self._thread.join()
            # Only now: the number of a closed descriptor may be another file's by the time the thread reads from it.
            self._sock.close()
