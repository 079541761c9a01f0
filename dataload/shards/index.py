"""Where the samples of many shards are: an index that is found, or made by reading through the shards once."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError, DataloadError, DecodeError, SourceNotFound, StorageError
from dataload.machine import user_cache
from dataload.samplers.base import IndexArray
from dataload.shards.columns import Columns, decode, encode, open_columns
from dataload.shards.scanning import Scan as Scan
from dataload.shards.scanning import Scanner as Scanner
from dataload.shards.scanning import names, parts, read_through
from dataload.storage.local import LOCAL
from dataload.storage.places import Options, Place, Shard, is_url, place

NAME = "dataload-index.arrow"


class Located(NamedTuple):
    """Where a field of some samples is; all three (n,) int64.

    Attributes:
        shards: numbers of the shards.
        starts: where the bytes begin, -1 where the sample has no such field.
        stops: where they end, -1 where the sample has no such field.
    """

    shards: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]


class ShardIndex:
    """The samples of shards, numbered through, and where their fields are.

    It pickles as the name of its file where it has one.

    Attributes:
        shards: in the order of the samples.
        fields: names of the fields that any sample has.
    """

    def __init__(self, columns: Columns, shards: Sequence[Shard], numbers: Sequence[int]) -> None:
        """Take the shards with these numbers from an index.

        Args:
            columns: of these shards, and of others perhaps.
            shards: where they are now.
            numbers: of the entry of each.
        """
        self.shards = list(shards)
        self._columns = columns
        self._numbers = np.asarray(numbers, np.int64)
        samples = np.array([entry.samples for entry in columns.entries], np.int64)
        self._runs = samples[self._numbers]
        self._ends = np.cumsum(self._runs, dtype=np.int64)
        # From the number of a sample to its row, by shard.
        self._shifts = (np.cumsum(samples, dtype=np.int64) - samples)[self._numbers] - (self._ends - self._runs)
        self._sizes = np.array([shard.size for shard in shards], np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that any sample has."""
        return tuple(self._columns.offsets)

    def locate(self, field: str, indices: IndexArray) -> Located:
        """Return where a field of these samples is: shard numbers, starts and stops, -1 where a sample lacks it.

        Raises:
            IndexError: an index is outside.
            KeyError: no sample has such a field.
            DecodeError: the index is damaged: the field would lie outside of its shard.
        """
        shards, rows = self._rows(indices)
        starts, sizes = self._columns.offsets[field][rows], self._columns.sizes[field][rows]
        stops = starts + sizes
        absent = sizes == -1
        wrong = ~absent & ((starts < 0) | (sizes < 0) | (stops < starts) | (stops > self._sizes[shards]))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            shard = self.shards[shards[at]]
            raise DecodeError(
                f"{self._columns.path or 'the index'}: places field {field!r} of sample {indices[at]} at bytes "
                f"{starts[at]} to {stops[at]} of {shard.place.url}, which has {shard.size}: the index is damaged; make "
                "it anew with `dataload index`"
            )
        if absent.any():
            starts, stops = np.where(absent, -1, starts), np.where(absent, -1, stops)
        return Located(shards, starts, stops)

    def key(self, index: int) -> str:
        """Return the name of a sample, "" where it has none."""
        return self.keys(np.array([index], np.int64))[0]

    def keys(self, indices: IndexArray) -> list[str]:
        """Return the names of samples, "" where they have none."""
        keys = self._columns.keys
        _, rows = self._rows(indices)
        return [""] * len(rows) if keys is None else [keys.get(row) for row in rows.tolist()]

    def shard(self, index: int) -> Shard:
        """Return the shard that a sample is in."""
        shards, _ = self._rows(np.array([index], np.int64))
        return self.shards[int(shards[0])]

    def runs(self) -> NDArray[np.int64]:
        """Return the number of samples of each shard, in order; (shards,) int64."""
        return self._runs.copy()

    def fingerprint(self) -> str:
        """Return a digest of names, sizes and samples of the shards, and of the tags of remote ones.

        The folder may differ between machines.
        """
        state = hashlib.blake2b(self._columns.kind.encode(), digest_size=8)
        for name, shard, samples in zip(names(self.shards), self.shards, self._runs.tolist(), strict=True):
            tag = shard.tag if shard.place.store.remote else ""
            state.update(f"{name}\0{shard.size}\0{tag}\0{samples}\0".encode("utf-8", "surrogateescape"))
        return f"{self._columns.kind}[{len(self)}]:{state.hexdigest()}"

    def columns(self) -> Columns:
        """Return what is kept in a file: of these shards and, where the index was found, of those beside them."""
        return self._columns

    def _rows(self, indices: IndexArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        wanted = np.asarray(indices, np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"indices {wanted.min()}..{wanted.max()} reach outside of {len(self)} samples")
        shards = np.searchsorted(self._ends, wanted, side="right")
        return shards, wanted + self._shifts[shards]

    def __reduce__(self) -> tuple[object, ...]:
        return ShardIndex, (self._columns, self.shards, self._numbers)


class _Unfit(Exception):
    """An index that is not of these shards, as they are now; the message goes on after its name."""


def find_index(
    shards: Sequence[Shard],
    kind: str,
    scan: Scanner,
    *,
    index: str | os.PathLike[str] | None = None,
    options: Options | None = None,
    progress: bool | None = None,
) -> ShardIndex:
    """Return the index of shards: the one given, or one that lies beside them or was kept before, or a new one.

    A new one is kept in the user's cache folder ($XDG_CACHE_HOME or ~/.cache, below it dataload/index). One that was
    found and is of other shards, or of these before they were replaced, is passed over.

    Args:
        shards: in the order in which their samples are numbered.
        kind: the format, such as "tar": an index of another kind is none of these shards.
        scan: reads through a shard; it is called on several threads.
        index: path or URL of an index; none other is taken.
        options: how to reach it, where it is a URL.
        progress: whether to show on standard error that shards are read, once it takes longer than two seconds; None
            shows it.

    Raises:
        ConfigError: `index` is of other shards, or of these before they were replaced.
        DecodeError: `index` is damaged, or a shard is.
        SourceNotFound: there is no `index`.
        StorageError: a store cannot be asked.
    """
    if index is not None:
        return _given(os.fspath(index), shards, kind, options)
    near = beside(shards)
    if near is not None and (found := _found_beside(near, shards, kind)) is not None:
        return found
    kept = _cache_path(kind, *(text for shard in shards for text in (_identity(shard), str(shard.size), shard.tag)))
    if kept is not None:
        try:
            return _fit(open_columns(kept), shards, kind)
        except (DataloadError, _Unfit):  # There is none, or it is damaged: a new one takes its place.
            pass
    made = read_through(shards, kind, scan, progress is not False)
    return ShardIndex(_kept(encode(made), kept, made), shards, range(len(shards)))


def write_index(index: ShardIndex, path: str | os.PathLike[str], options: Options | None = None) -> None:
    """Write an index to a path or URL, where others find it: named `dataload-index.arrow` beside its shards.

    Raises:
        StorageError: it cannot be written.
    """
    target = place(path, options)
    target.store.write(target.name, encode(index.columns()))


def _given(path: str, shards: Sequence[Shard], kind: str, options: Options | None) -> ShardIndex:
    at = place(path, options if is_url(path) else None)
    try:
        return _fit(_opened(at), shards, kind)
    except _Unfit as error:
        raise ConfigError(
            f"index={path!r} {error}: give the index of these shards, make it with `dataload index`, or leave index "
            "out, and it is made here"
        ) from None


def _found_beside(at: Place, shards: Sequence[Shard], kind: str) -> ShardIndex | None:
    try:
        return _fit(_opened(at), shards, kind)
    except (SourceNotFound, StorageError, _Unfit):
        # A store that lets nobody list answers that one may not read what is not there.
        return None
    except DataloadError as error:
        warnings.warn(f"{error}. Until then the shards are read through", RuntimeWarning, stacklevel=4)
        return None


def _opened(at: Place) -> Columns:
    """Return the columns of an index; one that is remote is kept in the cache folder, and read from there later."""
    if not at.store.remote:
        return open_columns(at.name)
    size, tag = at.stat()
    kept = _cache_path("index", at.url, str(size), tag)
    if kept is not None:
        try:
            return open_columns(kept)
        except DataloadError:  # There is none, or it is damaged.
            pass
    data = at.read(0, size, tag)
    return _kept([data], kept, decode(data, at.url))


def _kept(data: Iterable[bytes], path: str | None, columns: Columns) -> Columns:
    """Return the columns from a file that is made of them, or themselves where none can be made."""
    if path is None:
        return columns
    try:
        LOCAL.write(path, data)
        return open_columns(path)
    except DataloadError as error:
        warnings.warn(
            f"the index of the shards cannot be kept ({error}): it stays in memory, and is made again next time; set "
            "XDG_CACHE_HOME to a folder that can be written to",
            RuntimeWarning,
            stacklevel=4,
        )
        return columns


def _cache_path(*identity: str) -> str | None:
    """Return where in the user's cache folder an index is kept; None where there is no such folder."""
    folder = user_cache()
    if folder is None:
        return None
    digest = hashlib.blake2b("\0".join(identity).encode("utf-8", "surrogateescape"), digest_size=16)
    return str(folder / "index" / f"{digest.hexdigest()}.arrow")


def _identity(shard: Shard) -> str:
    return shard.place.url if shard.place.store.remote else str(Path(shard.place.name).absolute())


def beside(shards: Sequence[Shard]) -> Place | None:
    """Return where an index would be: in the folder that all shards are in or below."""
    folders = [parts(shard)[:-1] for shard in shards]
    same = [len(set(level)) == 1 for level in zip(*folders, strict=False)]
    below = len(folders[0]) - (same.index(False) if False in same else len(same))
    first = shards[0].place
    folder = first.name.replace(os.sep, "/") if not first.store.remote else first.name
    inside = folder.split("/")[:-1]
    if below > len(inside):  # Shards of several buckets or disks.
        return None
    return Place(first.store, "/".join([*inside[: len(inside) - below], NAME]))


def _fit(columns: Columns, shards: Sequence[Shard], kind: str) -> ShardIndex:
    """Return the index of these shards, out of one that may be of more, or raise _Unfit."""
    if columns.kind != kind:
        raise _Unfit(f"is of {columns.kind} shards, and these are {kind}")
    known = {entry.name: number for number, entry in enumerate(columns.entries)}
    depth = max((name.count("/") + 1 for name in known), default=1)
    numbers = []
    for shard in shards:
        way = parts(shard)
        tails = ("/".join(way[-n:]) for n in range(min(depth, len(way)), 0, -1))
        number = next((known[tail] for tail in tails if tail in known), None)
        if number is None:
            raise _Unfit(f"does not have the shard {shard.place.url}")
        entry = columns.entries[number]
        if entry.size != shard.size:
            raise _Unfit(
                f"was made when the shard {shard.place.url} had {entry.size} bytes, and it has {shard.size} now"
            )
        # A tag is of the place where the shard was: one that was copied to a bucket is told by its size alone.
        if columns.remote == shard.place.store.remote and entry.tag and shard.tag and entry.tag != shard.tag:
            raise _Unfit(f"was made before the shard {shard.place.url} was replaced, or copied without its time")
        numbers.append(number)
    if len(set(numbers)) < len(numbers):
        raise _Unfit("has one shard where here are several of its name")
    return ShardIndex(columns, shards, numbers)
