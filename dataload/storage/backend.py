"""What a package that talks to a store is asked for, and what its answers are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol

from dataload.errors import ReplacedError
from dataload.storage.base import Found, Stat


class Got(NamedTuple):
    """An answer: the bytes, and size and tag of the object that they are of."""

    data: bytes
    stat: Stat


class Backend(Protocol):
    """What a package that talks to a store is asked for; nothing here is tried twice.

    Its methods raise the library's errors, and `Passing` for failures that may pass.
    """

    def stat(self, name: str) -> Stat:
        """Return size and tag of an object."""
        ...

    def get(self, name: str, start: int, stop: int | None, tag: str) -> Got:
        """Return the bytes of a range that is not empty, and of what object they are."""
        ...

    def list(self, folder: str, deep: bool) -> Iterator[Found]:
        """Yield the objects in a folder, which ends in a slash or is empty, and with `deep` in those below it."""
        ...

    def put(self, name: str, whole: BinaryIO) -> None:
        """Make or replace an object by what a file holds."""
        ...


class Settings(NamedTuple):
    """What the library itself takes out of `storage_options`.

    Attributes:
        timeout: seconds without a byte after which a request has failed.
        max_retries: how often a request is tried again.
    """

    timeout: float
    max_retries: int


MakeBackend = Callable[[str, Settings, dict[str, Any]], Backend]


def replaced(url: str) -> ReplacedError:
    """Return the error for an object that is another one than was listed."""
    return ReplacedError(
        f"{url}: was replaced since it was listed or its index was made: make the source anew, and with it the run"
    )
