"""Objects of a store as what user code is handed: a path to take names from."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import BinaryIO

from dataload.storage.base import Store
from dataload.storage.places import Place, Url


class RemotePath:
    """The path of an object in a store: `pathlib.Path` as far as that makes sense there.

    `str(path)` is its URL. Parents and what is joined to it are named like those of `pathlib.PurePosixPath`.

    Args:
        store: which it lies in.
        path: in the store.
        size: of the object in bytes; -1 where it was not listed.
        tag: that it shall have; empty where it was not listed.
    """

    def __init__(self, store: Store, path: PurePosixPath, size: int = -1, tag: str = "") -> None:
        self._store, self._path, self._size, self._tag = store, path, size, tag

    @property
    def name(self) -> str:
        """The last part."""
        return self._path.name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self._path.stem

    @property
    def suffix(self) -> str:
        """What the last part ends in, from its last dot on."""
        return self._path.suffix

    @property
    def suffixes(self) -> list[str]:
        """All that follows dots in the last part."""
        return self._path.suffixes

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders and the name, without the bucket or host."""
        return self._path.parts

    @property
    def parent(self) -> RemotePath:
        """The folder that it lies in."""
        return RemotePath(self._store, self._path.parent)

    @property
    def parents(self) -> tuple[RemotePath, ...]:
        """All folders above it, the nearest first."""
        return tuple(RemotePath(self._store, path) for path in self._path.parents)

    def with_suffix(self, suffix: str) -> RemotePath:
        """Return the path with another suffix."""
        return RemotePath(self._store, self._path.with_suffix(suffix))

    def in_store(self, store: Store) -> RemotePath:
        """Return the same path in another store, with the same size and tag."""
        return RemotePath(store, self._path, self._size, self._tag)

    def with_name(self, name: str) -> RemotePath:
        """Return the path with another last part."""
        return RemotePath(self._store, self._path.with_name(name))

    def relative_to(self, other: RemotePath) -> PurePosixPath:
        """Return the path from another one on."""
        return self._path.relative_to(other._path)

    def match(self, pattern: str) -> bool:
        """Return whether the path matches a pattern, from its right end."""
        return self._path.match(pattern)

    def as_posix(self) -> str:
        """Return the path without the bucket or host."""
        return self._path.as_posix()

    def read_bytes(self) -> bytes:
        """Return all bytes of the object."""
        return self.url.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the object as text."""
        return self.read_bytes().decode(encoding)

    def open(self, mode: str = "rb", buffering: int = -1) -> BinaryIO:
        """Return the object, read whole, as a file to read from.

        Raises:
            ValueError: the mode is another than "rb".
        """
        if mode != "rb":
            raise ValueError(f"mode={mode!r} must be 'rb': objects are read, and as bytes")
        return io.BytesIO(self.read_bytes())

    @property
    def url(self) -> Url:
        """The URL of the object, which knows how it is reached."""
        path = self._path.as_posix()
        return Url.of(Place(self._store, "" if path == "." else path), self._size, self._tag)

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(self._store, self._path / name)

    def __fspath__(self) -> str:
        # So that what takes a path of this machine takes this one too; `open` says that there is no such file.
        return self.url

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and str(self) == str(other)

    def __lt__(self, other: RemotePath) -> bool:
        return self._path < other._path

    def __hash__(self) -> int:
        return hash(str(self))
