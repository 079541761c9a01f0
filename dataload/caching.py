"""Cache: what stands before it in a chain is computed once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataload.chain import Spec
from dataload.errors import ConfigError
from dataload.graph import GraphStep
from dataload.kinds import is_integer
from dataload.registry import register
from dataload.sizes import byte_size
from dataload.storage.places import is_url

_MIN_BYTES = 1_000_000


@register
@dataclass(frozen=True)
class Cache:
    """Keep what comes out of the transforms before it on a disk, and take it from there the next time.

    In a chain of a field it spares those before it in that chain; among transforms on whole samples, all before it.
    What the source gives is read in any case: a `FileSource` gives paths, of which nothing is read then. Batches are
    the same to the bit with and without it.

        transforms={"audio": [DecodeAudio(16_000), LogMel(16_000), Cache("features", max_bytes="50GB"), SpecAugment()]}

    A result is named by the transforms before it with all of their parameters, by the versions of what computes them,
    and by what goes into the first one: of a file path, size and times, of an object behind a URL its tag, of anything
    else its content. So it is never stale: a file, a parameter or a package that changed makes another result. One line
    in the log says what changed. All workers, ranks and programs of a machine may share a folder; its files stay below
    the limit, and those that were not used for longest go first. A folder on a network is right, if slower.

    Transforms before it must not be random, and must be known to JSON (`dataload.chain_json.register`); what they
    return must be arrays, numbers, text, bytes, None, or lists, tuples and dicts of these. A result of more than a 64th
    of the limit (or 256 MB) is not kept.

    Outside of a Loader it returns its argument.

    Args:
        folder: of this machine; made where it is missing.
        max_bytes: that its files may take: a number, or text such as "50GB".

    Raises:
        ConfigError: no folder, or no size; (when a Loader is made) the folder cannot be written to.
        ChainError: (when a Loader is made) what stands before it is random or nothing is, or is not known to JSON.
        TransformError: (in a Loader) a value that cannot be kept, or told from others.
    """

    folder: str
    max_bytes: int | str

    def __post_init__(self) -> None:
        folder = self.folder
        if not isinstance(folder, str | os.PathLike) or not os.fspath(folder) or is_url(os.fspath(folder)):
            raise ConfigError(f"folder={folder!r} must be the path of a folder on a disk of this machine")
        object.__setattr__(self, "folder", os.fspath(folder))
        if isinstance(self.max_bytes, str):
            try:
                size = byte_size(self.max_bytes)
            except ConfigError as error:
                raise ConfigError(f"max_bytes={error}") from None
        elif is_integer(self.max_bytes):
            size = int(self.max_bytes)
            object.__setattr__(self, "max_bytes", size)
        else:
            raise ConfigError(f"max_bytes={self.max_bytes!r} must be a whole number of bytes, or text such as '50GB'")
        if size < _MIN_BYTES:
            raise ConfigError(f"max_bytes={self.max_bytes!r} must be at least 1 MB")

    def place(self) -> tuple[Path, int]:
        """Return the folder as an absolute path, and how many bytes its files may take."""
        size = byte_size(self.max_bytes) if isinstance(self.max_bytes, str) else self.max_bytes
        return Path(self.folder).expanduser().absolute(), size

    def __repr__(self) -> str:
        return f"Cache({self.folder!r}, {self.max_bytes!r})"

    def __call__(self, value: Any) -> Any:
        """Return the value."""
        return value

    def output_spec(self, spec: Spec) -> Spec:
        """Return what comes in."""
        return spec

    def graph_steps(self, axis: int) -> Sequence[GraphStep]:
        """Return nothing to do."""
        return []
