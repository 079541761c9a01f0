"""What a worker process runs: receive a pipeline, then make batches until the socket closes."""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from dataload.errors import NotPicklable
from dataload.workers import failures, wire
from dataload.workers.base import Result, Task, run_task

# Number of the result that says that the pipeline could not be unpacked.
SETUP_FAILED = -1


def _read_tasks(sock: socket.socket, tasks: queue.SimpleQueue[Any]) -> None:
    """Take tasks off the socket as they come.

    A thread of its own does this, so that the loader can always send (it would wait for this process, while this
    process waits for the loader to take a result) and so that the end of the loader is noticed in the middle of a
    batch. Nothing is worth saving then, and a transform may hang, hence `_exit`.
    """
    try:
        while True:
            tasks.put(wire.decode(wire.receive(sock)))
    except (EOFError, OSError):
        os._exit(0)


def _parts(result: Result, task: Task, worker: str) -> list[wire.Buffer]:
    """Encode a result; one whose batch cannot be encoded becomes an error that says so."""
    error = result.error
    if error is None:
        try:
            return wire.encode((result.number, result.batch, None, result.seconds))
        except Exception as reason:
            error = NotPicklable(
                f"a batch cannot be sent from a worker process: {_unpicklable(result.batch) or reason}. Use "
                "worker='thread', or return arrays, numbers and text"
            )
            error.add_note(f"in batch {task.batch} of epoch {task.epoch}, {worker}")
    return wire.encode((result.number, None, failures.pack(error), result.seconds))


def _unpicklable(batch: Any) -> str | None:
    """Find the field that cannot be pickled, for the message."""
    fields = batch.items() if isinstance(batch, dict) else enumerate(batch) if isinstance(batch, tuple | list) else ()
    for name, value in fields:
        try:
            wire.encode(value)
        except Exception as error:
            inner = value[0] if isinstance(value, list) and value else value
            return f"field {name!r} holds {type(inner).__name__} objects ({error})"
    return None


def serve(sock: socket.socket, number: int) -> None:
    """Answer tasks with results until the socket closes."""
    worker = f"process worker {number} (pid {os.getpid()})"
    parts = wire.receive(sock)
    try:
        pipeline = wire.decode(parts)
    except Exception as error:
        error.add_note(f"while {worker} was unpacking the source and transforms")
        wire.send(sock, wire.encode((SETUP_FAILED, None, failures.pack(error), 0.0)))
        return
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(sock, tasks), daemon=True).start()
    while True:
        task = tasks.get()
        wire.send(sock, _parts(run_task(pipeline, task, worker), task, worker))


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
