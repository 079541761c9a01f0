"""The files of this machine as a store: names are paths."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dataload.errors import DataloadError, ReplacedError, SourceNotFound, StorageError
from dataload.pread import pread
from dataload.storage.base import Found, Range, Stat

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
# As many files stay open for the next read. More would come near to what a process may have open (often 1024).
_MAX_OPEN = 64


class _Open:
    """A file that is open, and is closed when the last read of it has ended."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, _FLAGS)
        try:
            found = os.fstat(self.descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise StorageError(f"{path}: is no regular file: give the files in it, or write what it gives to one")
            self.stat = _stat(found)
        except BaseException:
            os.close(self.descriptor)
            raise

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Not by whoever drops it from the open files: another thread may be reading from it. At the end of a program
        # the names of this module are gone before the last file is.
        try:
            close(self.descriptor)
        except (AttributeError, OSError):  # It could not be opened.
            return


class LocalStore:
    """The files of this machine.

    The tag of a file is made of its size and the time of its last change.
    """

    remote = False

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._lock = threading.Lock()

    def url(self, name: str) -> str:
        """Return the path."""
        return name

    def stat(self, name: str) -> Stat:
        """Return size and tag of a file, as it is now."""
        try:
            found = Path(name).stat()
        except OSError as error:
            raise _explained(name, error) from None
        if not stat.S_ISREG(found.st_mode):
            raise StorageError(f"{name}: is no regular file: give the files in it, or write what it gives to one")
        return _stat(found)

    def read(self, name: str, start: int = 0, stop: int | None = None, tag: str = "") -> bytes:
        """Return the bytes of a range, never fewer; to the end where `stop` is None."""
        try:
            file = self._file(name, tag)
            return _read(file, name, start, os.fstat(file.descriptor).st_size if stop is None else stop)
        except OSError as error:
            raise _explained(name, error) from None

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of every range, in order; a file is looked at once for those that follow each other."""
        values = []
        file, last = None, ("", "")
        for name, start, stop, tag in ranges:
            try:
                if file is None or last != (name, tag):
                    file, last = self._file(name, tag), (name, tag)
                values.append(_read(file, name, start, stop))
            except OSError as error:
                raise _explained(name, error) from None
        return values

    def list(self, prefix: str, deep: bool) -> Iterator[Found]:
        """Yield the regular files in the folder of a prefix whose paths begin with it; not behind links."""
        folder, slash, _ = prefix.rpartition("/")
        for path, inner, names in os.walk(folder + slash or ".", onerror=_check_listing):
            begin = path if path.endswith("/") else f"{path}/"
            for name in names:
                full = begin + name if folder + slash else (begin + name).removeprefix("./")
                if full.startswith(prefix):
                    with suppress(OSError):  # A link that leads nowhere.
                        found = Path(full).stat()
                        if stat.S_ISREG(found.st_mode):
                            yield Found(full, *_stat(found))
            if not deep:
                inner.clear()

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Make or replace a file; it appears whole or not at all."""
        path = Path(name)
        # In the same folder, since only there it is renamed in one step; hidden, so that no pattern finds it.
        unfinished = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("xb") as file:
                    for part in parts:
                        file.write(part)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(path)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _explained(name, error, "written") from None

    def _file(self, name: str, tag: str) -> _Open:
        with self._lock:
            file = self._open.get(name)
            # Asked anew, as a file may have been written over since it was opened.
            if file is not None and (not tag or _stat(os.fstat(file.descriptor)).tag == tag):
                self._open.move_to_end(name)
                return file
        file = _Open(name)
        if tag and file.stat.tag != tag:
            raise ReplacedError(f"{name}: was replaced since it was listed or its index was made: make the source anew")
        with self._lock:
            self._open[name] = file
            most = _max_open()
            while len(self._open) > most:
                self._open.popitem(last=False)
        return file

    def unlock(self) -> None:
        """Have a lock of its own, in a fork made while another thread held the one of its parent."""
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_local, ())

    def __repr__(self) -> str:
        return "LocalStore()"


LOCAL = LocalStore()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOCAL.unlock)


def _local() -> LocalStore:
    return LOCAL


def _read(file: _Open, name: str, start: int, stop: int) -> bytes:
    found = pread(file.descriptor, stop - start, start)
    if len(found) < stop - start:
        raise ReplacedError(
            f"{name}: ends at byte {start + len(found)}, before {stop}, up to which it is to be read: it was replaced "
            "or cut off; fetch it again, and make a new index of it"
        )
    return found


def _stat(found: os.stat_result) -> Stat:
    return Stat(found.st_size, f"{found.st_size:x}-{found.st_mtime_ns:x}")


def _max_open() -> int:
    """Return how many files stay open: few enough that the program can open others, whatever its limit."""
    if sys.platform == "win32":
        return _MAX_OPEN
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MAX_OPEN if limit == resource.RLIM_INFINITY else min(_MAX_OPEN, max(1, limit // 4))


def _check_listing(error: OSError) -> None:
    """Raise StorageError where a folder was not listed for want of descriptors: it would be taken for an empty one."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise StorageError(f"{error.filename}: cannot be listed: {error.strerror}: raise ulimit -n")


def _explained(name: str, error: OSError, what: str = "read") -> Exception:
    if isinstance(error, DataloadError):
        return error
    if isinstance(error, FileNotFoundError | NotADirectoryError) and what == "read":
        return SourceNotFound(f"{name}: no such file (looked from {Path.cwd()}): check the path")
    mend = ": raise ulimit -n" if error.errno in (errno.EMFILE, errno.ENFILE) else ""
    return StorageError(f"{name}: cannot be {what}: {error.strerror or error}{mend}")
