"""Bytes of a text file by position, as UTF-8, whatever it is packed or encoded in.

A compressed or transcoded file can only be read forwards. Its reader keeps its state every few megabytes, so that a
stretch is reached from the nearest state before it. States stay in the process: another one makes its own on its way.
"""

from __future__ import annotations

import codecs
import zlib
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from dataload.storage import files as storage_files
from dataload.storage.paths import RemotePath

_CHUNK = 64 << 10
_STATE_EVERY = 8 << 20
_GZIP = 31  # wbits of zlib: a gzip header, any window


class Stream(Protocol):
    """Bytes by position."""

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`, fewer only where the stream ends."""
        ...


class Plain:
    """A file as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`, fewer only where the file ends."""
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(length)


class Cursor(Protocol):
    """A reader that goes forwards only, and can be copied where it stands."""

    at: int

    def advance(self) -> bytes:
        """Return the next bytes, none at the end."""
        ...

    def copy(self) -> Cursor:
        """Return an independent reader at the same place."""
        ...


class Inflate:
    """Reads gzip, also where several members follow each other.

    Raises:
        EOFError: the file ends before its data do.
        zlib.error: it is damaged.
    """

    def __init__(self, stream: Stream) -> None:
        self.at = 0
        self._stream = stream
        self._from = 0
        self._member: Any = None

    def advance(self) -> bytes:
        """Return the next bytes, none at the end."""
        while packed := self._stream.read(self._from, _CHUNK):
            if self._member is None:
                begun = packed.lstrip(b"\0")  # Members may be padded.
                self._from += len(packed) - len(begun)
                if not begun:
                    continue
                packed, self._member = begun, zlib.decompressobj(_GZIP)
            found: bytes = self._member.decompress(packed)
            self._from += len(packed) - len(self._member.unused_data)
            if self._member.eof:
                self._member = None
            if found:
                self.at += len(found)
                return found
        if self._member is not None:
            raise EOFError("the compressed data end too early: the file is cut off")
        return b""

    def copy(self) -> Inflate:
        """Return an independent reader at the same place."""
        copy = Inflate(self._stream)
        copy.at, copy._from = self.at, self._from
        copy._member = None if self._member is None else self._member.copy()
        return copy


class Transcode:
    """Reads text of any encoding as UTF-8.

    A byte that the encoding does not know becomes bytes that UTF-8 does not know, so that whoever reads the rows can
    say in which row and column it stands.
    """

    def __init__(self, stream: Stream, encoding: str) -> None:
        self.at = 0
        self._stream = stream
        self._encoding = encoding
        self._from = 0
        self._ended = False
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")

    def advance(self) -> bytes:
        """Return the next bytes, none at the end."""
        while not self._ended:
            encoded = self._stream.read(self._from, _CHUNK)
            self._from += len(encoded)
            self._ended = not encoded
            text = self._decoder.decode(encoded, final=self._ended)
            if text:
                found = text.encode("utf-8", "surrogatepass")
                self.at += len(found)
                return found
        return b""

    def copy(self) -> Transcode:
        """Return an independent reader at the same place."""
        copy = Transcode(self._stream, self._encoding)
        copy.at, copy._from, copy._ended = self.at, self._from, self._ended
        copy._decoder.setstate(self._decoder.getstate())
        return copy


class Forwards:
    """A stream over a cursor.

    Args:
        begin: makes a cursor at the start.
    """

    def __init__(self, begin: Callable[[], Cursor]) -> None:
        self._begin = begin
        self._forget()

    def _forget(self) -> None:
        self._states: list[Cursor] = [self._begin()]
        self._last = self._states[0].copy()
        self._left = b""  # what the last cursor has read, and no one asked for yet

    def __getstate__(self) -> dict[str, Any]:
        return {"_begin": self._begin}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`, fewer only where the stream ends."""
        place = self._last.at - len(self._left)
        if start < place or bisect_right(self._states, start, key=lambda state: state.at) > bisect_right(
            self._states, place, key=lambda state: state.at
        ):
            self._last = self._states[bisect_right(self._states, start, key=lambda state: state.at) - 1].copy()
            self._left = b""
        parts: list[bytes] = []
        missing = length
        while missing > 0 and (found := self._left or self._next()):
            self._left = b""
            begin = self._last.at - len(found)
            found = found[max(start - begin, 0) :]
            parts.append(found[:missing])
            self._left = found[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def _next(self) -> bytes:
        found = self._last.advance()
        if self._last.at >= self._states[-1].at + _STATE_EVERY:
            self._states.append(self._last.copy())
        return found


class _Inflated:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __call__(self) -> Cursor:
        return Inflate(self._stream)


class _Transcoded:
    def __init__(self, stream: Stream, encoding: str) -> None:
        self._stream, self._encoding = stream, encoding

    def __call__(self) -> Cursor:
        return Transcode(self._stream, self._encoding)


def open_stream(path: Path | RemotePath, encoding: str) -> Stream:
    """Return the text of a file as UTF-8 bytes; a name that ends in .gz is unpacked."""
    stream: Stream = Plain(path) if isinstance(path, Path) else storage_files.Forwards(path.url)
    if path.suffix.lower() == ".gz":
        stream = Forwards(_Inflated(stream))
    if codecs.lookup(encoding).name != "utf-8":
        stream = Forwards(_Transcoded(stream, encoding))
    return stream
