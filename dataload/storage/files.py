"""Objects as binary files, for packages that read from such."""

from __future__ import annotations

import io
import os

from dataload.storage.places import Url

# What is read at once by who reads forwards in small steps.
_AHEAD = 4 << 20


class ObjectFile(io.RawIOBase):
    """An object as a file to read from; each read is a request.

    Args:
        url: of the object, whose size is asked for if it is not known.
    """

    def __init__(self, url: Url) -> None:
        self._url = url.listed()
        self._at = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def size(self) -> int:
        """Return how many bytes there are."""
        return self._url.size

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a place."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._url.size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, fewer only at the end."""
        stop = self._url.size if size is None or size < 0 else min(self._at + size, self._url.size)
        data = self._url.place.read(self._at, stop, self._url.tag)
        self._at += len(data)
        return data

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Read into memory."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Forwards:
    """Bytes of an object by position, for who reads it through in small steps: some megabytes come at once.

    Args:
        url: of the object.
    """

    def __init__(self, url: Url) -> None:
        self._url = url.listed()
        self._begin, self._data = 0, b""

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`, fewer only where the object ends."""
        stop = min(start + length, self._url.size)
        # Another thread may put other bytes there meanwhile.
        begin, data = self._begin, self._data
        if not begin <= start <= stop <= begin + len(data):
            begin, data = (
                start,
                self._url.place.read(start, min(max(stop, start + _AHEAD), self._url.size), self._url.tag),
            )
            self._begin, self._data = begin, data
        return data[start - begin : max(stop, start) - begin]

    def __reduce__(self) -> tuple[type[Forwards], tuple[Url]]:
        return Forwards, (self._url,)
