"""The cache itself: values by key, of which any part can be put and asked for."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dataload.cache.entries import OBJECT, Entry, decode
from dataload.cache.folder import bases, make_room, new_base
from dataload.cache.locks import in_turn
from dataload.cache.ranges import Ranges
from dataload.cache.segments import OpenFiles, Segment, Writer

# A cache has about as many segments: whole ones are dropped, so fewer would drop much at once.
_SEGMENTS = 64
_MAX_SEGMENT = 256 << 20
# Room is taken in portions of a segment, since each time all files are looked at.
_PORTIONS = 16

_log = logging.getLogger("dataload")


class Part(NamedTuple):
    """Bytes `start` to `stop` of a value; None where they are not there."""

    start: int
    stop: int
    data: bytes | None


class _Found(NamedTuple):
    """Where bytes `start` to `stop` of a value are; without segment and entry they are nowhere."""

    start: int
    stop: int
    place: int
    segment: Segment | None
    entry: Entry | None


class Cache:
    """Values by key in a folder, which any number of threads and processes use at once.

    Args:
        folder: where the files are; it is there.
        max_bytes: that all files together may take.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(max(max_bytes // _SEGMENTS, 1), _MAX_SEGMENT)
        self._files = OpenFiles()
        self._segments: dict[str, Segment] = {}
        self._by_number: dict[int, Segment] = {}
        self._ranges = Ranges()
        self._writer: Writer | None = None
        self._failed = False
        # Of what is in memory. Nobody waits for a disk with it, but who looks for what others have added.
        self._lock = threading.Lock()
        # Of the writer, so that who only reads does not wait for data to be written.
        self._writing = threading.Lock()
        self._last_number = 0

    def parts(self, key: bytes, start: int, stop: int) -> list[Part]:
        """Return bytes `start` to `stop` of a value in one or several parts, in order, without gaps between them."""
        digest = _digest(key)
        found = self._find(digest, start, stop)
        if any(one.entry is None for one in found):
            self._look()
            found = self._find(digest, start, stop)
        return [Part(one.start, one.stop, self._read(one)) for one in found]

    def get(self, key: bytes) -> bytes | None:
        """Return a value that was put in one piece, None where it is not there."""
        digest = _digest(key)
        value = _number(digest)
        with self._lock:
            first = self._ranges.first(value)
        if first is None:
            self._look()
            with self._lock:
                first = self._ranges.first(value)
        if first is None:
            return None
        found = self._find(digest, 0, first.stop)
        return self._read(found[0]) if len(found) == 1 else None

    def views(self, keys: Sequence[bytes]) -> list[memoryview | None]:
        """Return the values of some keys, each put in one piece, in memory that is mapped; None where one is not there.

        Who put them must see from the data whether they are whole: of a value above the size of a segment a part is
        returned.
        """
        digests = [_digest(key) for key in keys]
        found = [self._view(digest) for digest in digests]
        if any(view is None for view in found):
            self._look()
            found = [self._view(digest) if view is None else view for digest, view in zip(digests, found, strict=True)]
        return found

    def _view(self, digest: bytes) -> memoryview | None:
        value = _number(digest)
        with self._lock:
            first = self._ranges.first(value)
            segment = None if first is None else self._by_number.get(first.place >> 40)
            if first is None or segment is None:
                return None
            view = segment.view(digest, first.place & ((1 << 40) - 1))
            if view is None:
                # What is put in its place is kept. Two keys may have one number, if hardly ever.
                self._ranges.remove(value, first.start, first.place)
        return view

    def put(self, key: bytes, data: bytes, start: int = 0, kind: bytes = OBJECT) -> None:
        """Keep bytes of a value, from `start` on, unless they are there already.

        Where they cannot be kept, as the disk is full or others hold all room, they are not, and nothing is raised.

        Args:
            key: of the value. What it stands for must never change.
            data: some bytes, or all.
            start: where in the value they begin.
            kind: what the value is, for who lists the cache.
        """
        if len(data) <= self._max_bytes // 2:
            self._put([(key, data)], start, kind)

    def put_all(self, items: Sequence[tuple[bytes, bytes]], kind: bytes) -> None:
        """Keep values, by key, each in one piece: as `put`, and what is larger than a segment is not kept.

        Args:
            items: keys and all bytes of their values.
            kind: what the values are.
        """
        self._put([item for item in items if len(item[1]) <= self._segment_bytes], 0, kind)

    def _put(self, items: Sequence[tuple[bytes, bytes]], start: int, kind: bytes) -> None:
        if self._failed or not any(data for _, data in items):
            return
        with self._writing:
            self._look()
            try:
                for key, data in items:
                    digest = _digest(key)
                    if data and any(one.entry is None for one in self._find(digest, start, start + len(data))):
                        self._append(digest, data, start, kind)
            except OSError as error:
                self._give_up(error)
        self._look()

    def _append(self, digest: bytes, data: bytes, start: int, kind: bytes) -> None:
        view = memoryview(data)
        for at in range(0, len(data), self._segment_bytes):
            part = view[at : at + self._segment_bytes]
            writer = self._ready(len(part))
            if writer is None:
                return
            writer.append(kind, digest, start + at, part)

    def in_turn(self, key: bytes, start: int) -> AbstractContextManager[None]:
        """Return a block that threads and processes enter one after the other for what they would put at one place."""
        return in_turn(self._folder, _digest(b"%d\0%b" % (start, key)))

    def _find(self, digest: bytes, start: int, stop: int) -> list[_Found]:
        value = _number(digest)
        found = []
        with self._lock:
            for begin, end, place in self._ranges.find(value, start, stop):
                segment = self._by_number.get(place >> 40) if place >= 0 else None
                entry = None if segment is None else decode(segment.entries, place & ((1 << 40) - 1))
                # Two keys may have one number, if hardly ever.
                there = entry is not None and entry.key == digest
                found.append(_Found(begin, end, place, segment if there else None, entry if there else None))
        return found

    def _read(self, found: _Found) -> bytes | None:
        if found.segment is None or found.entry is None:
            return None
        data = found.segment.read(found.entry, found.start, found.stop, self._files)
        if data is None:
            # Whoever asks next is not told again that it is there, and what is put in its place is kept.
            with self._lock:
                self._ranges.remove(_number(found.entry.key), found.entry.start, found.place)
        return data

    def _look(self) -> None:
        """See what was added and dropped by anybody since the last time."""
        with self._lock:
            there = bases(self._folder)
            for base in self._segments.keys() - there:
                self._forget(base)
            for base in there - self._segments.keys():
                self._last_number += 1
                segment = Segment(self._folder / base, self._last_number)
                self._segments[base] = self._by_number[segment.number] = segment
            for segment in self._segments.values():
                for place, entry in segment.grow():
                    self._ranges.add(_number(entry.key), entry.start, entry.stop, place)

    def _forget(self, base: str) -> None:
        segment = self._segments.pop(base)
        del self._by_number[segment.number]
        self._files.drop(segment.data)
        for place, entry in segment.all():
            self._ranges.remove(_number(entry.key), entry.start, place)

    def _ready(self, size: int) -> Writer | None:
        """Return a writer with room for data of some size, None where there is no room."""
        writer = self._writer
        if writer is not None and writer.gone:
            writer.leave()
            writer = None
        if writer is not None and writer.end + size > self._segment_bytes:
            writer.finish()
            writer = None
        if writer is None:
            writer = self._adopted(size) or self._made()
        self._writer = writer
        missing = writer.missing(size)
        if missing > 0:
            room = max(missing, self._segment_bytes // _PORTIONS)
            if not make_room(self._folder, room, self._max_bytes, partial(writer.take, room)):
                return None
        return writer

    def _adopted(self, size: int) -> Writer | None:
        """Return the writer of a segment that others have left, None where there is none."""
        for base, segment in list(self._segments.items()):
            if not segment.ended and segment.whole and segment.end + size <= self._segment_bytes:
                with suppress(OSError):
                    return Writer(self._folder / base, segment)
        return None

    def _made(self) -> Writer:
        with suppress(OSError):  # Somebody may have deleted it; if not, the next line says what is wrong.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Writer(new_base(self._folder))

    def _give_up(self, error: OSError) -> None:
        self._failed = True
        with suppress(OSError):
            if self._writer is not None:
                self._writer.leave()
        self._writer = None
        _log.warning(
            "the cache %s cannot be written to (%s): this process reads on without adding to it",
            self._folder,
            error.strerror or error,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return open_cache, (self._folder, self._max_bytes)


def _digest(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=16).digest()


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "little")


_caches: dict[tuple[Path, int, int], Cache] = {}


def open_cache(folder: Path, max_bytes: int) -> Cache:
    """Return the cache in a folder: one in each process."""
    # A fork has a lock that another thread may hold, and a writer that is its parent's.
    key = (folder, max_bytes, os.getpid())
    return _caches.get(key) or _caches.setdefault(key, Cache(folder, max_bytes))


def leave_cache(folder: Path) -> None:
    """Forget the cache in a folder, whose files are closed when the last who uses it is gone."""
    for key in [key for key in _caches if key[0] == folder]:
        _caches.pop(key, None)
