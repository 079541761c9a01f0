"""How a fresh interpreter is started that runs what the program would run, and nothing that lies around.

It gets the program's flags (-O, -W, -X, -I ...) and its import path, but imports this library before that path holds: a
file `json.py` in the current folder is no part of a program that never looks there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from dataload.errors import WorkerError

_BOOTSTRAP = """\
import sys, json
path, number, *descriptors = json.loads(sys.argv.pop())
sys.path += [entry for entry in path if entry not in sys.path]
from dataload.workers.child import main
sys.path[:] = path
main(number, *descriptors)
"""

# Several workers that each use every core for one matrix product would only wait for each other, and a worker that
# grabbed a GPU would take its memory from the training.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    # MKL's OpenMP leaves a file in /dev/shm for every process that does not end by itself.
    "MKL_THREADING_LAYER": "SEQUENTIAL",
    "CUDA_VISIBLE_DEVICES": "",
    # glibc gives the memory of large temporary arrays back to the system each time, and touching it again is slow:
    # sixteen times x + 1 on 400 kB took 4.2 ms, and 0.2 ms where the memory was kept.
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
}


def command(number: int, *descriptors: int) -> list[str]:
    """Return the command that starts worker process `number`, which inherits the descriptors.

    Raises:
        WorkerError: there is no interpreter to start.
    """
    if getattr(sys, "frozen", False):
        raise WorkerError(
            "worker processes need a Python interpreter, but this is a frozen program, which would start itself: use "
            "worker='thread'"
        )
    if not sys.executable:
        raise WorkerError(
            "worker processes need a Python interpreter, but sys.executable is not set: set it, or use worker='thread'"
        )
    # Entries that are no text are for import hooks of this process.
    path = [entry for entry in sys.path if isinstance(entry, str)]
    return [sys.executable, *_flags(), "-c", _BOOTSTRAP, json.dumps([path, number, *descriptors])]


def _flags() -> list[str]:
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    # Those -X that `subprocess` does not know.
    options = [name if value is True else f"{name}={value}" for name, value in sys._xoptions.items()]
    further = [flag for option in options if option not in flags for flag in ("-X", option)]
    # -P: -c would put the current folder first.
    return [*flags, *further, "-P"]


def environment() -> dict[str, str]:
    """Return the environment variables of a worker process."""
    return {**os.environ, **ENVIRONMENT}
