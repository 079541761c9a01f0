"""Starting a worker process: a fresh interpreter, one socket, no fork.

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
from collections.abc import Iterator
from contextlib import contextmanager

_BOOTSTRAP = """\
import json, sys
path, descriptor, number = json.loads(sys.argv.pop())
sys.path[:] = path
from dataload.workers.child import main
main(descriptor, number)
"""

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


def spawn(number: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start worker process `number`; return it and the loader's end of its socket."""
    ours, theirs = socket.socketpair()
    windows = sys.platform == "win32"
    setup = json.dumps([sys.path, None if windows else theirs.fileno(), number])
    try:
        with theirs, _no_interrupt():
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, setup],
                stdin=subprocess.PIPE if windows else subprocess.DEVNULL,
                pass_fds=() if windows else (theirs.fileno(),),
                env={**os.environ, **_ENVIRONMENT},
            )
            if sys.platform == "win32":
                assert process.stdin is not None
                process.stdin.write(theirs.share(process.pid))
                process.stdin.close()
    except BaseException:
        ours.close()
        raise
    return process, ours
