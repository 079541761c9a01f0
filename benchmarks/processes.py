"""What a process and its descendants cost, read from /proc.

Apart because it is the one place that knows an operating system: elsewhere than on Linux the figures are None.
Nothing here runs while a window is being timed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_FIELDS = ("Pss_Anon:", "Pss_Shmem:")


def tree() -> list[int]:
    """Return this process and all of its descendants."""
    found = [os.getpid()]
    for pid in found:
        try:
            for task in (_PROC / str(pid) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:  # It has ended since.
            continue
    return found


def cpu_seconds() -> float | None:
    """Return the CPU time of this process and of its descendants, those that ended and were waited for included."""
    if not _PROC.exists():
        return None
    ticks = 0
    for pid in tree():
        try:
            stat = (_PROC / str(pid) / "stat").read_text()
        except OSError:
            continue
        # The name may hold spaces; after it come state, then numbers: utime, stime, cutime and cstime are 11 to 14.
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return ticks / _TICK


def memory_mb() -> float | None:
    """Return the memory of this process and its descendants in MB, what they share counted once.

    Anonymous and shared memory (PSS). Pages of files, such as libraries and a memory-mapped data set, are not counted:
    the system takes them back when it needs the memory.
    """
    if not _PROC.exists():
        return None
    kilobytes = 0
    for pid in tree():
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith(_FIELDS))
    return kilobytes / 1024


class Peak:
    """The highest of several readings, in MB."""

    def __init__(self) -> None:
        self.mb: float | None = None

    def read(self) -> float | None:
        """Read the memory once, and return it."""
        now = memory_mb()
        if now is not None:
            self.mb = max(self.mb or 0.0, now)
        return now

    @contextmanager
    def watching(self, every: float = 0.02) -> Iterator[None]:
        """Read it again and again on a thread while the `with` block runs."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(every):
                self.read()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
