"""Messages between a loader and its worker processes, over a stream socket.

A frame is a header and a body of bytes, with their sizes in front. Pickles carry the structure of a message; arrays are
kept out of them (protocol 5) and lie in shared memory. Descriptors travel with a byte of their own.
"""

from __future__ import annotations

import os
import pickle
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cloudpickle

_SIZES = struct.Struct("<QQ")
# The kernel takes 253 descriptors in one message (SCM_MAX_FD).
_DESCRIPTORS_AT_ONCE = 200


def dump(message: Any) -> tuple[bytes, list[memoryview]]:
    """Return the pickle of a message, and the memory of the arrays in it (not copied).

    Classes and functions that only exist in the main module or in a function are sent by value.
    """
    try:
        return _dump(pickle.dumps, message)
    except Exception:
        return _dump(cloudpickle.dumps, message)


def dump_by_value(message: Any) -> tuple[bytes, list[memoryview]]:
    """Return the pickle of a message that holds the user's functions, and the memory of the arrays in it."""
    with _mains_by_value():
        return _dump(cloudpickle.dumps, message)


def dump_whole(message: Any) -> bytes:
    """Return the pickle of a message, its arrays and the user's classes in it."""
    with _mains_by_value():
        data: bytes = cloudpickle.dumps(message, protocol=5)
    return data


_by_value_lock = threading.Lock()


def _unlock() -> None:
    global _by_value_lock
    _by_value_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # A fork made while another thread packs something would wait for ever for that thread, which it does not have.
    os.register_at_fork(after_in_child=_unlock)


@contextmanager
def _mains_by_value() -> Iterator[None]:
    """Let what is defined in the program's main module travel by value under whatever name that module has.

    It is `__main__` for a script, `__mp_main__` in the children of multiprocessing, any name under `runpy` and `exec`:
    a module that another process cannot import by that name.
    """
    with _by_value_lock:
        known = cloudpickle.list_registry_pickle_by_value()
        mains = [
            module
            for name, module in list(sys.modules.items())
            if isinstance(module, ModuleType)
            and name not in ("__main__", *sys.builtin_module_names)
            and getattr(module, "__name__", None) == name
            and name not in known
            and not _is_importable(name, module)
        ]
        for module in mains:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in mains:
                cloudpickle.unregister_pickle_by_value(module)


def _is_importable(name: str, module: ModuleType) -> bool:
    """Return whether another process gets this module by importing that name."""
    # Python's own, or made by its package: most are told by their names, as looking takes 10 µs.
    if name in sys.stdlib_module_names or ("." in name and name.rpartition(".")[0] in sys.modules):
        return True
    spec = getattr(module, "__spec__", None)
    if spec is None or spec.name != name:  # made by hand, or run under another name than its own
        return False
    if not spec.has_location or not spec.origin:
        return True
    folder, _, file = spec.origin.rpartition(os.sep)
    if file == "__init__.py":
        folder, _, file = folder.rpartition(os.sep)
    if file.partition(".")[0] == name and folder in sys.path:
        return True
    # Loaded from its file, perhaps, or by an import hook; those are asked. Asking all modules would take long.
    found = (finder.find_spec(name, None) for finder in sys.meta_path)
    first = next((spec for spec in found if spec is not None), None)
    return first is not None and first.origin == spec.origin


def _dump(dumps: Callable[..., bytes], message: Any) -> tuple[bytes, list[memoryview]]:
    buffers: list[pickle.PickleBuffer] = []
    data = dumps(message, protocol=5, buffer_callback=buffers.append)
    return data, [buffer.raw() for buffer in buffers]


def send(sock: socket.socket, header: bytes, body: bytes = b"") -> None:
    """Send one frame.

    Raises:
        OSError: the other end is gone.
    """
    # One call for all: a call costs more than copying a few kilobytes.
    sock.sendall(b"".join((_SIZES.pack(len(header), len(body)), header, body)))


def receive(sock: socket.socket) -> tuple[memoryview, memoryview]:
    """Wait for one frame and return its header and body.

    Raises:
        EOFError: the other end is gone.
    """
    header, body = _SIZES.unpack(_exactly(sock, _SIZES.size))
    data = _exactly(sock, header + body)
    return data[:header], data[header:]


def _exactly(sock: socket.socket, size: int) -> memoryview:
    data = memoryview(bytearray(size))
    done = 0
    while done < size:
        try:
            received = sock.recv_into(data[done:])
        except ConnectionError:
            received = 0
        if not received:
            raise EOFError("the other end of the socket is closed")
        done += received
    return data


def send_descriptors(sock: socket.socket, descriptors: Sequence[int]) -> None:
    """Send copies of file descriptors; the other end asks for as many."""
    for start in range(0, len(descriptors), _DESCRIPTORS_AT_ONCE):
        socket.send_fds(sock, [b"\0"], list(descriptors[start : start + _DESCRIPTORS_AT_ONCE]))


def receive_descriptors(sock: socket.socket, count: int) -> list[int]:
    """Wait for `count` descriptors.

    Raises:
        EOFError: the other end is gone.
        OSError: this process has no descriptors left.
    """
    descriptors: list[int] = []
    while len(descriptors) < count:
        wanted = min(count - len(descriptors), _DESCRIPTORS_AT_ONCE)
        try:
            data, received, _, _ = socket.recv_fds(sock, 1, wanted)
        except ConnectionError:
            data, received = b"", []
        descriptors += received
        if len(received) < wanted:
            for descriptor in descriptors:
                os.close(descriptor)
            if not data:
                raise EOFError("the other end of the socket is closed")
            raise OSError(
                "no file descriptors are left in this process (see ulimit -n): close files that are not needed, or "
                "use fewer workers"
            )
    return descriptors
