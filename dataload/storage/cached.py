"""A store behind a network whose bytes are kept on a disk of this machine, and are read from there the next time.

What is kept is named by URL and tag, so that an object which is replaced is another one. Bytes are kept as they were
asked for, in the ranges of that time, and answer any range that lies in one of them or in several together.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dataload.cache.entries import ABOUT
from dataload.cache.folder import make_folder
from dataload.cache.store import Cache, Part, open_cache
from dataload.counts import Counts, count
from dataload.errors import ConfigError, ReplacedError, StorageError
from dataload.sizes import byte_size
from dataload.storage.backend import replaced
from dataload.storage.base import Found, Range, Stat, Store
from dataload.storage.paths import RemotePath
from dataload.storage.places import Place, Shard, Url, is_url, place

_MIN_BYTES = 1_000_000
_TOKEN_BYTES = 8
# Read by one for all who want it at the same time: those that wait pay more than a request, but bytes cost more.
_IN_TURN_BYTES = 1 << 20

_log = logging.getLogger("dataload")
_told: set[str] = set()


class CacheSettings(NamedTuple):
    """Where bytes are kept: an absolute folder, and how many bytes its files may take."""

    folder: str
    max_bytes: int


class CachedStore:
    """A store whose objects are read from a cache as far as they are there.

    Args:
        store: what reads the rest. Its methods are those of a store behind a network.
        settings: of the cache.
        run: of the source: what it learns about objects that were not listed holds as long as the source, as a listing
            does.
    """

    remote = True

    def __init__(self, store: Store, settings: CacheSettings, run: bytes) -> None:
        self._store, self._settings, self._run = store, settings, run

    def url(self, name: str) -> str:
        """Return the URL of an object."""
        return self._store.url(name)

    def stat(self, name: str) -> Stat:
        """Return size and tag of an object, asked for once in all processes of a run."""
        key = _key("about", self._run.hex(), self.url(name))
        known = self._cache().get(key)
        if known is not None:
            return Stat(int.from_bytes(known[:8], "little"), known[8:].decode())
        stat = self._store.stat(name)
        self._cache().put(key, stat.size.to_bytes(8, "little") + stat.tag.encode(), kind=ABOUT)
        return stat

    def read(self, name: str, start: int = 0, stop: int | None = None, tag: str = "") -> bytes:
        """Return the bytes of a range, never fewer; to the end where `stop` is None."""
        # Not by read_many: this may run on a thread of the pool that overlaps its reads.
        wanted = self._whole(name, start, stop, tag)
        if wanted is None:
            return self._store.read(name, start, stop, tag)
        parts = self._parts(wanted)
        missing = _missing(wanted, parts)
        if missing is None:
            return self._joined(wanted, parts, None, b"")
        if missing.stop - missing.start < _IN_TURN_BYTES:
            return self._joined(wanted, parts, missing, self._store.read(*missing))
        with self._cache().in_turn(self._name(missing), missing.start):
            # Somebody else may have read it meanwhile.
            parts = self._parts(wanted)
            missing = _missing(wanted, parts)
            return self._joined(wanted, parts, missing, self._store.read(*missing) if missing is not None else b"")

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of every range, in order; what is not kept is read as by the store itself."""
        wanted = [self._whole(*one) for one in ranges]
        parts = [[] if one is None else self._parts(one) for one in wanted]
        missing = [
            given if one is None else _missing(one, found)
            for given, one, found in zip(ranges, wanted, parts, strict=True)
        ]
        asked = [one for one in missing if one is not None]
        read = iter(self._store.read_many(asked) if asked else [])
        results = []
        for one, found, gap in zip(wanted, parts, missing, strict=True):
            data = b"" if gap is None else next(read)
            results.append(data if one is None else self._joined(one, found, gap, data))
        return results

    def list(self, prefix: str, deep: bool) -> Iterator[Found]:
        """Yield the objects in the folder of a prefix whose names begin with it."""
        return self._store.list(prefix, deep)

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Make or replace an object; it appears whole or not at all."""
        self._store.write(name, parts)

    def _cache(self) -> Cache:
        return open_cache(Path(self._settings.folder), self._settings.max_bytes)

    def _whole(self, name: str, start: int, stop: int | None, tag: str) -> Range | None:
        """Return a range with all that must be known to keep it, None where that cannot be known."""
        if not tag or stop is None:
            try:
                stat = self.stat(name)
            except ReplacedError:
                raise
            except StorageError:
                # Some servers only answer who reads; if not, reading says why.
                return None
            if tag and stat.tag and stat.tag != tag:
                raise replaced(self.url(name))
            tag, stop = tag or stat.tag, stat.size if stop is None else stop
        if not tag:
            self._tell_of_tags()
            return None
        return Range(name, start, max(start, stop), tag)

    def _parts(self, wanted: Range) -> Sequence[Part]:
        return self._cache().parts(self._name(wanted), wanted.start, wanted.stop)

    def _joined(self, wanted: Range, parts: Sequence[Part], missing: Range | None, data: bytes) -> bytes:
        """Return the bytes of a range, of what was kept and what was read; that is kept too."""
        if missing is not None:
            self._cache().put(self._name(missing), data, missing.start)
            parts = [
                *(part for part in parts if part.stop <= missing.start),
                Part(missing.start, missing.stop, data),
                *(part for part in parts if part.start >= missing.stop),
            ]
        found = [part.data for part in parts if part.data is not None]
        count(Counts(bytes_cached=wanted.stop - wanted.start - len(data)))
        return found[0] if len(found) == 1 else b"".join(found)

    def _name(self, one: Range) -> bytes:
        return _key("object", self.url(one.name), one.tag)

    def _tell_of_tags(self) -> None:
        root = self.url("")
        if root not in _told:
            _told.add(root)
            _log.warning(
                "%s: gives no ETag or the like for its objects, so that nothing would say that one was replaced: they "
                "are not kept in the cache %s",
                root,
                self._settings.folder,
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return CachedStore, (self._store, self._settings, self._run)

    def __repr__(self) -> str:
        return f"CachedStore({self._store!r}, {self._settings.folder!r})"


def _key(*texts: str) -> bytes:
    return "\0".join(texts).encode("utf-8", "surrogateescape")


def _missing(wanted: Range, parts: Sequence[Part]) -> Range | None:
    """Return the range from the first byte that is not there to the last one: one request, whatever lies between."""
    gaps = [part for part in parts if part.data is None]
    return wanted._replace(start=gaps[0].start, stop=gaps[-1].stop) if gaps else None


class Keeper:
    """Has the stores of one source read from a cache, or leaves them as they are.

    Args:
        folder: of the cache; None is no cache.
        max_bytes: that its files may take: a number, or text such as "100GB".

    Raises:
        ConfigError: one of the two without the other, a size that is none, or a folder that cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, max_bytes: int | str | None) -> None:
        self._settings = _settings(folder, max_bytes)
        self._run = os.urandom(_TOKEN_BYTES)
        self._stores: dict[int, CachedStore] = {}
        self._used = False
        if self._settings is not None:
            make_folder(Path(self._settings.folder))

    def store(self, store: Store) -> Store:
        """Return a store that reads from the cache; one of this machine as it is."""
        if self._settings is None or not store.remote:
            return store
        self._used = True
        if isinstance(store, CachedStore):
            return store
        # One for each, as sources read at once what one store has.
        return self._stores.setdefault(id(store), CachedStore(store, self._settings, self._run))

    def shards(self, shards: Sequence[Shard]) -> Sequence[Shard]:
        """Return shards whose bytes are kept.

        Raises:
            ConfigError: there is a cache, and none of them is behind a network.
        """
        kept = [shard._replace(place=Place(self.store(shard.place.store), shard.place.name)) for shard in shards]
        self.check(repr(shards[0].place.url))
        return kept

    def path(self, path: Path | RemotePath) -> Path | RemotePath:
        """Return the path of an object whose bytes are kept; one of this machine as it is."""
        return path.in_store(self.store(path.url.place.store)) if isinstance(path, RemotePath) else path

    def url(self, url: str) -> str:
        """Return a URL whose object's bytes are kept; a path of this machine as it is."""
        if self._settings is None or not is_url(url):
            return url
        known = url if isinstance(url, Url) else Url.of(place(url))
        return Url.of(Place(self.store(known.place.store), known.place.name), known.size, known.tag)

    def __getstate__(self) -> dict[str, Any]:
        # Stores are known by where they are in memory.
        return {**self.__dict__, "_stores": {}}

    def check(self, what: str) -> None:
        """Raise ConfigError if there is a cache, and nothing that was to be kept is behind a network.

        Args:
            what: was given in place of URLs, for the message.
        """
        if self._settings is not None and not self._used:
            raise ConfigError(
                f"cache={self._settings.folder!r} keeps what URLs lead to, and {what} is of this machine: leave out "
                "cache and cache_bytes"
            )


def _settings(folder: str | os.PathLike[str] | None, max_bytes: int | str | None) -> CacheSettings | None:
    if folder is None:
        if max_bytes is not None:
            raise ConfigError(f"cache_bytes={max_bytes!r} is the size of a cache: give its folder too, cache='folder'")
        return None
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder) or is_url(os.fspath(folder)):
        raise ConfigError(f"cache={folder!r} must be the path of a folder on a disk of this machine")
    if max_bytes is None:
        raise ConfigError(f"cache={os.fspath(folder)!r} has no size: say what it may take, cache_bytes='100GB'")
    try:
        size = byte_size(max_bytes) if isinstance(max_bytes, str) else max_bytes
    except ConfigError as error:
        raise ConfigError(f"cache_bytes={error}") from None
    if isinstance(size, bool) or not isinstance(size, int):
        raise ConfigError(f"cache_bytes={max_bytes!r} must be a whole number of bytes, or text such as '100GB'")
    if size < _MIN_BYTES:
        raise ConfigError(f"cache_bytes={max_bytes!r} must be at least 1 MB")
    return CacheSettings(str(Path(folder).expanduser().absolute()), size)
