"""Starting a worker process: a fresh interpreter, one socket, no fork; and what else connects it with its loader.

A forked copy of a process with threads (every process that has used torch, TensorFlow or BLAS) can deadlock on a lock
that some thread held. A fresh interpreter cannot; it is told the parent's `sys.path` and nothing else, so it does not
import the user's script, and a script needs no `if __name__ == "__main__":`.
"""

from __future__ import annotations

import json
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
from dataload.workers.child import SHOW_STACK

_BOOTSTRAP = """\
import json, sys
path, number, *descriptors = json.loads(sys.argv.pop())
sys.path[:] = path
from dataload.workers.child import main
main(number, *descriptors)
"""

_STACK_SECONDS = 0.5

# Several workers that each use every core for one matrix product would only wait for each other, and a worker that
# grabbed a GPU would take its memory from the training.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    # glibc gives the memory of large temporary arrays back to the system each time, and touching it again is slow:
    # sixteen times x + 1 on 400 kB took 4.2 ms, and 0.2 ms where the memory was kept.
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
}


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
        sock, other = socket.socketpair()
        ours.callback(sock.close)
        theirs.callback(other.close)
        reading, lifeline = os.pipe()
        ours.callback(os.close, lifeline)
        theirs.callback(os.close, reading)
        stack = _unnamed_file()
        ours.callback(os.close, stack)
        passed = (other.fileno(), reading, stack)
        with _no_interrupt():
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, json.dumps([sys.path, number, *passed])],
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                env={**os.environ, **_ENVIRONMENT},
            )
        ours.pop_all()
    return Spawned(process, sock, lifeline, stack)


def _spawn_windows(number: int) -> Spawned:
    sock, other = socket.socketpair()
    with other:
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, json.dumps([sys.path, number])],
                stdin=subprocess.PIPE,
                env={**os.environ, **_ENVIRONMENT},
            )
            assert process.stdin is not None
            process.stdin.write(other.share(process.pid))  # type: ignore[attr-defined, unused-ignore]
            process.stdin.close()
        except BaseException:
            sock.close()
            raise
    return Spawned(process, sock)


def _unnamed_file() -> int:
    """Return the descriptor of a file that nobody can find by name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("dataload-stack", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
