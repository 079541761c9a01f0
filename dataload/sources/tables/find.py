"""Which files make up a table, and what the names of their folders say about their rows."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar
from urllib.parse import unquote

from dataload.errors import ConfigError, SourceNotFound
from dataload.sources.listing import list_store
from dataload.storage.paths import RemotePath
from dataload.storage.places import Options, expand_braces, has_magic, is_url, is_web, place

SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".csv", ".tsv", ".jsonl", ".ndjson")
_PACKED = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")  # those that may end in .gz too
_EVERYTHING = "**/*"
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

AnyPath = TypeVar("AnyPath", bound=PurePath)


@dataclass(frozen=True)
class TableFile:
    """A file of a table.

    Args:
        path: where it is.
        parts: columns that stand in the names of folders, such as {"year": "2021"} of year=2021; None for no value.
    """

    path: Path | RemotePath
    parts: dict[str, str | None]


def suffix_of(path: Path | PurePath | RemotePath) -> str:
    """Return the suffix that says what a file is, in lower case; none where it says nothing."""
    name = path.name.lower()
    for suffix in _PACKED:
        if name.endswith((suffix, f"{suffix}.gz")):
            return suffix
    return path.suffix.lower() if path.suffix.lower() in SUFFIXES else ""


def find_files(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], options: Options | None = None
) -> list[TableFile]:
    """Return the files of a path, a URL, a folder, a pattern, or a list of these.

    Args:
        paths: as said.
        options: how a store is reached.

    Raises:
        SourceNotFound: there is none.
        ConfigError: `paths` is nothing of the kind.
        StorageError: a store cannot be asked, or cannot list.
    """
    if not isinstance(paths, str | os.PathLike):
        if not isinstance(paths, Sequence) and not hasattr(paths, "__iter__"):
            raise ConfigError(f"paths is a {type(paths).__name__}: give a file, a folder, a pattern or a list of files")
        found = [file for entry in paths for file in find_files(entry, options)]
        if not found:
            raise SourceNotFound("the list of table files is empty")
        return found
    if is_url(paths):
        return [file for url in expand_braces(os.fspath(paths)) for file in _in_store(url, options)]
    place(paths, options)  # Refuses options for a path of this machine.
    path = Path(paths)
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return [TableFile(path, {})]
    names = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    if not names:
        raise SourceNotFound(f"there is no table file {str(path)!r} (looked from {str(Path.cwd())!r})")
    files = [name for name in names if not name.is_dir()]
    # A pattern that matches folders only means what is in them.
    return [TableFile(name, {}) for name in files] or [file for name in names for file in _in_folder(name)]


def _in_store(url: str, options: Options | None) -> list[TableFile]:
    store, name = place(url, options)
    if has_magic(name) and not is_web(url):
        begin = list(takewhile(lambda part: not has_magic(part), name.split("/")))
        folder, pattern = "/".join(begin), "/".join(name.split("/")[len(begin) :])
    else:
        with suppress(SourceNotFound):
            return [TableFile(RemotePath(store, PurePosixPath(name), *store.stat(name)), {})]
        if is_web(url):
            raise SourceNotFound(f"{url}: there is no such table file: check the URL")
        folder, pattern = name.rstrip("/"), _EVERYTHING
    listing = list_store(store, folder, pattern, False)
    inner = [PurePosixPath(os.fsdecode(listing.names[index])) for index in range(len(listing.names.ends))]
    about = {path: listing.about(index) for index, path in enumerate(inner)}
    if pattern == _EVERYTHING:
        inner = _data([one for one in inner if suffix_of(one) and not any(p.startswith("_") for p in one.parts[:-1])])
    found = [TableFile(RemotePath(store, folder / one, *about[one]), _parts(one)) for one in inner]
    if not found:
        raise SourceNotFound(f"there is no table file {url!r}: check the bucket, the name, or the pattern")
    return found


def _in_folder(root: Path) -> list[TableFile]:
    """Return the table files below a folder, sorted by their paths; what is hidden is left out."""
    visited = set()
    found = []
    for folder, inner, names in os.walk(root, followlinks=True):
        entry = Path(folder).stat()
        if (entry.st_dev, entry.st_ino) in visited:
            inner.clear()  # a link to a folder that contains it
            continue
        visited.add((entry.st_dev, entry.st_ino))
        # Spark, Delta and archives made by macOS keep what is no data in folders that begin so.
        inner[:] = sorted(name for name in inner if not name.startswith((".", "_")))
        found += [Path(folder) / name for name in names if not name.startswith(".") and suffix_of(Path(name))]
    found = _data(found)
    if not found:
        raise SourceNotFound(f"folder {str(root)!r} has no file that ends in one of {', '.join((*SUFFIXES, '.json'))}")
    return [TableFile(path, _parts(path.relative_to(root))) for path in sorted(found)]


def _data(found: list[AnyPath]) -> list[AnyPath]:
    """Return those files of a folder that are its data."""
    known = set(found)
    # A file beside its packed self is the same rows twice.
    found = [path for path in found if not (path.name.lower().endswith(".gz") and path.with_suffix("") in known)]
    # Beside tables of other kinds a .json file says something about them.
    return [path for path in found if suffix_of(path) != ".json"] or found


def _parts(path: PurePath) -> dict[str, str | None]:
    pairs = [folder.split("=", 1) for folder in path.parts[:-1] if "=" in folder.strip("=")]
    return {name: None if value == _NO_VALUE else unquote(value) for name, value in pairs}
