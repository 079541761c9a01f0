"""Reading a file at a place, by several threads at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


def _read_in_turn(descriptor: int, n: int, offset: int) -> bytes:
    with _turn:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, n)


# Where there is no pread, on Windows, a descriptor has one place, and every reader would move it.
_turn = threading.Lock()
_pread_once: Callable[[int, int, int], bytes] = getattr(os, "pread", _read_in_turn)


def pread(descriptor: int, n: int, offset: int) -> bytes:
    """Return `n` bytes from `offset` on, fewer only where the file ends."""
    found = _pread_once(descriptor, n, offset) if n > 0 else b""
    if len(found) == n or not found:
        return found
    # A read of more than 2 GB is cut short by the system.
    parts = [found]
    done = len(found)
    while done < n and (part := _pread_once(descriptor, n - done, offset + done)):
        parts.append(part)
        done += len(part)
    return b"".join(parts)
