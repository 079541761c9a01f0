"""Tar archives as a source: the members that share a key are a sample, as in WebDataset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dataload.errors import ConfigError, FieldError, SourceNotFound, annotate
from dataload.samplers.base import IndexArray
from dataload.shards.foreign import scan_beside
from dataload.shards.index import Located, find_index
from dataload.shards.tar import KIND
from dataload.sources.shards import ShardSource
from dataload.storage.cached import Keeper
from dataload.storage.places import find_shards

KEY = "__key__"

_Wanted = str | tuple[str, Callable[[Any], Any]]


class _Field(NamedTuple):
    """A field of the samples: the suffixes that it is read from, the first that a sample has, and what is made of it.

    The suffix "__key__" is the key.
    """

    name: str
    suffixes: tuple[str, ...]
    function: Callable[[Any], Any] | None


class TarSource(ShardSource):
    """The samples of tar archives that are written as WebDataset's are, read by number.

    A member's key is its path up to the first dot of its last part, and the rest is its suffix, in lower case: the key
    of `train/000.seg.png` is `train/000`, its suffix `seg.png`. Consecutive members that share a key are a sample.
    Directories, links, hidden files and names without a dot are passed over. Archives that are compressed cannot be
    read by number.

    An index says where everything is. It is read from `dataload-index.arrow` beside the archives (`dataload index`
    makes it), or from the user's cache folder ($XDG_CACHE_HOME or ~/.cache); where there is none, the archives' headers
    are read once, and it is kept in the cache folder. Indexes of NVIDIA DALI, Megatron-Energon and lhotse that lie
    beside an archive make that faster.

    Args:
        paths: a path or URL, with braces and patterns such as "train-{000..127}.tar" or "s3://bucket/train-*.tar"; a
            folder, which means the .tar files in it; or a list of these. Samples are numbered through in this order.
        index: path or URL of an index of these archives; none other is taken.
        storage_options: how to reach a store that URLs lead to; None is what the environment says.
        cache: a folder where bytes that were read from a store are kept: see `FileSource`.
        cache_bytes: that it may take, such as "100GB".
        **fields: what a sample consists of. Each name is given a suffix, whose bytes it is; several, such as
            "jpg|png", of which the first that a sample has is taken; or a suffix and a function of the bytes, such as
            `label=("cls", int)`, `text=("txt", bytes.decode)` or `meta=("json", json.loads)`. The suffix "__key__" is
            the key, as str. Without fields a sample has the bytes of all of its suffixes, and the key, under their
            names.

    Raises:
        SourceNotFound: there is no such archive, or no sample in any.
        ConfigError: no sample at all has a suffix; `index` is of other archives, or of these before they were replaced.
        DecodeError: an archive is damaged, compressed or none at all.
        StorageError: an archive cannot be read.
        FieldError: a sample that is read lacks a field.
        ReplacedError: an archive that is read was replaced since the source was made.

    >>> TarSource("train-{000..127}.tar", audio="flac", label=("cls", int))[0]  # doctest: +SKIP
    {'audio': b'fLaC...', 'label': 3}
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        index: str | os.PathLike[str] | None = None,
        storage_options: Mapping[str, Any] | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int | str | None = None,
        **fields: _Wanted,
    ) -> None:
        wanted = [_field(name, value) for name, value in fields.items()]
        shards = Keeper(cache, cache_bytes).shards(find_shards(paths, ".tar", storage_options))
        self._index = find_index(shards, KIND, scan_beside, index=index, options=storage_options)
        if not len(self._index):
            raise SourceNotFound(
                f"no sample in {self._called()}: a sample is a member, or several, whose "
                "name has a key and a suffix, such as 000.jpg"
            )
        self._fields = [self._there(field) for field in wanted] if fields else None
        read = self._index.fields if self._fields is None else [one for field in self._fields for one in field.suffixes]
        super().__init__(self._index, [suffix for suffix in read if suffix != KEY])

    def _there(self, field: _Field) -> _Field:
        """Return a field with those of its suffixes that any sample has."""
        there = tuple(suffix for suffix in field.suffixes if suffix == KEY or suffix in self._index.fields)
        if not there:
            found = self._index.fields
            more = f" and {len(found) - 20} more" if len(found) > 20 else ""
            raise ConfigError(
                f"field {field.name}: no sample of {self._called()} "
                f"has the suffix {'|'.join(field.suffixes)!r}; there are {', '.join(map(repr, found[:20]))}{more}"
            )
        return field._replace(suffixes=there)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return one sample per index; those that lie beside one another in an archive are read in that order."""
        wanted = np.asarray(indices, np.int64)
        if self._fields is None:
            return self._whole(wanted)
        read = iter(self._values(wanted, [field.suffixes for field in self._fields if field.suffixes[0] != KEY]))
        columns = [self._column(field, wanted, read) for field in self._fields]
        names = [field.name for field in self._fields]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def _whole(self, wanted: IndexArray) -> list[dict[str, Any]]:
        """Return samples of all that they have."""
        suffixes = self._index.fields
        columns = self._values(wanted, [(suffix,) for suffix in suffixes])
        samples: list[dict[str, Any]] = [{KEY: key} for key in self._index.keys(wanted)]
        for suffix, values in zip(suffixes, columns, strict=True):
            for sample, value in zip(samples, values, strict=True):
                if value is not None:
                    sample[suffix] = value
        return samples

    def _column(self, field: _Field, wanted: IndexArray, read: Iterator[list[bytes | None]]) -> list[Any]:
        """Return the values of one field, of bytes that were read."""
        values: list[Any] = self._index.keys(wanted) if field.suffixes[0] == KEY else next(read)
        if None in values:
            raise self._lacks(field, int(wanted[values.index(None)]))
        if field.function is None:
            return values
        made = []
        for index, value in zip(wanted.tolist(), values, strict=True):
            try:
                made.append(field.function(value))
            except Exception as error:
                annotate(error, f"while making field {field.name!r} of {self.describe(index)}")
                raise
        return made

    def _lacks(self, field: _Field, index: int) -> FieldError:
        one = np.array([index], np.int64)
        there = [suffix for suffix in self._index.fields if self._index.locate(suffix, one).stops[0] >= 0]
        return FieldError(
            f"{self.describe(index)}: has no {'|'.join(field.suffixes)!r} for field {field.name!r}, only "
            f"{', '.join(map(repr, there))}: leave such samples out with on_error='skip', or give several suffixes, "
            f"such as {field.name}='{field.suffixes[0]}|{there[0] if there else 'other'}'"
        )

    def _values(self, wanted: IndexArray, columns: Sequence[tuple[str, ...]]) -> list[list[bytes | None]]:
        """Return for each column, which is a choice of suffixes, the bytes of all samples; None where one has none."""
        if not columns:
            return []
        found = [self._locate(suffixes, wanted) for suffixes in columns]
        starts, stops = np.concatenate([one.starts for one in found]), np.concatenate([one.stops for one in found])
        shards = np.concatenate([one.shards for one in found])
        values: list[bytes | None] = [b""] * len(starts)
        for place in np.flatnonzero(stops < 0).tolist():
            values[place] = None
        there = np.flatnonzero(stops > starts)
        read = self._read(np.tile(wanted, len(columns))[there], shards[there], starts[there], stops[there])
        for place, value in zip(there.tolist(), read, strict=True):
            values[place] = value
        return [values[i * len(wanted) : (i + 1) * len(wanted)] for i in range(len(columns))]

    def _locate(self, suffixes: Sequence[str], wanted: IndexArray) -> Located:
        found = self._index.locate(suffixes[0], wanted)
        for suffix in suffixes[1:]:
            other = self._index.locate(suffix, wanted)
            absent = found.stops < 0
            found = Located(
                found.shards,
                np.where(absent, other.starts, found.starts),
                np.where(absent, other.stops, found.stops),
            )
        return found

    def describe(self, index: int) -> str:
        """Return archive and key, for messages."""
        return f"{self._index.shard(index).place.url}: {self._index.key(index)}"

    def __repr__(self) -> str:
        fields = "".join(f", {field.name}={'|'.join(field.suffixes)!r}" for field in self._fields or ())
        return f"TarSource({self._called()}{fields}: {len(self)} samples)"


def _field(name: str, value: Any) -> _Field:
    suffix, function = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    if not isinstance(suffix, str) or not suffix or not (function is None or callable(function)):
        raise ConfigError(
            f"field {name}={value!r} must be a suffix, such as {name}='flac', or a suffix and a function of its bytes, "
            f"such as {name}=('cls', int)"
        )
    if isinstance(value, tuple) and function is None:
        raise ConfigError(f"field {name}={value!r} has no function: write {name}={suffix!r} for the bytes")
    suffixes = tuple(one if one == KEY else one.lower() for one in suffix.split("|"))
    if KEY in suffixes and len(suffixes) > 1:
        raise ConfigError(f"field {name}={value!r}: the key is no choice among suffixes, since every sample has one")
    return _Field(name, suffixes, function)
