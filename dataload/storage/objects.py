"""Buckets (s3, gs, az) and web servers (http, https), read by obstore."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO
from urllib.parse import unquote

from dataload.errors import ConfigError, ReplacedError, SourceNotFound, StorageError
from dataload.storage.backend import Got, Settings, replaced
from dataload.storage.base import Found, Stat
from dataload.storage.retry import Passing

_STATUS = re.compile(r"status code: (\d{3})")
# Of a server that is busy, or asks to come again later.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
# Where a cloud's machines get their keys: asked where no others are known.
_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
# By the first letters of a scheme: abfss and adl are Azure too.
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    **dict.fromkeys(("az", "ab", "ad"), ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")),
}


class ObjectBackend:
    """The objects of a bucket or a host.

    Args:
        root: its URL.
        settings: how long and how often.
        options: those of obstore for the kind of store, such as endpoint, region, access_key_id.
    """

    def __init__(self, root: str, settings: Settings, options: dict[str, Any]) -> None:
        from obstore import store

        from_url: Any = store.from_url
        _check_not_forked(root)

        self._root = root
        self._web = root.startswith(("http://", "https://"))
        given = dict(options.pop("client_options", {}))
        # Client options take the place of those from the environment, so what that says of the address is seen to here.
        variables = (os.environ.get(name) for name in _ENDPOINTS.get(root[:2].lower(), ()))
        plain = str(options.get("endpoint") or next(filter(None, variables), root)).startswith("http://")
        # Silence is what tells that nothing more will come, not how long a whole answer takes.
        client = {
            "read_timeout": timedelta(seconds=settings.timeout),
            "connect_timeout": timedelta(seconds=min(settings.timeout, 5)),
            "timeout": timedelta(seconds=max(600, settings.timeout)),
            "allow_http": plain,
            **given,
        }
        try:
            # Asked once: what is tried again is counted.
            self._store: Any = from_url(root, client_options=client, retry_config={"max_retries": 0}, **options)
        except Exception as error:
            names = ", ".join(sorted(options)) or "none"
            raise ConfigError(f"{root}: cannot be opened with storage_options {names}: {_first_line(error)}") from None

    def stat(self, name: str) -> Stat:
        """Return size and tag of an object."""
        import obstore

        _check_not_forked(self._root)

        try:
            found = obstore.head(self._store, self._key(name))
        except Exception as error:
            raise self._explained(error, name) from None
        return Stat(found["size"], _tag(found))

    def get(self, name: str, start: int, stop: int | None, tag: str) -> Got:
        """Return the bytes of a range that is not empty, and of what object they are."""
        import obstore

        _check_not_forked(self._root)

        options: dict[str, Any] = {}
        if stop is not None:
            options["range"] = (start, stop)
        elif start:
            options["range"] = {"offset": start}
        if tag:
            options["if_match"] = tag
        try:
            answer = obstore.get(self._store, self._key(name), options=options)
            meta = answer.meta
            return Got(bytes(answer.bytes()), Stat(meta["size"], _tag(meta)))
        except Exception as error:
            if _status(error) == 416:
                raise replaced(f"{self._root}/{name}") from None
            explained = self._explained(error, name)
            if isinstance(explained, ReplacedError):
                self.stat(name)  # Azure's emulator says of an object that is gone, too, that it has another tag.
            raise explained from None

    def list(self, folder: str, deep: bool) -> Iterator[Found]:
        """Yield the objects in a folder."""
        import obstore

        _check_not_forked(self._root)

        if self._web:
            raise StorageError(
                f"{self._root}/{folder}: a web server cannot list what it has: give the names, with braces as in "
                "shard-{000..127}.tar, or names= of a FileSource"
            )
        try:
            if deep:
                for page in obstore.list(self._store, folder or None, chunk_size=1000):
                    yield from map(_found, page)
            else:
                yield from map(_found, obstore.list_with_delimiter(self._store, folder or None)["objects"])
        except Exception as error:
            raise self._explained(error, folder) from None

    def put(self, name: str, whole: BinaryIO) -> None:
        """Make or replace an object."""
        import obstore

        _check_not_forked(self._root)

        try:
            obstore.put(self._store, self._key(name), whole)
        except Exception as error:
            try:
                raise self._explained(error, name)
            except Passing as failure:
                raise StorageError(f"{self._root}/{name}: cannot be written: {failure}") from None

    def _key(self, name: str) -> str:
        # In a web address a space is written %20, in the name of an object it is a space.
        return unquote(name) if self._web else name

    def _explained(self, error: Exception, name: str) -> Exception:
        from obstore import exceptions

        if isinstance(error, StorageError | SourceNotFound):
            return error
        url = f"{self._root}/{name}"
        text, status = _first_line(error), _status(error)
        if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
            return SourceNotFound(f"{url}: there is no such bucket: check its name, region and endpoint")
        if isinstance(error, FileNotFoundError) or status in (404, 410):
            return SourceNotFound(f"{url}: there is no such object: check the URL")
        if isinstance(error, exceptions.PreconditionError):
            return replaced(url)
        if any(place in str(error) for place in _METADATA):
            return StorageError(
                f"{url}: no credentials are known: set the environment variables of the store, give storage_options "
                "such as access_key_id, or for what is public skip_signature=True"
            )
        if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError) or status in (
            401,
            403,
        ):
            return StorageError(
                f"{url}: access is refused ({status or 'no status'}): the credentials are wrong, have expired, or do "
                "not allow it; what is public is read with storage_options skip_signature=True"
            )
        # S3 does not say where to: a bucket of another region is to be asked for there.
        if status in (301, 307, 308, 400) or "redirect without LOCATION" in text:
            return StorageError(
                f"{url}: the request is refused ({status}): check region and endpoint in storage_options: {text}"
            )
        if isinstance(error, exceptions.GenericError) and (status is None or status in _PASSING):
            return Passing(text)
        return StorageError(f"{url}: {text}")


# The process in which obstore was first used: its threads do not exist in a fork, where a call would wait for ever.
_first_used_in: list[int] = []


def _check_not_forked(root: str) -> None:
    """Raise StorageError in a fork of a process that has used obstore."""
    if not _first_used_in:
        _first_used_in.append(os.getpid())
    elif _first_used_in[0] != os.getpid():
        raise StorageError(
            f"{root}: cannot be read in this process, a fork of one that has read from a store before: start it "
            "without fork (torch: multiprocessing_context='spawn'), or let the Loader's own workers read"
        )


def _found(meta: Any) -> Found:
    return Found(meta["path"], meta["size"], _tag(meta))


def _tag(meta: Any) -> str:
    """Return the ETag of an object, in quotes: listings of Azure leave them out, and answers to a GET have them."""
    tag: str = meta["e_tag"] or ""
    return tag if not tag or tag.endswith('"') else f'"{tag}"'


def _status(error: Exception) -> int | None:
    match = _STATUS.search(str(error))
    return None if match is None else int(match.group(1))


def _first_line(error: Exception) -> str:
    """Return what an error of obstore says, without its second half, which is how it is made."""
    text = str(error).split("\n\nDebug source")[0]
    # Requests that are signed in their address would show the signature.
    return re.sub(r"\?\S*", "", text).split("\n")[0].strip()
