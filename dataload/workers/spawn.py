"""Starting a worker process: a fresh interpreter, one socket, no fork; and what else connects it with its loader.

A forked copy of a process with threads (every process that has used torch, TensorFlow or BLAS) can deadlock on a lock
that some thread held. A fresh interpreter cannot; it does not import the user's script, so a script needs no
`if __name__ == "__main__":`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dataload.errors import annotate
from dataload.workers import interpreter
from dataload.workers.child import SHOW_STACK

_STACK_SECONDS = 0.5


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Hold Ctrl-C back while a process starts: the new process inherits the mask and lifts it when it is ready."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass
class Spawned:
    """A worker process and what connects it with this one.

    Attributes:
        process: the process.
        sock: the loader's end of the socket pair.
        lifeline: the writing end of a pipe that nothing is written to; None on Windows. When it closes, because this
            process has ended in whatever way, the kernel ends the worker, even inside of native code.
        stack: a file that the worker writes its Python stack to at a signal; None on Windows.
    """

    process: subprocess.Popen[bytes]
    sock: socket.socket
    lifeline: int | None = None
    stack: int | None = None

    def doing(self) -> str:
        """Return what the process is at now: its Python stack, or why that cannot be had."""
        if self.process.poll() is not None:
            return "It has ended."
        with suppress(OSError):
            state = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            if state in "Tt":
                return "It was stopped by a signal (SIGSTOP, SIGTSTP or a debugger); SIGCONT lets it go on."
        if self.stack is None or SHOW_STACK is None:
            return "num_workers=0 shows where."
        start = os.fstat(self.stack).st_size
        self.process.send_signal(SHOW_STACK)
        end, deadline = start, time.monotonic() + _STACK_SECONDS
        while time.monotonic() < deadline:
            time.sleep(0.01)
            size = os.fstat(self.stack).st_size
            if size > start and size == end:
                return f"It is at:\n{os.pread(self.stack, size - start, start).decode(errors='replace')}"
            end = size
        return "It does not say where it is: num_workers=0 shows it."

    def close(self) -> None:
        """Close this process's ends. May be called again."""
        self.sock.close()
        for descriptor in (self.lifeline, self.stack):
            if descriptor is not None:
                os.close(descriptor)
        self.lifeline = self.stack = None


def spawn(number: int) -> Spawned:
    """Start worker process `number`.

    Raises:
        OSError: no descriptor, process or memory is left.
    """
    try:
        return _spawn_windows(number) if sys.platform == "win32" else _spawn_posix(number)
    except OSError as error:
        annotate(
            error,
            f"while starting worker process {number}: fewer workers need fewer descriptors (ulimit -n) and less memory",
        )
        raise


def _spawn_posix(number: int) -> Spawned:
    with ExitStack() as ours, ExitStack() as theirs:
        sock, other = map(_above_standard_streams, socket.socketpair())
        ours.callback(sock.close)
        theirs.callback(other.close)
        reading, lifeline = map(_above, os.pipe())
        ours.callback(os.close, lifeline)
        theirs.callback(os.close, reading)
        stack = _above(_unnamed_file())
        ours.callback(os.close, stack)
        passed = (other.fileno(), reading, stack)
        with _no_interrupt():
            process = subprocess.Popen(
                interpreter.command(number, *passed),
                stdin=subprocess.DEVNULL,
                stdout=_inherited(1),
                stderr=_inherited(2),
                pass_fds=passed,
                env=interpreter.environment(),
            )
        ours.pop_all()
    return Spawned(process, sock, lifeline, stack)


def _spawn_windows(number: int) -> Spawned:
    sock, other = socket.socketpair()
    with other:
        try:
            process = subprocess.Popen(
                interpreter.command(number),
                stdin=subprocess.PIPE,
                env=interpreter.environment(),
            )
            assert process.stdin is not None
            process.stdin.write(other.share(process.pid))  # type: ignore[attr-defined, unused-ignore]
            process.stdin.close()
        except BaseException:
            sock.close()
            raise
    return Spawned(process, sock)


def _above(descriptor: int) -> int:
    """Return the descriptor under a number that no standard stream has.

    A program whose standard streams are closed would else lend their numbers to a worker's socket, and a `print` in a
    transform would go there.
    """
    if descriptor > 2:
        return descriptor
    import fcntl

    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return moved


def _above_standard_streams(sock: socket.socket) -> socket.socket:
    return socket.socket(fileno=_above(sock.detach())) if sock.fileno() <= 2 else sock


def _inherited(stream: int) -> int | None:
    """Return what becomes of a standard stream: it is inherited (None), or nothing where it is closed here."""
    try:
        os.fstat(stream)
    except OSError:
        return subprocess.DEVNULL
    return None


def _unnamed_file() -> int:
    """Return the descriptor of a file that nobody can find by name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("dataload-stack", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
