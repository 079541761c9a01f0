"""The folder of a cache: which segments there are, what they take, which was used last, and which one goes."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dataload.cache.locks import locked, try_lock
from dataload.cache.segments import DATA, INDEX, PREFIX, Segment
from dataload.errors import ConfigError

_LOCK = "cache.lock"


@dataclass(frozen=True)
class Usage:
    """What is in a cache.

    Attributes:
        size: of all files, in bytes.
        segments: how many there are.
        values: how many different values there are parts of, by kind.
        oldest: when the segment that comes first to go was used last, in seconds since 1970; 0 where there is none.
        newest: when the segment that was used last was.
    """

    size: int
    segments: int
    values: dict[bytes, int]
    oldest: float
    newest: float


@dataclass
class _Files:
    """The files of one segment: their size together, and when the index was used last, in ns."""

    size: int = 0
    used: int = 0


def make_folder(folder: Path) -> None:
    """Make the folder of a cache.

    Raises:
        ConfigError: it cannot be made, or nothing can be written in it.
    """
    probe = folder / f".{os.urandom(8).hex()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"cache={str(folder)!r}: cannot be written to ({error.strerror or error}): give a folder that can, on a "
            "disk of this machine"
        ) from None


def new_base(folder: Path) -> Path:
    """Return the path of a new segment's files, without the suffix."""
    return folder / f"{PREFIX}{time.time_ns():016x}-{os.urandom(4).hex()}"


def make_room(folder: Path, size: int, max_bytes: int, take: Callable[[], None]) -> bool:
    """Take some room in a cache, whose files together take no more than `max_bytes` then.

    The segments that were used longest ago are dropped for that, without those that have a writer now.

    Args:
        folder: of the cache.
        size: of the room, in bytes.
        max_bytes: that all files may take.
        take: takes it, by making a file larger, before anybody else counts.

    Returns:
        Whether there is room.

    Raises:
        OSError: the folder cannot be read or written.
    """
    with locked(folder / _LOCK) as held:
        if not held:
            return False
        files = _listed(folder)
        total = sum(one.size for one in files.values())
        for base in sorted(files, key=lambda base: files[base].used):
            if total + size <= max_bytes:
                break
            if _drop(base):
                total -= files[base].size
        if total + size > max_bytes:
            return False
        take()
        return True


def bases(folder: Path) -> set[str]:
    """Return the names of the segments, without the suffix; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return set()
    return {name.removesuffix(INDEX) for name in names if name.startswith(PREFIX) and name.endswith(INDEX)}


def survey(folder: Path) -> Usage:
    """Return what is in a cache.

    Raises:
        OSError: the folder cannot be read.
    """
    files = _listed(folder)
    keys: set[tuple[bytes, bytes]] = set()
    for number, base in enumerate(files):
        keys.update((entry.kind, entry.key) for _, entry in Segment(base, number).grow())
    times = [one.used / 1e9 for one in files.values()] or [0.0]
    return Usage(
        sum(one.size for one in files.values()),
        len(files),
        dict(Counter(kind for kind, _ in keys)),
        min(times),
        max(times),
    )


def clear(folder: Path) -> None:
    """Drop all segments, those too that are written now: their writers begin new ones.

    Raises:
        OSError: the folder cannot be read or written.
    """
    for base in _listed(folder):
        _unlink(base)


def _listed(folder: Path) -> dict[Path, _Files]:
    found: dict[Path, _Files] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            name, dot, suffix = entry.name.rpartition(".")
            if name.startswith(PREFIX) and dot + suffix in (DATA, INDEX):
                with suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    files = found.setdefault(folder / name, _Files())
                    files.size += about.st_size
                    # Data without an index are what a process that was killed has left: they go by their own time.
                    files.used = about.st_mtime_ns if dot + suffix == INDEX else files.used or about.st_mtime_ns
    return found


def _drop(base: Path) -> bool:
    """Delete a segment unless it has a writer; return whether it is gone."""
    try:
        descriptor = os.open(base.with_suffix(INDEX), os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return _unlink(base)
    except OSError:
        return False
    try:
        # Held until it is gone, so that nobody becomes its writer meanwhile.
        return try_lock(descriptor) is not False and _unlink(base)
    finally:
        os.close(descriptor)


def _unlink(base: Path) -> bool:
    try:
        # The index first: data without it are found by nobody but who looks for room.
        base.with_suffix(INDEX).unlink(missing_ok=True)
        base.with_suffix(DATA).unlink(missing_ok=True)
    except OSError:
        return False
    return True
