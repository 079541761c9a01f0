"""Every other place that fsspec knows: hf, sftp, ftp, webhdfs, memory, and what users have registered."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

from dataload.errors import ConfigError, MissingExtra, SourceNotFound, StorageError
from dataload.storage.backend import Got, Settings, replaced
from dataload.storage.base import Found, Stat
from dataload.storage.retry import Passing

# What file systems call that which changes with an object, in the order in which it is trusted.
_TAGS = ("ETag", "etag", "e_tag", "checksum", "md5Hash", "blob_id", "oid", "mtime", "LastModified", "created")


class FilesystemBackend:
    """A file system of fsspec.

    Args:
        root: URL of the first folder, or of the host.
        settings: how long and how often.
        options: those of the file system.
    """

    def __init__(self, root: str, settings: Settings, options: dict[str, Any]) -> None:
        import fsspec

        self._root = root
        try:
            # Listings that it keeps would hide what was replaced meanwhile.
            self._fs, base = fsspec.core.url_to_fs(root, **{"use_listings_cache": False, **options})
        except ImportError as error:
            raise MissingExtra(f"{root}: {error}") from None
        except Exception as error:
            names = ", ".join(sorted(options)) or "none"
            raise ConfigError(f"{root}: cannot be opened with storage_options {names}: {_text(error)}") from None
        self._base = base.rstrip("/")

    def stat(self, name: str) -> Stat:
        """Return size and tag of an object."""
        try:
            about = self._fs.info(self._path(name))
        except Exception as error:
            raise self._explained(error, name) from None
        if about.get("type") == "directory":
            raise SourceNotFound(f"{self._root}/{name}: is a folder: give the objects in it")
        if about.get("size") is None:
            raise StorageError(f"{self._root}/{name}: its size is not known, so parts of it cannot be read: copy it")
        return Stat(int(about["size"]), _tag(about))

    def get(self, name: str, start: int, stop: int | None, tag: str) -> Got:
        """Return the bytes of a range that is not empty, and of what object they are."""
        # A file system has no If-Match: what is there now is asked for first.
        stat = self.stat(name) if tag else Stat(-1, "")
        if tag and stat.tag != tag:
            raise replaced(f"{self._root}/{name}")
        try:
            data = self._fs.cat_file(self._path(name), start=start or None, end=stop)
        except Exception as error:
            raise self._explained(error, name) from None
        return Got(bytes(data), stat)

    def list(self, folder: str, deep: bool) -> Iterator[Found]:
        """Yield the objects in a folder."""
        try:
            found = self._fs.find(self._path(folder), maxdepth=None if deep else 1, detail=True)
        except Exception as error:
            raise self._explained(error, folder) from None
        for path, about in found.items():
            if about.get("size") is not None:
                yield Found(path[len(self._base) :].lstrip("/"), int(about["size"]), _tag(about))

    def put(self, name: str, whole: BinaryIO) -> None:
        """Make or replace an object."""
        path = self._path(name)
        try:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            # Under its name only when it is whole, where the file system has transactions.
            with self._fs.transaction, self._fs.open(path, "wb") as file:
                shutil.copyfileobj(whole, file, 1 << 20)
        except Exception as error:
            try:
                raise self._explained(error, name)
            except Passing as failure:
                raise StorageError(f"{self._root}/{name}: cannot be written: {failure}") from None

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def _explained(self, error: Exception, name: str) -> Exception:
        url = f"{self._root}/{name}"
        if isinstance(error, StorageError | SourceNotFound):
            return error
        if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return SourceNotFound(f"{url}: there is no such object: check the URL")
        if isinstance(error, PermissionError):
            return StorageError(f"{url}: access is refused: check the credentials in storage_options")
        if isinstance(error, OSError | TimeoutError):
            return Passing(_text(error))
        return StorageError(f"{url}: {_text(error)}")


def check_scheme(scheme: str, url: str) -> None:
    """Raise ConfigError unless fsspec knows a scheme."""
    from fsspec.registry import known_implementations, registry

    if scheme not in known_implementations and scheme not in registry:
        raise ConfigError(f"{url!r}: nobody knows what {scheme}:// is: check the URL, or register it with fsspec")


def _tag(about: dict[str, Any]) -> str:
    tag = next((about[name] for name in _TAGS if about.get(name) is not None), "")
    # Some say one time as a datetime here and as a number there.
    return str(tag.timestamp() if isinstance(tag, datetime) else tag)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0]
