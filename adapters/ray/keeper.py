"""A process that starts Ray on this machine, keeps it for as long as the loader's process lives, and removes it then.

Ray's own processes would end with a driver that is killed, but not at once, and their folder would stay. So they belong
to this process, which is told by a pipe, whose other end nobody but the loader's process holds, that it is over: at a
close, an exit, or a SIGKILL. It runs in a session of its own, where Ctrl-C does not reach it.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_END_SECONDS = 5.0


def main(folder: str, options: dict[str, Any]) -> None:
    """Start Ray, write its address or the error as a line of JSON, and wait for the end of standard input.

    Args:
        folder: of Ray's files; it is removed at the end.
        options: further arguments of `ray.init`.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # What Ray prints goes elsewhere.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _adopt_orphans()
    threading.Thread(target=_wait_for_the_end, args=(folder,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda number, frame: _end(folder))
    answer = _start(folder, options)
    # Ray has set a handler of its own.
    signal.signal(signal.SIGTERM, lambda number, frame: _end(folder))
    print(json.dumps(answer), file=answers, flush=True)
    threading.Event().wait()


def _start(folder: str, options: dict[str, Any]) -> dict[str, str]:
    try:
        import ray

        # No CPUs: Ray would start a process for each, and none of ours asks for one. `RayWorkers` says who counts.
        ray.init(
            address="local",
            num_cpus=0,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            _temp_dir=folder,
            **options,
        )
        return {"address": ray.get_runtime_context().gcs_address}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _wait_for_the_end(folder: str) -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    _end(folder)


def _end(folder: str) -> None:
    """End every process that was started from here, remove the folder, and exit."""
    deadline = time.monotonic() + _END_SECONDS
    while (left := _descendants()) and time.monotonic() < deadline:
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _adopt_orphans() -> None:
    """Become the parent of what Ray's processes leave behind, so that it can be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _descendants() -> list[int]:
    """Return the processes below this one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parents[int(entry.parent.name)] = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
    if not parents and sys.platform != "win32":  # no /proc: Ray ends those that it knows
        with suppress(Exception):
            import ray

            ray.shutdown()
    found: list[int] = []
    level = {os.getpid()}
    while level:
        level = {process for process, parent in parents.items() if parent in level}
        found += level
    return found


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
