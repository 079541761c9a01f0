"""Messages between a loader and its worker processes, over a stream socket.

A frame is some parts of bytes: their number, their sizes, the parts. Pickles carry the structure of a message;
arrays are kept out of them (protocol 5) and lie in shared memory. Descriptors travel with a byte of their own.
"""

from __future__ import annotations

import os
import pickle
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

import cloudpickle

_COUNT = struct.Struct("<I")
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
    return _dump(cloudpickle.dumps, message)


def _dump(dumps: Callable[..., bytes], message: Any) -> tuple[bytes, list[memoryview]]:
    buffers: list[pickle.PickleBuffer] = []
    data = dumps(message, protocol=5, buffer_callback=buffers.append)
    return data, [buffer.raw() for buffer in buffers]


def send(sock: socket.socket, *parts: bytes) -> None:
    """Send one frame.

    Raises:
        OSError: the other end is gone.
    """
    # One call for all: a call costs more than copying a few kilobytes.
    sizes = struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts))
    sock.sendall(b"".join((sizes, *parts)))


def receive(sock: socket.socket) -> list[memoryview]:
    """Wait for one frame and return its parts.

    Raises:
        EOFError: the other end is gone.
    """
    (count,) = _COUNT.unpack(_exactly(sock, _COUNT.size))
    sizes = struct.unpack(f"<{count}Q", _exactly(sock, 8 * count))
    return [_exactly(sock, size) for size in sizes]


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
        data, received, _, _ = socket.recv_fds(sock, 1, wanted)
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
