"""What a worker process runs: receive a pipeline, then make batches until the socket closes."""

from __future__ import annotations

import faulthandler
import os
import pickle
import queue
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from dataload.errors import NotPicklable
from dataload.transport import wire
from dataload.transport.payload import receive_payload
from dataload.transport.slots import Manifest, SlotWriter
from dataload.workers import failures
from dataload.workers.base import Result, Task, TaskRunner

# In the place of a result's number: the pipeline could not be unpacked; and which sample a careful worker is at.
SETUP_FAILED, WORKING_ON = -1, -2
# At this signal a worker writes its Python stack to a file that the loader can read.
SHOW_STACK = getattr(signal, "SIGUSR1", None)


def _read_tasks(sock: socket.socket, tasks: queue.SimpleQueue[Any], runner: TaskRunner, slots: SlotWriter) -> None:
    """Take tasks off the socket as they come.

    A thread of its own does this, so that the loader can always send (it would wait for this process, while this
    process waits for the loader to take a result) and so that the end of the loader is noticed in the middle of a
    batch. Nothing is worth saving then, and a transform may hang, hence `_exit`.
    """
    try:
        while True:
            message, _ = wire.receive(sock)
            packed, freed = pickle.loads(message)
            task = Task.unpack(*packed)
            slots.release(freed)
            runner.expect(task)
            tasks.put(task)
    except (EOFError, OSError):
        os._exit(0)


def _encode(result: Result, task: Task, worker: str) -> tuple[bytes, list[memoryview]]:
    """Pickle a result; one whose batch cannot be pickled becomes an error that says so."""
    error = result.error
    if error is None:
        try:
            return wire.dump((result.batch, None, result.bad))
        except Exception as reason:
            error = NotPicklable(
                f"a batch cannot be sent from a worker process: {_unpicklable(result.batch) or reason}. Use "
                "worker='thread', or return arrays, numbers and text"
            )
            error.add_note(f"in batch {task.batch} of epoch {task.epoch}, {worker}")
    return wire.dump((None, failures.pack(error), ()))


def _answer(sock: socket.socket, task: Task, runner: TaskRunner, slots: SlotWriter, worker: str) -> None:
    """Make one batch, in a slot, and say where it is."""

    def working_on(index: int) -> None:
        wire.send(sock, pickle.dumps((WORKING_ON, 0.0, index)))

    alloc = slots.allocator()
    result = runner.run(task, alloc, worker, working_on)
    body, buffers = _encode(result, task, worker)
    try:
        manifest, descriptors = slots.finish(alloc, buffers)
    except Exception as error:  # no memory or descriptor is left for arrays that were not in a slot yet
        error.add_note(f"in batch {task.batch} of epoch {task.epoch}, {worker}, making shared memory for it")
        body, _ = wire.dump((None, failures.pack(error), ()))
        manifest, descriptors = slots.finish(alloc, [])
    wire.send(sock, pickle.dumps((task.number, result.seconds, *manifest)), body)
    wire.send_descriptors(sock, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def _unpicklable(batch: Any) -> str | None:
    """Find the field that cannot be pickled, for the message."""
    fields = batch.items() if isinstance(batch, dict) else enumerate(batch) if isinstance(batch, tuple | list) else ()
    for name, value in fields:
        try:
            wire.dump(value)
        except Exception as error:
            inner = value[0] if isinstance(value, list) and value else value
            return f"field {name!r} holds {type(inner).__name__} objects ({error})"
    return None


def serve(sock: socket.socket, number: int) -> None:
    """Answer tasks with results until the socket closes."""
    worker = f"process worker {number} (pid {os.getpid()})"
    data, buffers = receive_payload(sock)
    try:
        runner = TaskRunner(pickle.loads(data, buffers=buffers))
    except Exception as error:
        error.add_note(f"while {worker} was unpacking the source and transforms")
        body, _ = wire.dump((None, failures.pack(error), ()))
        wire.send(sock, pickle.dumps((SETUP_FAILED, 0.0, *Manifest([], [], []))), body)
        return
    slots = SlotWriter()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(sock, tasks, runner, slots), daemon=True).start()
    while True:
        _answer(sock, tasks.get(), runner, slots, worker)


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
        serve(sock, number)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
