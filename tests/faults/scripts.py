"""Programs that tests run and end in all kinds of ways, and what is left of them."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil

# Far more than it takes: how fast a machine is decides nothing here.
PATIENCE = 240


class Program:
    """A Python program in a process group of its own, with a folder of its own for temporary files.

    Args:
        code: what it runs; it prints "ready" when it may be ended.
        folder: for what it leaves.
        environment: variables, beside those of the test.
    """

    def __init__(self, code: str, folder: Path, **environment: str) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.shared_before = shared_memory()
        tests = str(Path(__file__).resolve().parents[1])
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONPATH": path_with(tests), **environment},
        )
        self.children: list[psutil.Process] = []

    def wait_until_ready(self) -> None:
        """Wait for the line "ready", and note the processes that there are then."""
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", line + self.process.stderr.read()
        self.children = psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, str, str]:
        """Wait until it has ended; return its exit code and what it printed."""
        try:
            output, errors = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, output, errors

    def assert_nothing_is_left(self) -> None:
        """Fail unless its processes, files and shared memory are gone."""
        _, alive = psutil.wait_procs(self.children, timeout=PATIENCE / 20)
        alive = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
        assert not alive, f"still running: {alive}"
        assert not list(self.temporary.iterdir()), "temporary files are left"
        assert shared_memory() <= self.shared_before, "shared memory is left"


def path_with(folder: str) -> str:
    """Return PYTHONPATH with a folder in front."""
    return os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


def shared_memory() -> set[str]:
    """Return the names of this library's segments in shared memory; none has a name on Linux."""
    folder = Path("/dev/shm")
    return {path.name for path in folder.iterdir() if "dataload" in path.name} if folder.is_dir() else set()


def run(code: str, folder: Path, **environment: str) -> list[str]:
    """Run a program to its end, which must be a good one; return the lines it printed."""
    program = Program(code, folder, **environment)
    status, output, errors = program.end()
    assert status == 0, errors
    program.assert_nothing_is_left()
    return output.splitlines()


def answers(code: str, folder: Path, **environment: str) -> list[dict]:
    """Run a program that prints one JSON object per line."""
    return [json.loads(line) for line in run(code, folder, **environment)]
