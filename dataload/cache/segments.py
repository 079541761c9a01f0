"""A segment: the two files that data and their index are in, as they are read, and as its one writer extends them."""

from __future__ import annotations

import mmap
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from dataload.cache.entries import END, MAGIC, SMALLEST, Entry, checksums, decode, decode_all, encoded_size, look_at
from dataload.cache.locks import try_lock
from dataload.pread import pread

DATA, INDEX = ".data", ".index"
PREFIX = "segment-"
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
# A segment's use is recorded by the time of its index, no more often than this, in seconds.
_TOUCH_EVERY = 1.0
# What ends an index.
_MARK = encoded_size(0)
# As many files of data stay open for the next read.
_MAX_OPEN = 32


class _Open:
    """An open file, closed when the last read of it has ended."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | _FLAGS)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Not by whoever drops it: another thread may be reading from it.
        with suppress(AttributeError, OSError):
            close(self.descriptor)


class OpenFiles:
    """Files of data that are open."""

    def __init__(self) -> None:
        self._files: OrderedDict[Path, _Open] = OrderedDict()

    def get(self, path: Path) -> _Open:
        """Return an open file; two threads may open the same one, and one of them is kept."""
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = _Open(path)
            while len(self._files) > _MAX_OPEN:
                with suppress(KeyError):
                    self._files.popitem(last=False)
        return file

    def drop(self, path: Path) -> None:
        """Close a file, whose place on the disk is free only then."""
        self._files.pop(path, None)


class Segment:
    """A segment as it is read.

    Args:
        base: path of its files, without the suffix.
        number: of the segment in this process.
    """

    def __init__(self, base: Path, number: int) -> None:
        self.data, self.index = base.with_suffix(DATA), base.with_suffix(INDEX)
        self.number = number
        self.entries = bytearray()
        self.ended = False
        self.end = 0
        self._seen = 0
        self._touched = float("-inf")
        self._map: mmap.mmap | None = None
        # For each entry that might be, by where it begins, whether its data were found to be whole in this process.
        self._checked = bytearray()

    def grow(self) -> Iterator[tuple[int, Entry]]:
        """Yield the entries that were added since the last call, each with its place."""
        if self.ended:
            return
        try:
            size = self.index.stat().st_size
            if size == self._seen:
                return
            descriptor = os.open(self.index, os.O_RDONLY | _FLAGS)
        except OSError:  # It was dropped meanwhile.
            return
        try:
            at = len(self.entries)
            # Of what another process is writing now, the rest is read the next time.
            self.entries += pread(descriptor, size - at, at)
        except OSError:
            return
        finally:
            os.close(descriptor)
        self._seen = size
        if self.entries[: len(MAGIC)] != MAGIC:
            self.entries.clear()
            return
        whole = max(at, len(MAGIC))
        for begin, end, entry in decode_all(self.entries, whole):
            whole = end
            if entry.kind == END:
                self.ended = True
            else:
                self.end = max(self.end, entry.offset + entry.stop - entry.start)
                yield self.number << 40 | begin, entry
        del self.entries[whole:]

    def all(self) -> Iterator[tuple[int, Entry]]:
        """Yield the entries that were seen, each with its place."""
        for begin, _, entry in decode_all(self.entries, len(MAGIC)):
            yield self.number << 40 | begin, entry

    @property
    def whole(self) -> bool:
        """Whether the index ends with an entry that is whole."""
        return len(self.entries) == self._seen > 0

    def read(self, entry: Entry, start: int, stop: int, files: OpenFiles) -> bytes | None:
        """Return bytes `start` to `stop` of the value that an entry is of, None where they are damaged or gone."""
        begin, end, first = entry.blocks(start, stop)
        try:
            # Held by name until it is read: it is closed with the last reference to it.
            file = files.get(self.data)
            data = pread(file.descriptor, end - begin, entry.offset + begin)
        except OSError:
            return None
        if len(data) < end - begin or not entry.holds(data, first):
            return None
        self._touch()
        skipped = start - entry.start - begin
        return data if (skipped, len(data)) == (0, stop - start) else data[skipped : skipped + stop - start]

    def view(self, key: bytes, place: int) -> memoryview | None:
        """Return the data of an entry in memory that is mapped, None where they are damaged, gone, or of another key.

        Entry and data are compared with their checksums the first time: later that would take longer than all else.

        Args:
            key: digest of the value's key.
            place: where the entry begins in the index.
        """
        number = place // SMALLEST
        if number < len(self._checked) and self._checked[number]:
            found, start, stop, offset = look_at(self.entries, place)
            if found != key:
                return None
        else:
            entry = decode(self.entries, place)
            if entry is None or entry.key != key:
                return None
            _, _, start, stop, offset, _ = entry
            data = self._mapped_data(offset, offset + stop - start)
            if data is None or not entry.holds(data, 0):
                return None
            self._checked.extend(bytes(max(number + 1 - len(self._checked), 0)))
            self._checked[number] = 1
        self._touch()
        return self._mapped_data(offset, offset + stop - start)

    def _mapped_data(self, begin: int, end: int) -> memoryview | None:
        if self._map is None or end > len(self._map):
            self._map = _mapped(self.data)
            if self._map is None or end > len(self._map):
                return None
        return memoryview(self._map)[begin:end]

    def _touch(self) -> None:
        now = time.monotonic()
        if now - self._touched >= _TOUCH_EVERY:
            self._touched = now
            with suppress(OSError):
                os.utime(self.index)


class Writer:
    """The one writer of a segment: it holds a lock on the index as long as it lives.

    Args:
        base: path of the segment's files, without the suffix.
        segment: the segment, whose writer has ended; None makes a new one.

    Raises:
        OSError: the files cannot be made or written.
        BlockingIOError: the segment has a writer already, or is gone.
    """

    def __init__(self, base: Path, segment: Segment | None = None) -> None:
        self._open: list[int] = []
        self.base = base
        self.end = self._granted = 0
        flags = os.O_RDWR | _FLAGS | (0 if segment else os.O_CREAT | os.O_EXCL)
        try:
            self._index, self._data = (self._opened(base.with_suffix(suffix), flags) for suffix in (INDEX, DATA))
            if not try_lock(self._index) and segment is not None:
                raise BlockingIOError
            if segment is None:
                _write(self._index, MAGIC, 0)
                self._index_end = len(MAGIC)
            else:
                # What was added between the last look and the lock is seen now.
                self._index_end = os.fstat(self._index).st_size
                if self._index_end != len(segment.entries) or self.gone:
                    raise BlockingIOError
                self.end = segment.end
            self._grant(self.end)
        except BaseException:
            self._close()
            raise

    def _opened(self, path: Path, flags: int) -> int:
        descriptor = os.open(path, flags, 0o600)
        self._open.append(descriptor)
        return descriptor

    @property
    def gone(self) -> bool:
        """Whether somebody has deleted the segment."""
        return os.fstat(self._index).st_nlink == 0

    def missing(self, size: int) -> int:
        """Return by how much the room that was taken is too small for data of some size, with all that goes with it."""
        return self.end + size + encoded_size(size) + _MARK - self._granted

    def take(self, size: int) -> None:
        """Take room on the disk: the file of data grows by it, so that others count it from now on."""
        self._grant(self._granted + size)

    def _grant(self, end: int) -> None:
        os.truncate(self._data, end)
        self._granted = end

    def append(self, kind: bytes, key: bytes, start: int, data: bytes | memoryview) -> None:
        """Write data, for which there is room, and then their entry.

        Raises:
            OSError: the disk is full, or fails; nothing was added.
        """
        encoded = Entry(kind, key, start, start + len(data), self.end, checksums(data)).encode()
        _write(self._data, data, self.end)
        _write(self._index, encoded, self._index_end)
        self._index_end += len(encoded)
        self.end += len(data)
        # The entry was part of the room.
        self._grant(max(self._granted - len(encoded), self.end))

    def finish(self) -> None:
        """End the segment: nothing follows, for nobody."""
        try:
            self._grant(self.end)
            mark = Entry(END, bytes(16), 0, 0, 0, b"").encode()
            _write(self._index, mark, self._index_end)
        finally:
            self._close()

    def leave(self) -> None:
        """Leave the segment as it is, for another writer."""
        with suppress(OSError):
            self._grant(self.end)
        self._close()

    def _close(self) -> None:
        # The lock goes with the last descriptor: a fork has these too, and never uses them.
        while self._open:
            with suppress(OSError):
                os.close(self._open.pop())
        # Another file may have their numbers from now on.
        self._index = self._data = -1

    def __del__(self) -> None:
        self._close()


def _mapped(path: Path) -> mmap.mmap | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        try:
            # Room that a writer has taken, too: so it is mapped again once for each of its portions.
            return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):  # gone, or empty
        return None


def _write(descriptor: int, data: bytes | memoryview, at: int) -> None:
    os.lseek(descriptor, at, os.SEEK_SET)
    view = memoryview(data)
    while len(view):
        view = view[os.write(descriptor, view) :]
