"""What goes to the workers: the pipeline, once, in shared memory that all of them map.

The arrays of a source are not copied for each worker: every worker sees the same pages, copied only where somebody
writes to them.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataload.memory import ALIGNMENT
from dataload.transport import wire
from dataload.transport.shared import SharedMemory, create


class Payload:
    """A pickle and its arrays in shared memory, to be sent to any number of workers.

    Args:
        data: the pickle.
        buffers: the memory of the arrays in it.
    """

    def __init__(self, data: bytes, buffers: Sequence[memoryview]) -> None:
        parts = [memoryview(data), *buffers]
        self._places = []
        size = 0
        for part in parts:
            self._places.append((size, part.nbytes))
            size = -(-(size + part.nbytes) // ALIGNMENT) * ALIGNMENT
        self._handle: int | str | None = create(size)
        try:
            self._memory = SharedMemory(self._handle, size)
            block = self._memory.block()
            for part, (start, length) in zip(parts, self._places, strict=True):
                block[start : start + length] = np.frombuffer(part, np.uint8)
        except BaseException:
            self.close()
            raise

    def send(self, sock: socket.socket) -> None:
        """Send it to one worker."""
        name = self._handle if isinstance(self._handle, str) else None
        wire.send(sock, pickle.dumps((self._memory.size, self._places, name)))
        if isinstance(self._handle, int):
            wire.send_descriptors(sock, [self._handle])

    def close(self) -> None:
        """Give up the handle; workers that have received it keep their mapping. May be called again."""
        handle, self._handle = self._handle, None
        if isinstance(handle, int):
            os.close(handle)


def receive_payload(sock: socket.socket) -> tuple[bytes, list[Any]]:
    """Wait for a payload; return the pickle and the memory of its arrays, writable, for this process alone."""
    header, _ = wire.receive(sock)
    size, places, name = pickle.loads(header)
    handle = wire.receive_descriptors(sock, 1)[0] if name is None else name
    try:
        block = SharedMemory(handle, size, private=True).block()
    finally:
        if isinstance(handle, int):
            os.close(handle)
    data, *buffers = [block[start : start + length] for start, length in places]
    return data.tobytes(), buffers
