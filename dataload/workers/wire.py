"""Messages between a loader and its worker processes, over a stream socket.

A message is a pickle with its arrays beside it (protocol 5): the arrays are received straight into aligned memory, so
they are copied by the socket and nowhere else. One frame: count and sizes of the parts, then the parts.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Sequence
from typing import Any

import cloudpickle

from dataload.memory import aligned_bytes

_COUNT = struct.Struct("<I")
Buffer = bytes | memoryview


def encode(message: Any) -> list[Buffer]:
    """Return the parts of a message: its pickle, then its arrays' memory (not copied).

    Classes and functions that only exist in the main module or in a function are sent by value.
    """
    try:
        return _dump(pickle.dumps, message)
    except Exception:
        return _dump(cloudpickle.dumps, message)


def encode_by_value(message: Any) -> list[Buffer]:
    """Return the parts of a message that holds the user's functions: those of the main module go by value."""
    return _dump(cloudpickle.dumps, message)


def _dump(dumps: Any, message: Any) -> list[Buffer]:
    buffers: list[pickle.PickleBuffer] = []
    data = dumps(message, protocol=5, buffer_callback=buffers.append)
    return [data, *(buffer.raw() for buffer in buffers)]


def decode(parts: Sequence[Any]) -> Any:
    """Return the message whose parts were received."""
    return pickle.loads(parts[0], buffers=parts[1:])


def send(sock: socket.socket, parts: Sequence[Buffer]) -> None:
    """Send one frame.

    Raises:
        OSError: the other end is gone.
    """
    sizes = struct.pack(f"<{len(parts)}Q", *(memoryview(part).nbytes for part in parts))
    sock.sendall(_COUNT.pack(len(parts)) + sizes)
    for part in parts:
        sock.sendall(part)


def receive(sock: socket.socket) -> list[Any]:
    """Wait for one frame and return its parts, each in aligned memory of its own.

    Raises:
        EOFError: the other end is gone.
    """
    (count,) = _COUNT.unpack(_exactly(sock, _COUNT.size))
    sizes = struct.unpack(f"<{count}Q", _exactly(sock, 8 * count))
    return [_exactly(sock, size) for size in sizes]


def _exactly(sock: socket.socket, size: int) -> memoryview:
    data = aligned_bytes(size).data
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
