"""Files of a folder as a source: one sample per file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataload.errors import ConfigError, SourceNotFound, annotate
from dataload.sources.walk import as_patterns, matching_files


class FileSource:
    """The files under a folder that match a pattern, in sorted order.

    The order is that of the relative paths' text, so it does not depend on the file system. Paths are kept as one
    block of bytes: ten million of them take some hundred megabytes, not gigabytes.

    Args:
        root: a folder.
        pattern: which files, relative to the root: "*.wav", "**/*.flac" (any depth), "**/*.{wav,flac}", or several in a
            list. Hidden files are left out, and so is what is no regular file. A folder is visited once and a file
            listed once, whichever patterns and symbolic links lead to it; hard links are files of their own.
        ignore_case: whether "*.wav" finds "A.WAV" too.
        **fields: what a sample consists of: each name is given a function of the file's `pathlib.Path`, such as
            `audio=str, label=lambda path: path.parent.name`. Without fields a sample is the path as str.

    Raises:
        SourceNotFound: the folder does not exist, or nothing in it matches.
        ConfigError: the root is a file, a pattern is no text, or a field is not a function.

    >>> FileSource("recordings", "*.wav", audio=str)[0]  # doctest: +SKIP
    {'audio': 'recordings/0_george_0.wav'}
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        pattern: str | Sequence[str] = "**/*",
        *,
        ignore_case: bool = False,
        **fields: Callable[[Path], Any],
    ) -> None:
        if not isinstance(ignore_case, bool):
            raise ConfigError(f"ignore_case={ignore_case!r} must be True or False: give a field another name")
        for name, function in fields.items():
            if not callable(function):
                raise ConfigError(
                    f"field {name}={function!r} must be a function of the file's path, such as {name}=str"
                )
        self._root = Path(root)
        self._pattern = pattern
        self._fields = fields
        if not self._root.exists():
            raise SourceNotFound(f"there is no folder {str(self._root)!r} (looked from {str(Path.cwd())!r})")
        if not self._root.is_dir():
            raise ConfigError(f"{str(self._root)!r} is a file: give its folder as root and its name as pattern")
        names = sorted(map(os.fsencode, matching_files(str(self._root), as_patterns(pattern), ignore_case)))
        if not names:
            raise SourceNotFound(f"no file in {str(self._root)!r} matches {pattern!r}: {_contents(self._root)}")
        # An array, because those are shared by all worker processes instead of being copied to each.
        self._names = np.frombuffer(b"".join(names), np.uint8)
        self._ends = np.cumsum([len(name) for name in names], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def path(self, index: int) -> Path:
        """Return the path of file `index`, 0 <= index < len(self)."""
        if not 0 <= index < len(self._ends):
            raise IndexError(f"index {index} is outside of {self!r}")
        start = int(self._ends[index - 1]) if index else 0
        return self._root / os.fsdecode(self._names[start : int(self._ends[index])].tobytes())

    def __getitem__(self, index: int) -> Any:
        path = self.path(index)
        if not self._fields:
            return str(path)
        sample = {}
        for name, function in self._fields.items():
            try:
                sample[name] = function(path)
            except Exception as error:
                annotate(error, f"while making field {name!r} of {str(path)!r}")
                raise
        return sample

    def describe(self, index: int) -> str:
        """Return the path, for messages."""
        return str(self.path(index))

    def fingerprint(self) -> str:
        """Return a digest of the relative paths; the root may differ between machines."""
        digest = hashlib.blake2b(self._names.tobytes(), digest_size=8)
        digest.update(self._ends.tobytes())
        return f"FileSource[{len(self)}]:{digest.hexdigest()}"

    def __repr__(self) -> str:
        fields = "".join(f", {name}=..." for name in self._fields)
        return f"FileSource({str(self._root)!r}, {self._pattern!r}{fields}: {len(self)} files)"


def _contents(root: Path) -> str:
    with os.scandir(root) as entries:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in entries)
    if not names:
        return "the folder is empty"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"it holds {', '.join(names[:5])}{more}. '**/' in front of a pattern looks at any depth"
