"""From what SOURCE names on the command line to a source: what a path or URL holds, or an attribute of Python."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from dataload import FileSource, Loader, TableSource, TarSource, TFRecordSource
from dataload.commands.arguments import UsageError
from dataload.commands.target import ATTRIBUTE, AUDIO_SUFFIXES, find_attribute
from dataload.errors import ConfigError, SourceNotFound
from dataload.sources.base import check_source
from dataload.sources.tables.find import suffix_of
from dataload.storage.places import is_url, place

IN_FILE = re.compile(r"(?P<file>.+\.py):(?P<attribute>[^\W\d]\w*(\.[^\W\d]\w*)*)")
SHARDS = ("tar", "tfrecord")
# Where a folder holds several kinds, the first of these is meant: beside recordings there often is a list of them.
_ORDER = ("tar", "tfrecord", "columns", "audio", "table")
_COLUMNS = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
_LOOKED_AT = 10_000
_WORDS = {"columns": "a table", "table": "a table", "audio": "audio files"}


def open_source(target: str) -> Any:
    """Return the source that a path, a URL or `module:attribute` names.

    Raises:
        UsageError: there is none, or it is something else. What the user's own code raises passes through.
        SourceError: what is there cannot be read.
    """
    in_file, in_module = IN_FILE.fullmatch(target), ATTRIBUTE.fullmatch(target)
    if is_url(target) or _is_path(target):
        try:
            return _open_path(target)
        except (ConfigError, SourceNotFound) as error:
            raise UsageError(str(error)) from None
    if in_file is not None:
        return as_source(target, _in_file(in_file["file"], in_file["attribute"]))
    if in_module is not None:
        return as_source(target, find_attribute(in_module["module"], in_module["attribute"]))
    raise UsageError(
        f"there is no {target} here: name a folder, a table, shards, a URL, module:attribute or file.py:attribute"
    )


def as_source(name: str, found: Any) -> Any:
    """Return `found` if it is a source, the source of a Loader, or what it returns if it is a function.

    Raises:
        UsageError: it gives no source.
    """
    if callable(found) and not (hasattr(found, "__len__") and hasattr(found, "__getitem__")):
        name, found = f"{name}()", found()
    source = found.source if isinstance(found, Loader) else found
    try:
        check_source(source)
    except ConfigError as error:
        raise UsageError(f"{name}: {error}") from None
    return source


def kind_of_path(target: str) -> str:
    """Return what a path, pattern or URL holds: "tar", "tfrecord", "columns" or "table" for tables, or "audio".

    Raises:
        UsageError: nothing that is known.
    """
    last = target.rstrip("/").rpartition("/")[2]
    kind = None if _is_folder(target) else _kind(last)
    if kind is not None:
        return kind
    at = place(target if target.endswith("/") else f"{target}/")
    names = (found.name.rpartition("/")[2] for found in at.store.list(at.name, deep=True))
    found = {_kind(name) for name in islice(names, _LOOKED_AT) if not name.startswith((".", "dataload-"))}
    for known in _ORDER:
        if known in found:
            return known
    raise UsageError(
        f"{at.url} holds no audio files ({', '.join(AUDIO_SUFFIXES)}), tables, tar files or TFRecords: name a folder "
        "or a file with some"
    )


def find_kind(paths: Sequence[str]) -> tuple[str, list[str]]:
    """Return what all of some paths hold, "tar" or "tfrecord", and the paths, those of folders with a / at the end.

    Raises:
        UsageError: something else, or some of them one and some the other.
    """
    kinds = {path: kind_of_path(path) for path in paths}
    for path, kind in kinds.items():
        if kind not in SHARDS:
            what = f"holds {_WORDS[kind]}, and an index is made of tar files or TFRecords"
            raise UsageError(f"{place(path).url} {what}")
    if len(set(kinds.values())) > 1:
        raise UsageError("some shards are tar files and some TFRecords: make an index of each kind")
    return kinds[paths[0]], [_as_folder(path) for path in paths]


def _kind(name: str) -> str | None:
    suffix = Path(name.lower()).suffix
    if suffix == ".tar":
        return "tar"
    if suffix.startswith(".tfrecord"):  # .tfrecord-00000-of-00100 too
        return "tfrecord"
    if suffix in AUDIO_SUFFIXES:
        return "audio"
    if table := suffix_of(Path(name)):
        return "columns" if table in _COLUMNS else "table"
    return None


def _is_folder(target: str) -> bool:
    return target.endswith("/") or (not is_url(target) and Path(target).is_dir())


def _is_path(target: str) -> bool:
    if Path(target).exists():
        return True
    return re.search(r"[*?\[{]", target) is not None or (_kind(target) is not None and ":" not in target)


def _open_path(target: str) -> Any:
    kind = kind_of_path(target)
    if kind == "audio":
        return _audio(target)
    if kind in ("columns", "table"):
        return TableSource(target)
    return _open_shards(target, kind)


def _audio(target: str) -> FileSource:
    if _is_folder(target) or (is_url(target) and _kind(target) is None):
        suffixes = ",".join(suffix[1:] for suffix in AUDIO_SUFFIXES)
        return FileSource(target, f"**/*.{{{suffixes}}}", ignore_case=True, audio=str)
    folder, _, last = target.rpartition("/")
    return FileSource(folder or ".", last, audio=str)


def _open_shards(target: str, kind: str) -> Any:
    path = _as_folder(target)
    return TarSource(path) if kind == "tar" else TFRecordSource(path)


def _as_folder(target: str) -> str:
    """Return a path with a / at its end where it is that of a folder, which a URL does not show."""
    if target.endswith("/") or _kind(target.rpartition("/")[2]) is not None:
        return target
    return f"{target}/"


def _in_file(file: str, attribute: str) -> Any:
    """Run a file of Python as a module, and return its attribute, which may have dots.

    Raises:
        UsageError: there is no such file or attribute. What the file itself raises passes through.
    """
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file {file}")
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.insert(0, folder)  # for what the file imports from beside it
    first, *others = attribute.split(".")
    names = runpy.run_path(str(path), run_name=path.stem)
    if first not in names:
        raise UsageError(f"{file} has no attribute {attribute}")
    found = names[first]
    for name in others:
        if not hasattr(found, name):
            raise UsageError(f"{file} has no attribute {attribute}")
        found = getattr(found, name)
    return found
