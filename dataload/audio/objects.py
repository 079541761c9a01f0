"""Audio files in stores behind a network: whole in one request, or in parts where the format allows that."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from dataload.storage.places import Url

ReadAt = Callable[[int, int], bytes]

# What a first look at a file is answered from: no header of WAV, and no frame of another format, is longer.
_HEAD = 1 << 16
# Files that were read whole for a segment of them: the next segment is often of the same file.
_KEPT_FILES, _MAX_KEPT_BYTES = 4, 256 << 20


def read_whole(url: Url) -> tuple[ReadAt, int]:
    """Read a file in one request; return how to read from it, and its size in bytes."""
    data = url.read()
    return _from(data), len(data)


def open_parts(url: Url) -> tuple[ReadAt, int]:
    """Return how to read parts of a file, each in a request of its own, and its size in bytes."""
    url = url.listed()
    head = url.place.read(0, min(_HEAD, url.size), url.tag)

    def read_at(offset: int, n: int) -> bytes:
        stop = min(offset + n, url.size)
        if stop <= len(head):
            return head[offset:stop]
        if offset == 0 and stop == url.size:
            return _kept.whole(url)
        return url.place.read(offset, stop, url.tag)

    return read_at, url.size


def _from(data: bytes) -> ReadAt:
    return lambda offset, n: data[offset : offset + n]


class _Kept:
    """The files that were read whole last."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def whole(self, url: Url) -> bytes:
        """Return all of a file; two threads may read the same one."""
        key = (str(url), url.tag)
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
                return self._files[key]
        data = url.read()
        with self._lock:
            # Without a tag nothing would say that the file was replaced.
            if url.tag and len(data) <= _MAX_KEPT_BYTES:
                self._files[key] = data
            while len(self._files) > _KEPT_FILES or sum(map(len, self._files.values())) > _MAX_KEPT_BYTES:
                self._files.popitem(last=False)
        return data


_kept = _Kept()
