"""The files that a `FileSource` has, on this machine or in a store: which they are, how large, and of which tag."""

from __future__ import annotations

import os
import re
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate
from typing import Any, NamedTuple

import numpy as np

from dataload.errors import ConfigError, SourceError, SourceNotFound
from dataload.samplers.base import IndexArray
from dataload.sources.walk import as_patterns, matching_files
from dataload.storage.base import Found, Store
from dataload.storage.names import Packed, pack
from dataload.storage.places import Options, is_url, place

# A listing that takes longer says how far it is.
_SILENT_SECONDS = 2.0
_SAY_EVERY = 0.5
_COLUMNS = ("name", "path", "file", "file_name", "url")


class Listing(NamedTuple):
    """Files below a root.

    Attributes:
        names: relative to the root, in order.
        sizes: (files,) int64, in bytes; -1 where it was not asked for. None for files of this machine.
        tags: that the objects shall have; None where they were not listed.
    """

    names: Packed
    sizes: IndexArray | None = None
    tags: Packed | None = None

    def about(self, index: int) -> tuple[int, str]:
        """Return size and tag of a file, -1 and none where they were not asked for."""
        if self.sizes is None or self.tags is None:
            return -1, ""
        return int(self.sizes[index]), self.tags[index].decode()


def list_local(root: str, pattern: str | Sequence[str], ignore_case: bool) -> Listing:
    """Return the files below a folder that match, sorted by the bytes of their names."""
    return Listing(pack(sorted(map(os.fsencode, matching_files(root, as_patterns(pattern), ignore_case)))))


def list_store(store: Store, folder: str, pattern: str | Sequence[str], ignore_case: bool) -> Listing:
    """Return the objects below a folder of a store that match, sorted by the bytes of their names.

    Raises:
        StorageError: the store cannot list, or cannot be asked.
    """
    patterns = as_patterns(pattern)
    matches = name_matcher(patterns, ignore_case)
    deep = any("/" in one.rstrip("/") for one in patterns)
    prefix = f"{folder}/" if folder else ""
    sizes, tags, tag_ends = array("q"), bytearray(), array("q")

    def found() -> Iterator[bytes]:
        for one in _watched(store.list(prefix, deep), store.url(folder)):
            name = one.name[len(prefix) :]
            if matches(name):
                sizes.append(one.size)
                tags.extend(one.tag.encode())
                tag_ends.append(len(tags))
                yield os.fsencode(name)

    names = pack(found())
    listing = Listing(
        names, np.frombuffer(sizes, np.int64), Packed(np.frombuffer(tags, np.uint8), np.frombuffer(tag_ends, np.int64))
    )
    return _sorted(listing)


def list_given(names: Any, options: Options | None) -> Listing:
    """Return the files that a list or a manifest names, in its order.

    Args:
        names: a list of names relative to the root, or the path or URL of a manifest: text with a name in each line,
            or Parquet with a column of names.
        options: how a manifest behind a URL is reached.

    Raises:
        ConfigError: no names, one twice, or a manifest without such a column.
        SourceNotFound: there is no such manifest.
    """
    listed = list(_manifest(names, options) if isinstance(names, str | os.PathLike) else names)
    for name in listed:
        if not isinstance(name, str) or not name.strip("/"):
            raise ConfigError(f"names holds {name!r}: each must be the name of a file, relative to the root")
    if not listed:
        raise SourceNotFound(f"names={names!r} has no names in it")
    if len(set(listed)) != len(listed):
        seen: set[str] = set()
        twice = next(name for name in listed if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ConfigError(f"names has {twice!r} twice: a file is listed once; a sampler may draw it several times")
    return Listing(pack(map(os.fsencode, listed)))


def _manifest(path: str | os.PathLike[str], options: Options | None) -> list[str]:
    at = place(path, options if is_url(path) else None)
    data = at.read()
    if data[:4] != b"PAR1":
        try:
            return [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
        except UnicodeDecodeError as error:
            raise SourceError(f"{at.url}: is neither text in UTF-8 nor Parquet ({error})") from None
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(pa.BufferReader(data))
    except pa.ArrowException as error:
        raise SourceError(f"{at.url}: cannot be read as Parquet: {error}") from None
    texts = [name for name in table.column_names if pa.types.is_string(table.schema.field(name).type)]
    column = next((name for name in _COLUMNS if name in texts), texts[0] if len(texts) == 1 else None)
    if column is None:
        raise ConfigError(f"{at.url}: has the columns {table.column_names}: one of text must be named {_COLUMNS[0]!r}")
    found: list[str] = table.column(column).to_pylist()
    return found


def name_matcher(patterns: Sequence[str], ignore_case: bool) -> Callable[[str], bool]:
    """Return a function that tells whether a name matches one of the patterns, as `matching_files` does."""
    rows = []
    for pattern in patterns:
        parts = [part for part in pattern.split("/") if part]
        if parts and not pattern.endswith("/"):
            rows.append([_part(part, ignore_case) for part in (*parts, *(["*"] if parts[-1] == "**" else []))])
    return lambda name: any(_matches(row, name.split("/")) for row in rows)


# How one part of a name must look; None is any number of folders.
_Part = Callable[[str], Any] | None


def _part(part: str, ignore_case: bool) -> _Part:
    if part == "**":
        return None
    matches = re.compile(translate(part), re.IGNORECASE if ignore_case else 0).match
    return matches if part.startswith(".") else lambda name: name[:1] != "." and matches(name)


def _matches(row: Sequence[_Part], names: Sequence[str]) -> bool:
    if not row:
        return not names
    first, rest = row[0], row[1:]
    if first is not None:
        return bool(names and first(names[0])) and _matches(rest, names[1:])
    for skipped in range(len(names)):
        if _matches(rest, names[skipped:]):
            return True
        if names[skipped].startswith("."):
            return False
    return False


def _sorted(listing: Listing) -> Listing:
    """Return a listing in the order of the bytes of its names: that of most stores already."""
    names = listing.names
    previous, count = b"", len(names.ends)
    for index in range(count):
        name = names[index]
        if name < previous:
            break
        previous = name
    else:
        return listing
    order = np.array(sorted(range(count), key=names.__getitem__), np.int64)
    assert listing.sizes is not None and listing.tags is not None
    return Listing(names.take(order), listing.sizes[order], listing.tags.take(order))


def _watched(found: Iterator[Found], url: str) -> Iterator[Found]:
    """Yield what is found, and say on a terminal how much that is when it takes long."""
    live = sys.stderr is not None and sys.stderr.isatty()
    start = time.monotonic()
    say_at = start + _SILENT_SECONDS
    number = 0
    for number, one in enumerate(found, 1):
        yield one
        if live and number % 256 == 0 and time.monotonic() > say_at:
            say_at = time.monotonic() + _SAY_EVERY
            print(f"\rlisting {url}: {number} objects", end="", file=sys.stderr, flush=True)
    if say_at > start + _SILENT_SECONDS:
        print(f"\rlisting {url}: {number} objects in {time.monotonic() - start:.0f} s", file=sys.stderr)
