"""From what a user writes, a path or a URL, to a store and a name in it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from pathlib import Path
from typing import Any, NamedTuple

from dataload.errors import ConfigError, SourceNotFound
from dataload.storage.base import Stat, Store
from dataload.storage.local import LOCAL

_MAX_NAMES = 1_000_000
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_NUMBERS = re.compile(r"(\d+)\.\.(\d+)")
_MAGIC = re.compile(r"[*?[]")

Options = Mapping[str, Any]


class Place(NamedTuple):
    """An object: its store and its name there."""

    store: Store
    name: str

    @property
    def url(self) -> str:
        """What to call it in messages: its path or URL."""
        return self.store.url(self.name)

    def stat(self) -> Stat:
        """Return its size and tag."""
        return self.store.stat(self.name)

    def read(self, start: int = 0, stop: int | None = None, tag: str = "") -> bytes:
        """Return the bytes of a range: see `Store.read`."""
        return self.store.read(self.name, start, stop, tag)


class Url(str):
    """The URL of an object, as text that knows how the object is reached.

    Attributes:
        place: its store and its name there.
        size: of the object in bytes; -1 where it was not listed.
        tag: that it shall have; empty where it was not listed.
    """

    place: Place
    size: int
    tag: str

    @classmethod
    def of(cls, place: Place, size: int = -1, tag: str = "") -> Url:
        """Return the URL of an object that was listed, or only named."""
        url = cls(place.url)
        url.place, url.size, url.tag = place, size, tag
        return url

    def listed(self) -> Url:
        """Return the URL with size and tag, asked for now if not known, so that all reads are of one object."""
        return self if self.size >= 0 else Url.of(self.place, *self.place.stat())

    def read(self) -> bytes:
        """Return all bytes of the object."""
        return self.place.read(0, self.size if self.size >= 0 else None, self.tag)

    def __reduce__(self) -> Any:
        return Url.of, (self.place, self.size, self.tag)


class Shard(NamedTuple):
    """An object that was found: where it is, its size in bytes and its tag."""

    place: Place
    size: int
    tag: str


def is_url(path: Any) -> bool:
    """Return whether this is a URL such as s3://bucket/name, not a path of this machine."""
    return isinstance(path, str) and _URL.match(path) is not None


def place(path: str | os.PathLike[str], options: Options | None = None) -> Place:
    """Return where a path or URL leads to.

    Args:
        path: of an object, or the beginning of the names of several.
        options: how to reach it; None is what a `Url` knows, or else what the environment says.

    Raises:
        ConfigError: a scheme that nobody knows, or options for a path of this machine.
        MissingExtra: the package that reads such URLs is not installed.
    """
    if isinstance(path, Url) and not options:
        return path.place
    text = os.fspath(path)
    if is_url(text) and not text.lower().startswith("file://"):
        from dataload.storage.remote import open_store

        return Place(*open_store(text, options))
    if options:
        raise ConfigError(f"storage_options goes with a URL, and {text!r} is a path of this machine: leave it out")
    # On Windows both slashes part folders; names in stores know one.
    return Place(LOCAL, re.sub("(?i)^file://", "", text).replace(os.sep, "/"))


def as_url(path: str | os.PathLike[str]) -> Url:
    """Return a path or URL as text that knows how it is reached: as its source does, or as the environment says."""
    return path if isinstance(path, Url) else Url.of(place(path))


def expand_braces(pattern: str) -> Iterator[str]:
    """Yield what a pattern with braces stands for: {wav,flac} is both, {000..127} the numbers from 000 to 127.

    Other braces are letters like others.

    Raises:
        ConfigError: more than a million.
    """
    for number, one in enumerate(_expanded(pattern)):
        if number == _MAX_NAMES:
            raise ConfigError(f"{pattern!r} stands for more than {_MAX_NAMES} names: take a pattern with *, or fewer")
        yield one


def _expanded(pattern: str) -> Iterator[str]:
    for match in re.finditer(r"\{([^{}]*)\}", pattern):
        numbers = _NUMBERS.fullmatch(match.group(1))
        if numbers is None and "," not in match.group(1):
            continue
        choices = match.group(1).split(",") if numbers is None else _numbers(*numbers.groups())
        for choice in choices:
            yield from _expanded(pattern[: match.start()] + choice + pattern[match.end() :])
        return
    yield pattern


def _numbers(first: str, last: str) -> Iterator[str]:
    """Yield the numbers between two, both included, with as many digits as the one with leading zeros."""
    width = max(len(text) if text.startswith("0") else 1 for text in (first, last))
    low, high = int(first), int(last)
    step = 1 if high >= low else -1
    return (f"{number:0{width}}" for number in range(low, high + step, step))


def find_shards(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], suffix: str, options: Options | None = None
) -> list[Shard]:
    """Return the objects of paths or URLs, each once: patterns in sorted order, lists in theirs.

    Args:
        paths: a path or URL, with braces and with *, ? and [...] in its last part; a folder, which means what ends in
            `suffix` in it; or a list of these.
        suffix: such as ".tar".
        options: how to reach a store; None is what the environment says.

    Raises:
        SourceNotFound: one of them is not there, or nothing matches a pattern.
        ConfigError: it is nothing of the kind.
        StorageError: a store cannot be asked, or cannot list.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else paths
    if not isinstance(given, Sequence) or isinstance(given, bytes) or not len(given):
        raise ConfigError(f"paths={paths!r} must be a path, a URL, a pattern, or a list of these")
    for one in given:
        if not isinstance(one, str | os.PathLike):
            raise ConfigError(f"paths holds a {type(one).__name__}: each must be a path, a URL or a pattern")
    found: dict[str, Shard] = {}
    for one in given:
        for name in expand_braces(os.fspath(one)):
            for shard in _matching(name, suffix, options):
                found.setdefault(shard.place.url, shard)
    return list(found.values())


def _matching(path: str, suffix: str, options: Options | None) -> list[Shard]:
    store, name = place(path, options)
    folder, _, last = name.rpartition("/")
    if has_magic(last) and not is_web(path):
        matches = re.compile(translate(last)).match
        listed, wanted = _listed(store, folder, matches, last.startswith(".")), f"matches {last!r}"
    elif path.endswith("/") or (not store.remote and Path(name).is_dir()):
        folder = name.rstrip("/")
        listed, wanted = _listed(store, folder, lambda last: last.endswith(suffix), False), f"ends in {suffix!r}"
    else:
        return [Shard(Place(store, name), *store.stat(name))]
    if not listed:
        raise SourceNotFound(f"nothing in {store.url(folder)!r} {wanted}: check the name, and what is there")
    return listed


def _listed(store: Store, folder: str, matches: Callable[[str], Any], hidden: bool) -> list[Shard]:
    """Return the objects directly in a folder whose last names match, sorted."""
    prefix = f"{folder}/" if folder else ""
    found = []
    for one in store.list(prefix, deep=False):
        last = one.name[len(prefix) :]
        if matches(last) and (hidden or not last.startswith(".")):
            found.append(one)
    return [Shard(Place(store, one.name), one.size, one.tag) for one in sorted(found)]


def has_magic(text: str) -> bool:
    """Return whether this is a pattern: *, ? or [...] in it."""
    return _MAGIC.search(text) is not None


def is_web(path: str) -> bool:
    """Return whether this is a URL of a web server, which cannot list, and where ? begins a query."""
    return path.lower().startswith(("http://", "https://"))
