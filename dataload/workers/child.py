"""What a worker process runs: receive a pipeline, then make batches until the socket closes."""

from __future__ import annotations

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

# Number of the result that says that the pipeline could not be unpacked.
SETUP_FAILED = -1


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
            return wire.dump((result.batch, None))
        except Exception as reason:
            error = NotPicklable(
                f"a batch cannot be sent from a worker process: {_unpicklable(result.batch) or reason}. Use "
                "worker='thread', or return arrays, numbers and text"
            )
            error.add_note(f"in batch {task.batch} of epoch {task.epoch}, {worker}")
    return wire.dump((None, failures.pack(error)))


def _answer(sock: socket.socket, task: Task, runner: TaskRunner, slots: SlotWriter, worker: str) -> None:
    """Make one batch, in a slot, and say where it is."""
    alloc = slots.allocator()
    result = runner.run(task, alloc, worker)
    body, buffers = _encode(result, task, worker)
    manifest, descriptors = slots.finish(alloc, buffers)
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
        body, _ = wire.dump((None, failures.pack(error)))
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


def main(descriptor: int | None, number: int) -> None:
    """Entry of the process.

    Args:
        descriptor: its end of the socket pair; None where the socket was shared through standard input (Windows).
        number: of the worker, for messages.
    """
    # Ctrl-C reaches the whole process group; the loader decides what it means. It was blocked until here so that it
    # could not interrupt the start.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with _inherited(descriptor) as sock, suppress(OSError, EOFError):  # These say that the loader is gone.
        serve(sock, number)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
