"""What the library asks of a place where bytes are kept: names, sizes, tags, and ranges of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol


class Stat(NamedTuple):
    """What a store says of an object.

    Attributes:
        size: in bytes.
        tag: text that changes when the object is replaced, such as an ETag; empty where the store has none.
    """

    size: int
    tag: str


class Found(NamedTuple):
    """An object of a listing: its name, its size in bytes and its tag."""

    name: str
    size: int
    tag: str


class Range(NamedTuple):
    """Bytes `start` to `stop` of an object, which shall have that tag unless it is empty."""

    name: str
    start: int
    stop: int
    tag: str = ""


class Store(Protocol):
    """Objects by name: a file system, a bucket, a host.

    A store pickles without secrets, and is opened where it is first used. Its methods may be called from any thread.

    Attributes:
        remote: whether a read waits for a network, so that many should be under way at once.
    """

    remote: bool

    def url(self, name: str) -> str:
        """Return what to call an object in messages, without anything secret; it opens the object again."""
        ...

    def stat(self, name: str) -> Stat:
        """Return size and tag of an object.

        Raises:
            SourceNotFound: there is none.
            StorageError: the store cannot be asked.
        """
        ...

    def read(self, name: str, start: int = 0, stop: int | None = None, tag: str = "") -> bytes:
        """Return the bytes of a range, never fewer; to the end where `stop` is None.

        Raises:
            SourceNotFound: there is no such object.
            ReplacedError: the object has another tag, or ends before `stop`.
            StorageError: it cannot be read.
        """
        ...

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return the bytes of every range, in order; neighbours are joined, and reads overlap, where that is faster.

        Raises:
            The errors of `read`.
        """
        ...

    def list(self, prefix: str, deep: bool) -> Iterator[Found]:
        """Yield the objects in the folder of a prefix whose names begin with it, in any order.

        Args:
            prefix: such as "folder/" or "folder/train-".
            deep: whether those in the folders below it are among them.

        Raises:
            StorageError: the store cannot list, or cannot be asked.
        """
        ...

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Make or replace an object; it appears whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        ...
