"""Files of a folder, here or in a store, as a source: one sample per file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dataload.errors import ConfigError, SourceNotFound, annotate
from dataload.sources.listing import Listing, list_given, list_local, list_store
from dataload.storage.cached import Keeper
from dataload.storage.paths import RemotePath
from dataload.storage.places import Options, place

_ANY = "**/*"
# Where reads wait for a network, so many at once hide that from a worker.
_CONCURRENCY = 16


class FileSource:
    """The files under a folder that match a pattern, in sorted order.

    The order is that of the relative paths' text, so it does not depend on the file system. Paths are kept as one
    block of bytes: ten million of them take some hundred megabytes, not gigabytes.

    The folder may be behind a URL: s3://bucket/folder, gs://, az://, http(s)://, and whatever fsspec knows (hf://,
    sftp://, ...). It is listed once, here. Its objects are read where the samples are made, each checked to be the one
    that was listed, and `DecodeAudio` has them read ahead.

    Args:
        root: a folder, or its URL.
        pattern: which files, relative to the root: "*.wav", "**/*.flac" (any depth), "{000..127}/*.{wav,flac}", or
            several in a list. Hidden files are left out, and so is what is no regular file. A folder is visited once
            and a file listed once, whichever patterns and symbolic links lead to it; hard links are files of their own.
        ignore_case: whether "*.wav" finds "A.WAV" too.
        names: the files, in place of a pattern, for web servers, which cannot list: a list of names relative to the
            root, or the path or URL of a manifest (text with a name in each line, or Parquet with a column "name").
            Their order is kept.
        storage_options: how a store is reached, such as endpoint, region, access_key_id, secret_access_key for s3 (what
            obstore or fsspec takes), `timeout` in seconds of silence and `max_retries`. None is what the environment
            variables of the store say. They are in no message, state or pickle.
        cache: a folder on a disk of this machine where bytes that were read are kept, and read from the next time: in
            the next epoch, in other workers, by other programs. All of them may use it at once.
        cache_bytes: that it may take: a number, or text such as "100GB". What was used longest ago goes first.
        **fields: what a sample consists of: each name is given a function of the file's `pathlib.Path`, such as
            `audio=str, label=lambda path: path.parent.name`. Without fields a sample is the path as str. Behind a URL
            it is a `RemotePath`, whose text is the URL, with the same names of its parts, and `read_bytes()`.

    Raises:
        SourceNotFound: the folder does not exist, or nothing in it matches.
        ConfigError: the root is a file, a pattern is no text, a field is not a function, options do not fit, or the
            cache is no folder that can be written to.
        StorageError: the store cannot be asked, or cannot list.
        MissingExtra: the package that reads such URLs is not installed.

    >>> FileSource("recordings", "*.wav", audio=str)[0]  # doctest: +SKIP
    {'audio': 'recordings/0_george_0.wav'}
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        pattern: str | Sequence[str] = _ANY,
        *,
        ignore_case: bool = False,
        names: Sequence[str] | str | os.PathLike[str] | None = None,
        storage_options: Options | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int | str | None = None,
        **fields: Callable[[Path], Any],
    ) -> None:
        if not isinstance(ignore_case, bool):
            raise ConfigError(f"ignore_case={ignore_case!r} must be True or False: give a field another name")
        for name, function in fields.items():
            if not callable(function):
                raise ConfigError(
                    f"field {name}={function!r} must be a function of the file's path, such as {name}=str"
                )
        if names is not None and pattern != _ANY:
            raise ConfigError("names= says which files there are: leave out the pattern")
        self._pattern = pattern
        self._fields = fields
        keeper = Keeper(cache, cache_bytes)
        store, folder = place(root, storage_options)
        self._store = keeper.store(store)
        keeper.check(repr(os.fspath(root)))
        self._root: Path | PurePosixPath = PurePosixPath(folder) if self._store.remote else Path(folder)
        # What stands before a listed name in the text of its path: making a path of both takes longer than all else.
        self._before = None if self._store.remote or names is not None or os.sep != "/" else _before(str(self._root))
        self._listing = self._list(names, ignore_case, storage_options)
        if not len(self):
            raise SourceNotFound(f"no file in {self._where()!r} matches {pattern!r}: {self._contents()}")

    def _list(self, names: Any, ignore_case: bool, options: Options | None) -> Listing:
        if names is not None:
            return list_given(names, options)
        if self._store.remote:
            folder = self._root.as_posix()
            return list_store(self._store, "" if folder == "." else folder, self._pattern, ignore_case)
        root = Path(self._root)
        if not root.exists():
            raise SourceNotFound(f"there is no folder {str(root)!r} (looked from {str(Path.cwd())!r})")
        if not root.is_dir():
            raise ConfigError(f"{str(root)!r} is a file: give its folder as root and its name as pattern")
        return list_local(str(root), self._pattern, ignore_case)

    @property
    def read_concurrency(self) -> int:
        """How many samples each worker should read at the same time: 16 behind a network."""
        return _CONCURRENCY if self._store.remote else 0

    def __len__(self) -> int:
        return len(self._listing.names.ends)

    def path(self, index: int) -> Path | RemotePath:
        """Return the path of file `index`, 0 <= index < len(self)."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is outside of {self!r}")
        path = self._root / os.fsdecode(self._listing.names[index])
        if isinstance(path, Path):
            return path
        return RemotePath(self._store, path, *self._listing.about(index))

    def _text(self, index: int) -> str:
        """Return `str(path(index))`."""
        if self._before is None or not 0 <= index < len(self):
            return str(self.path(index))
        return self._before + os.fsdecode(self._listing.names[index])

    def __getitem__(self, index: int) -> Any:
        text = self._text(index)
        if not self._fields:
            return text
        sample: dict[str, Any] = {}
        path: Any = None
        for name, function in self._fields.items():
            if function is str:
                sample[name] = text
                continue
            path = self.path(index) if path is None else path
            try:
                sample[name] = function(path)
            except Exception as error:
                annotate(error, f"while making field {name!r} of {str(path)!r}")
                raise
        return sample

    def describe(self, index: int) -> str:
        """Return the path, for messages."""
        return self._text(index)

    def fingerprint(self) -> str:
        """Return a digest of the relative paths, and of sizes and tags in a store; the root may differ."""
        names, sizes, tags = self._listing
        digest = hashlib.blake2b(names.data.tobytes(), digest_size=8)
        digest.update(names.ends.tobytes())
        if sizes is not None and tags is not None:
            digest.update(sizes.tobytes())
            digest.update(tags.data.tobytes())
        return f"FileSource[{len(self)}]:{digest.hexdigest()}"

    def _where(self) -> str:
        return self._store.url(self._root.as_posix()) if self._store.remote else str(self._root)

    def _contents(self) -> str:
        if self._store.remote:
            return "check the bucket, the folder and the pattern; '**/' in front of a pattern looks at any depth"
        with os.scandir(self._root) as entries:
            names = sorted(entry.name + "/" * entry.is_dir() for entry in entries)
        if not names:
            return "the folder is empty"
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"it holds {', '.join(names[:5])}{more}. '**/' in front of a pattern looks at any depth"

    def __repr__(self) -> str:
        fields = "".join(f", {name}=..." for name in self._fields)
        return f"FileSource({self._where()!r}, {self._pattern!r}{fields}: {len(self)} files)"


def _before(root: str) -> str:
    return "" if root == "." else f"{root.rstrip('/')}/"


def own_path(source: Any, index: int) -> str | None:
    """Return the path of a sample where it is a file of a `FileSource`, else None."""
    return source.describe(index) if isinstance(source, FileSource) else None
