"""Stores behind a network: what they have in common, whichever package talks to them.

Reads are tried again when they fail in passing, checked for being whole and of the object that was listed, joined with
their neighbours, and kept under way side by side.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from dataload.counts import Counts, count
from dataload.errors import ConfigError, ReplacedError, StorageError
from dataload.extras import require
from dataload.storage import secrets
from dataload.storage.backend import Backend, MakeBackend, Settings, replaced
from dataload.storage.base import Found, Range, Stat
from dataload.storage.joining import Pace, join
from dataload.storage.pool import side_by_side
from dataload.storage.retry import persistently

_RETRIES = 8
# What is to be written is kept in memory up to this, and in a file beyond.
_MAX_IN_MEMORY = 32 << 20
# Of a store that has never answered: it may not exist, and nobody should wait a minute to hear that.
_FIRST_RETRIES = 2
_OBJECTS = ("s3", "s3a", "gs", "gcs", "az", "azure", "adl", "abfs", "abfss", "http", "https")

T = TypeVar("T")


class RemoteStore:
    """A bucket, a host, or another store behind a network.

    Args:
        root: URL of the store, without anything secret.
        make: makes the backend of a root, with settings and the package's own options.
        token: of its options: see `secrets`.
    """

    remote = True

    def __init__(self, root: str, make: MakeBackend, token: str) -> None:
        self._root = root
        self._make = make
        self._token = token
        self._backend: Backend | None = None
        self._lock = threading.Lock()
        self._answered = False
        self._pace = Pace()

    def url(self, name: str) -> str:
        """Return the URL of an object."""
        return f"{self._root}/{name}" if name else self._root

    def stat(self, name: str) -> Stat:
        """Return size and tag of an object."""
        return self._ask(lambda backend: backend.stat(name), f"{self.url(name)}: cannot be asked for")

    def read(self, name: str, start: int = 0, stop: int | None = None, tag: str = "") -> bytes:
        """Return the bytes of a range, never fewer; to the end where `stop` is None."""
        if stop is not None and stop <= start:
            return b""
        begin = time.monotonic()
        data, stat = self._ask(lambda backend: backend.get(name, start, stop, tag), f"{self.url(name)}: cannot be read")
        if tag and stat.tag and stat.tag != tag:
            # Some servers do not know If-Match, and give what is there now.
            raise replaced(self.url(name))
        if stop is not None and len(data) < stop - start:
            raise ReplacedError(
                f"{self.url(name)}: ends at byte {start + len(data)}, before {stop}, up to which it is to be read: it "
                "was replaced or cut off; upload it again, and make a new index of it"
            )
        self._pace.seen(len(data), time.monotonic() - begin)
        count(Counts(bytes_read=len(data)))
        return data

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of every range, in order; neighbours are joined, and the reads overlap."""
        joined = join(ranges, self._pace.worth())
        parts = side_by_side(lambda one: self.read(*one.range), joined)
        results = [b""] * len(ranges)
        for one, data in zip(joined, parts, strict=True):
            for place in one.places:
                begin = ranges[place].start - one.range.start
                results[place] = data[begin : begin + ranges[place].stop - ranges[place].start]
        return results

    def list(self, prefix: str, deep: bool) -> Iterator[Found]:
        """Yield the objects in the folder of a prefix whose names begin with it."""
        folder, slash, _ = prefix.rpartition("/")
        what = f"{self.url(prefix)}: cannot be listed"
        # Page by page as they come: a bucket may hold more than fits into memory twice.
        listing = self._ask(lambda backend: _begun(backend.list(folder + slash, deep)), what)
        return (found for found in listing if found.name.startswith(prefix))

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Make or replace an object; it appears whole or not at all."""
        backend = self._opened()
        # Not as they come: obstore asks for them inside of its own loop, in which the parts could not be read from a
        # store themselves; and an upload that waits for them would time out.
        with tempfile.SpooledTemporaryFile(_MAX_IN_MEMORY) as whole:
            for part in parts:
                try:
                    whole.write(part)
                except OSError as error:
                    raise StorageError(
                        f"{tempfile.gettempdir()}: has no place for what goes to {self.url(name)}, which is kept there "
                        f"until it is whole: {error.strerror}; set TMPDIR to a folder with more"
                    ) from None
            whole.seek(0)
            backend.put(name, whole)  # type: ignore[arg-type]

    def _ask(self, work: Callable[[Backend], T], what: str) -> T:
        backend = self._opened()
        retries = self._settings.max_retries
        try:
            result = persistently(
                lambda: work(backend), what, retries if self._answered else min(retries, _FIRST_RETRIES)
            )
        except BaseException:
            if not self._answered:
                # Who mends the environment variables now and tries again shall find them read again.
                self._backend = None
            raise
        self._answered = True
        return result

    def _opened(self) -> Backend:
        backend = self._backend
        if backend is None:
            with self._lock:
                # Another thread, whose first request fails, may take it away again at any moment.
                backend = self._backend
                if backend is None:
                    options = dict(secrets.look_up(self._token, self._root))
                    self._settings = _settings(options)
                    backend = self._backend = self._make(self._root, self._settings, options)
        return backend

    def __reduce__(self) -> tuple[Any, ...]:
        return _store, (self._root, self._make, self._token)

    def __repr__(self) -> str:
        return f"RemoteStore({self._root!r})"


def _begun(listing: Iterator[Found]) -> Iterator[Found]:
    """Return a listing of which the first page has come, so that a failure to begin is one that can be tried again."""
    first = next(listing, None)

    def whole() -> Iterator[Found]:
        if first is not None:
            yield first
            yield from listing

    return whole()


def _settings(options: dict[str, Any]) -> Settings:
    """Take the library's own out of some options."""
    timeout, retries = options.pop("timeout", 10.0), options.pop("max_retries", _RETRIES)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise ConfigError(f"storage_options: timeout={timeout!r} must be a number of seconds above 0")
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ConfigError(f"storage_options: max_retries={retries!r} must be a whole number from 0 up")
    return Settings(float(timeout), retries)


_stores: dict[tuple[str, str], RemoteStore] = {}


def _store(root: str, make: MakeBackend, token: str) -> RemoteStore:
    """Return the store of a root: one in each process, so that its connections are kept."""
    # After a fork the connections of the parent must not be used.
    key = (root, f"{token} {os.getpid()}")
    return _stores.setdefault(key, RemoteStore(root, make, token))


def open_store(url: str, options: Mapping[str, Any] | None) -> tuple[RemoteStore, str]:
    """Return the store of a URL, and the name in it.

    Raises:
        ConfigError: nobody knows such URLs, or the URL holds a password or a signature.
        MissingExtra: the package that talks to such stores is not installed.
    """
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    host, _, name = rest.partition("/")
    if "@" in host and not scheme.startswith("abfs"):
        shown = f"{scheme}://…@{host.rpartition('@')[2]}/{name}"
        raise ConfigError(f"{shown}: a URL with a user or password in it: give these as storage_options")
    if "::" in url:
        # Not shown: there may be a password in any part of it.
        raise ConfigError(f"{scheme}://…::…: a URL inside of another: copy the object to a place of its own")
    if not host:
        raise ConfigError(f"{url!r}: says no bucket or host: write {scheme}://bucket/name")
    if scheme in ("http", "https") and re.search("[?#]", name):
        shown = re.split("[?#]", url)[0]
        raise ConfigError(
            f"{shown}?…: a URL with a query or a signature in it cannot be kept out of messages: give what it says as "
            "storage_options, such as client_options={'default_headers': …}"
        )
    return _store(f"{scheme}://{host}", find_backend(scheme, url), secrets.keep(options)), name


def find_backend(scheme: str, url: str) -> MakeBackend:
    """Return what makes the backend for URLs of a scheme.

    Raises:
        ConfigError: there is none.
        MissingExtra: its package is not installed.
    """
    if scheme in _OBJECTS:
        require("obstore", extra="remote", purpose=f"reading {url}")
        from dataload.storage.objects import ObjectBackend

        return ObjectBackend
    require("fsspec", extra="remote", purpose=f"reading {url}")
    from dataload.storage.filesystems import FilesystemBackend, check_scheme

    check_scheme(scheme, url)
    return FilesystemBackend
