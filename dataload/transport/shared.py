"""Memory that two processes share.

On POSIX it is a file descriptor of memory without a name (a memfd on Linux; elsewhere shared memory whose name
is removed at once) which travels over the socket, so nothing can be left in /dev/shm, and the size of /dev/shm does not
matter on Linux. On Windows it is a named mapping, which the system removes with its last handle.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import secrets
import sys
import weakref
from typing import Any

from dataload.memory import Bytes, owner

_POSIX = os.name == "posix"
_READ_WRITE = 0x1 | 0x2  # PROT_READ | PROT_WRITE
_MAP_SHARED, _MAP_PRIVATE = 0x1, 0x2


class SharedMemory:
    """One mapping of shared memory.

    The mapping lasts as long as this object or any array made by `block` does.

    Attributes:
        size: in bytes.
    """

    def __init__(self, handle: int | str, size: int, *, private: bool = False) -> None:
        """Map it.

        Args:
            handle: a descriptor (POSIX; not needed any more afterwards) or a name (Windows).
            size: in bytes.
            private: whether what is written stays in this process (copy on write).

        Raises:
            OSError: it cannot be mapped.
        """
        self.size = size
        self._memory: Any = _map(handle, size, private)

    def block(self) -> Bytes:
        """Return an array over all of it that all views of it keep alive: (size,) uint8, writable."""
        return owner(self._memory)


def create(size: int) -> int | str:
    """Make shared memory of zeros and return its handle: a descriptor to be closed, or a name (Windows).

    Raises:
        OSError: no descriptor or no memory is left.
    """
    name = f"dataload-{secrets.token_hex(8)}"
    if not _POSIX:
        return name
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    else:
        import _posixshmem

        descriptor = _posixshmem.shm_open("/" + name, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode=0o600)
        _posixshmem.shm_unlink("/" + name)
    try:
        os.ftruncate(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _map(handle: int | str, size: int, private: bool) -> Any:
    if sys.platform == "win32":
        return mmap.mmap(-1, size, tagname=str(handle), access=mmap.ACCESS_COPY if private else mmap.ACCESS_WRITE)
    # Python's own mmap keeps a copy of the descriptor open for as long as it lives (until 3.13): a consumer that
    # keeps a thousand batches would run out of descriptors.
    flags = _MAP_PRIVATE if private else _MAP_SHARED
    address = _libc.mmap(None, size, _READ_WRITE, flags, int(handle), 0)
    if address == ctypes.c_void_p(-1).value:
        error = ctypes.get_errno()
        raise OSError(error, f"cannot map {size} bytes of shared memory: {os.strerror(error)}")
    memory = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(memory, _libc.munmap, address, size).atexit = False
    return memory


if sys.platform != "win32":
    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.mmap.restype = ctypes.c_void_p
    _libc.mmap.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_longlong,
    ]
    _libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
