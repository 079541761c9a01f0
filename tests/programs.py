"""Programs in files of their own, run by an interpreter of their own with the flags that a test wants."""

import os
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
# Inserted by the program itself, so that it holds under -I too.
FIND = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"


def python(*arguments, cwd, text=None, **environment):
    """Run an interpreter to its end, which must be a good one; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, input=text, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program(folder, code, name="prog.py"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(FIND + textwrap.dedent(code))
    return path


def worker_processes():
    """The worker processes of this program: other tests may have left children of other libraries."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # It has ended since.
            if any("dataload.workers.child" in part for part in child.cmdline()):
                found.append(child)
    return found
