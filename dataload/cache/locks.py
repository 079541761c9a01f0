"""Locks on files, which the kernel gives back when their process ends in whatever way.

Where there are none (Windows, some network file systems) nobody is locked out: a cache then has no segment with two
writers all the same, since each begins one of its own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

# Who holds the folder's lock looks at some hundred files, or has been stopped.
_PATIENCE, _PAUSE = 0.5, 0.005
# Who fetches something for all waits for a network; others that waited for longer fetch it too.
_TURN_PATIENCE = 30.0
_TURNS = 256


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
def locked(path: Path, patience: float = _PATIENCE) -> Iterator[bool]:
    """Hold a lock, whose file is made if need be, while the block runs; False where it cannot be had soon.

    Raises:
        OSError: the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        until = time.monotonic() + patience
        while (held := try_lock(descriptor)) is False and time.monotonic() < until:
            time.sleep(_PAUSE)
        yield held is not False
    finally:
        os.close(descriptor)


@contextmanager
def in_turn(folder: Path, digest: bytes) -> Iterator[None]:
    """Have threads and processes that do the same thing do it one after the other, for half a minute at most."""
    with ExitStack() as stack:
        with suppress(OSError):  # No folder, no rights, no space: then all do it at once, as without a cache.
            stack.enter_context(locked(folder / f"turn-{digest[0] % _TURNS:02x}.lock", _TURN_PATIENCE))
        yield
