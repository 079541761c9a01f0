"""What a worker process runs: receive a pipeline, then make batches until the socket closes."""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import replace

from dataload.errors import annotate
from dataload.samplers.base import Sampler
from dataload.transport import wire
from dataload.transport.payload import receive_payload
from dataload.transport.slots import SlotWriter
from dataload.workers import failures, logs, messages
from dataload.workers.base import Result, Task, TaskRunner
from dataload.workers.packing import not_picklable, unpack_pipeline

# At this signal a worker writes its Python stack to a file that the loader can read.
SHOW_STACK = getattr(signal, "SIGUSR1", None)


class _Desk:
    """What the two threads of a worker share: the socket, the slots, and the tasks that have come in."""

    def __init__(self, sock: socket.socket, runner: TaskRunner) -> None:
        self.sock = sock
        self.runner = runner
        # Log records come from any thread, and may not get between the parts of a result.
        self._sending = threading.RLock()
        self.slots = SlotWriter()
        self.tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._spares: Sampler | None = None

    def read_tasks(self) -> None:
        """Take tasks off the socket as they come.

        A thread of its own does this, so that the loader can always send (it would wait for this process, while this
        process waits for the loader to take a result) and so that the end of the loader is noticed in the middle of a
        batch. Nothing is worth saving then, and a transform may hang, hence `_exit`.
        """
        code = 0
        try:
            while True:
                message, _ = wire.receive(self.sock)
                self._take(messages.read_order(message))
        except (EOFError, OSError):
            pass
        except BaseException:
            # Without this thread no task would ever come again, and the loader would wait for ever.
            traceback.print_exc()
            code = 70
        finally:
            os._exit(code)

    def _take(self, order: messages.Order) -> None:
        if order.spares is not None:
            self._spares = order.spares
        task = order.task
        if task.salvage is not None and order.replaces:
            task = task._replace(salvage=replace(task.salvage, spares=self._spares))
        self.slots.release(order.freed)
        self.runner.expect(task)
        self.tasks.put(task)

    def say(self, message: messages.Message) -> None:
        """Send a message that has no body."""
        with self._sending:
            wire.send(self.sock, messages.write_header(message))

    def answer(self, task: Task, worker: str) -> None:
        """Make one batch, in a slot, and say where it is."""
        alloc = self.slots.allocator()
        result = self.runner.run(task, alloc, worker, lambda index: self.say(messages.WorkingOn(index)))
        body, buffers = _encode(result, task, worker)
        try:
            manifest, descriptors = self.slots.finish(alloc, buffers)
        except Exception as error:  # no memory or descriptor is left for arrays that were not in a slot yet
            annotate(error, f"in batch {task.number} of epoch {task.epoch}, {worker}, making shared memory for it")
            body, _ = messages.write_body(messages.Body(None, failures.pack(error)))
            manifest, descriptors = self.slots.finish(alloc, [])
        with self._sending:
            made = messages.Made(task.number, result.seconds, result.counts, result.times, manifest)
            wire.send(self.sock, messages.write_header(made), body)
            wire.send_descriptors(self.sock, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _encode(result: Result, task: Task, worker: str) -> tuple[bytes, list[memoryview]]:
    """Pickle a result; one whose batch cannot be pickled becomes an error that says so."""
    error = result.error
    if error is None:
        try:
            return messages.write_body(messages.Body(result.batch, None, result.bad))
        except Exception as reason:
            error = not_picklable(result.batch, reason)
            annotate(error, f"in batch {task.number} of epoch {task.epoch}, {worker}")
    return messages.write_body(messages.Body(None, failures.pack(error)))


def serve(sock: socket.socket, number: int) -> None:
    """Answer tasks with results until the socket closes."""
    worker = f"process worker {number} (pid {os.getpid()})"
    data, buffers = receive_payload(sock)
    try:
        pipeline, levels = unpack_pipeline(data, buffers)
        desk = _Desk(sock, TaskRunner(pipeline))
    except BaseException as error:
        annotate(error, f"while {worker} was unpacking the source and transforms")
        body, _ = messages.write_body(messages.Body(None, failures.pack(error)))
        wire.send(sock, messages.write_header(messages.SetupFailed()), body)
        return
    logs.forward(levels, lambda record: desk.say(messages.Logged(record)))
    desk.say(messages.Started())
    threading.Thread(target=desk.read_tasks, daemon=True).start()
    while True:
        desk.answer(desk.tasks.get(), worker)


def _forget_in_forks(sock: socket.socket, lifeline: int | None) -> None:
    """Keep what a transform starts from inheriting the socket: the loader would not notice when this process ends."""
    sock.set_inheritable(False)
    if lifeline is not None:
        os.set_inheritable(lifeline, False)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=sock.close)


def _inherited(descriptor: int | None) -> socket.socket:
    if sys.platform == "win32":
        return socket.fromshare(sys.stdin.buffer.read())
    return socket.socket(fileno=descriptor)


def _hold(lifeline: int) -> None:
    """Let the kernel end this process when the other end of the pipe closes.

    The closed socket would do, but noticing it takes the GIL, which native code may keep for any time. The default
    action of SIGIO is to end the process.
    """
    import fcntl

    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def main(number: int, descriptor: int | None = None, lifeline: int | None = None, stack: int | None = None) -> None:
    """Entry of the process.

    Args:
        number: of the worker, for messages.
        descriptor: its end of the socket pair; None where the socket was shared through standard input (Windows).
        lifeline: the reading end of a pipe whose other end the loader's process holds; None on Windows.
        stack: where to write the Python stack at `SHOW_STACK`; None on Windows.
    """
    # Ctrl-C reaches the whole process group; the loader decides what it means. It was blocked until here so that it
    # could not interrupt the start.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if lifeline is not None:
        _hold(lifeline)
    if stack is not None and SHOW_STACK is not None:
        faulthandler.register(SHOW_STACK, file=stack, all_threads=False)
    with _inherited(descriptor) as sock, suppress(OSError, EOFError):  # These say that the loader is gone.
        _forget_in_forks(sock, lifeline)
        serve(sock, number)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
