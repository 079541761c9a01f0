"""Locks on files, which the kernel gives back when their process ends in whatever way.

Where there are none (Windows, some network file systems) nobody is locked out: a cache then has no segment with two
writers all the same, since each begins one of its own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

# Who holds the folder's lock looks at some hundred files, or has been stopped.
_PATIENCE, _PAUSE = 0.5, 0.005


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file for itself alone; return whether that worked, None where there are no locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock, whose file is made if need be, while the block runs; False where it cannot be had soon."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        until = time.monotonic() + _PATIENCE
        while (held := try_lock(descriptor)) is False and time.monotonic() < until:
            time.sleep(_PAUSE)
        yield held is not False
    finally:
        os.close(descriptor)
