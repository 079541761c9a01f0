"""The files below a folder that match patterns, as `glob` finds them: but each once, whatever links lead to it.

Apart from `FileSource`, which keeps their names and makes samples of them.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dataload.errors import ConfigError
from dataload.storage.places import expand_braces

_MAX_PATTERNS = 1_000

Matcher = Callable[[str], Any]


def as_patterns(pattern: Any) -> list[str]:
    """Return the patterns that one or several stand for, those in braces written out.

    Raises:
        ConfigError: neither a text nor texts, none, or more than a thousand choices in braces.
    """
    given = [pattern] if isinstance(pattern, str) else pattern
    texts = isinstance(given, Sequence) and not isinstance(given, bytes) and all(isinstance(one, str) for one in given)
    if not texts or not all(given) or not len(given):
        raise ConfigError(f"pattern={pattern!r} must be a text such as '**/*.wav', or a list of such texts")
    found: list[str] = []
    for one in given:
        for plain in expand_braces(one):
            found.append(plain)
            if len(found) > _MAX_PATTERNS:
                raise ConfigError(f"pattern={pattern!r} stands for more than {_MAX_PATTERNS} patterns: take fewer")
    return list(dict.fromkeys(found))


def matching_files(root: str, patterns: Sequence[str], ignore_case: bool = False) -> list[str]:
    """Return the paths, relative to the root, of the regular files that match one of the patterns, in any order.

    `**` is any depth, none included; what begins with a dot is left out unless a pattern names the dot. Where several
    paths lead to a file through symbolic links, it is listed under the one without links, or else the first in order.
    """
    own: set[str] = set()
    linked: set[str] = set()
    for pattern in patterns:
        parts = [part for part in pattern.split("/") if part]
        begin = "/" if pattern.startswith("/") else ""
        # One that ends in a slash means folders, which are no files.
        if parts and not pattern.endswith("/"):
            for path, is_linked in _expand(root, begin, parts, ignore_case, False):
                (linked if is_linked else own).add(path)
    linked -= own
    if not linked:
        return list(own)
    found = {_identity(os.path.join(root, path)) for path in own}  # noqa: PTH118
    for path in sorted(linked):
        identity = _identity(os.path.join(root, path))  # noqa: PTH118
        if identity not in found:
            found.add(identity)
            own.add(path)
    return list(own)


def _expand(
    root: str, folder: str, parts: Sequence[str], ignore_case: bool, linked: bool
) -> Iterator[tuple[str, bool]]:
    """Yield the files below a folder that the parts of a pattern lead to, and whether over a link."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        rest = rest or ["*"]
        for below, is_linked in _folders(root, folder, linked):
            yield from _expand(root, below, rest, ignore_case, is_linked)
        return
    if glob.has_magic(part) or ignore_case:
        flags = re.IGNORECASE if ignore_case else 0
        matches = re.compile(fnmatch.translate(part), flags).match
        for entry in _entries(root, folder):
            if not matches(entry.name) or (entry.name[0] == "." and part[0] != "."):
                continue
            path, is_linked = folder + entry.name, linked or entry.is_symlink()
            if rest:
                if _is_folder(entry):
                    yield from _expand(root, path + "/", rest, ignore_case, is_linked)
            elif _is_file(entry):
                yield path, is_linked
        if part not in (".", ".."):
            return
    path = folder + part
    full = os.path.join(root, path)  # noqa: PTH118
    is_linked = linked or os.path.islink(full)  # noqa: PTH114
    if rest:
        yield from _expand(root, path + "/", rest, ignore_case, is_linked)
    elif os.path.isfile(full):  # noqa: PTH113
        yield path, is_linked


def _folders(root: str, folder: str, linked: bool) -> Iterator[tuple[str, bool]]:
    """Yield a folder and all below it, each once: those that links lead to last, if nothing else does."""
    visited: set[tuple[int, int]] = set()
    waiting = [(folder, linked)]
    links: list[tuple[str, bool]] = []
    while waiting or links:
        if not waiting:
            # In the order of their text, so that what is found does not depend on that of the file system.
            links.sort(reverse=True)
            waiting.append(links.pop())
        path, is_linked = waiting.pop()
        try:
            identity = _identity(os.path.join(root, path))  # noqa: PTH118
        except OSError:
            continue
        if identity in visited:
            continue
        visited.add(identity)
        yield path, is_linked
        for entry in _entries(root, path):
            if entry.name[0] != "." and _is_folder(entry):
                if entry.is_symlink():
                    links.append((path + entry.name + "/", True))
                else:
                    waiting.append((path + entry.name + "/", is_linked))


def _entries(root: str, folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(os.path.join(root, folder) or ".") as entries:  # noqa: PTH118
            yield from list(entries)
    except OSError:  # no folder, or one that may not be read
        return


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino
