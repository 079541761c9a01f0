"""TFRecord files as a source: a sample per record, of the features of a tf.train.Example."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError, DecodeError, FieldError, SourceNotFound, annotate
from dataload.memory import Allocator
from dataload.samplers.base import IndexArray
from dataload.shards.alike import stacked
from dataload.shards.example import parse_example, parse_sequence_example
from dataload.shards.index import find_index
from dataload.shards.messages import Value
from dataload.shards.tfrecord import FIELD, KIND, masked_crc, unframe
from dataload.shards.tfrecord_index import scan_beside
from dataload.sources.features import Feature, WrongValue, feature
from dataload.sources.shards import ShardSource
from dataload.storage.cached import Keeper
from dataload.storage.places import find_shards

_Wanted = str | tuple[str, Callable[[Any], Any] | np.dtype[Any]]
# After so many batches whose records are not alike none is tried again.
_MAX_UNLIKE = 3


class TFRecordSource(ShardSource):
    """The records of TFRecord files, read by number.

    A record is a tf.train.Example, whose features are lists of bytes, of floats or of 64-bit integers. As stored, they
    are list[bytes], an (n,) float32 array and an (n,) int64 array. A feature without a list is one that is missing.

    The checksums of a record are compared at each read. Files that are compressed cannot be read by number.

    An index says where each record is. It is read from `dataload-index.arrow` beside the files (`dataload index` makes
    it), or from the user's cache folder ($XDG_CACHE_HOME or ~/.cache); where there is none, the files are hopped
    through from record to record, and it is kept in the cache folder. Indexes of `tfrecord2idx` that lie beside a file
    are read in place of that.

    Args:
        paths: a path or URL, with braces and patterns such as "train-*-of-00128" or "s3://bucket/{train,val}.tfrecord";
            a folder, which means the .tfrecord files in it; or a list of these. Records are numbered through in this
            order.
        raw: whether a sample is the bytes of a record, whatever they are.
        index: path or URL of an index of these files; none other is taken.
        storage_options: how to reach a store that URLs lead to; None is what the environment says.
        cache: a folder where bytes that were read from a store are kept: see `FileSource`.
        cache_bytes: that it may take, such as "100GB".
        **fields: what a sample consists of. Each name is given the name of a feature, and is that list as stored; or
            the name and what to make of it:

            * `image=("image/encoded", bytes)`: the one value of a bytes list, as bytes,
            * `text=("text", str)`: the one value of a bytes list, as text in UTF-8,
            * `label=("image/class/label", int)`: the one value of an int64 list, as np.int64,
            * `weight=("weight", float)`: the one value of a float list, as np.float32,
            * `frames=("audio", np.int16)`: the one value of a bytes list as the numbers that it is, lowest byte first:
              (n,) of that numpy type,
            * `box=("box", lambda values: values.reshape(-1, 4))`: what a function makes of the list as stored.

            Without fields a sample has all features as stored, in the order of their names.

    Raises:
        SourceNotFound: there is no such file, or no record in any.
        ConfigError: a field is none of the above; `index` is of other files, or of these before they were replaced.
        DecodeError: a file is damaged, cut off, compressed or none at all; a record that is read is damaged or no
            Example; a feature has not one value, or one of another kind, where one is asked for.
        FieldError: a record that is read lacks a feature.
        ReplacedError: a file that is read was replaced since the source was made.
        StorageError: a file cannot be read.
        MissingExtra: google-crc32c is not installed.

    >>> TFRecordSource("train-*", image=("image/encoded", bytes), label=("label", int))[0]  # doctest: +SKIP
    {'image': b'...', 'label': np.int64(3)}
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        raw: bool = False,
        index: str | os.PathLike[str] | None = None,
        storage_options: Mapping[str, Any] | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int | str | None = None,
        **fields: _Wanted,
    ) -> None:
        if not isinstance(raw, bool):
            raise ConfigError(f"raw={raw!r} must be True or False: give a field another name")
        if raw and fields:
            raise ConfigError(f"raw=True gives the bytes of a record, which has no field {next(iter(fields))!r}")
        self._raw = raw
        self._fields = [feature(name, value) for name, value in fields.items()]
        # Batches one after the other whose records were not alike.
        self._unlike = 0
        masked_crc(b"")  # Tells now, not at the first read, that google-crc32c is missing.
        shards = Keeper(cache, cache_bytes).shards(find_shards(paths, ".tfrecord", storage_options))
        self._index = find_index(shards, KIND, scan_beside, index=index, options=storage_options)
        if not len(self._index):
            raise SourceNotFound(f"no record in {self._called()}: write some, or give other files")
        super().__init__(self._index, [FIELD])

    @cached_property
    def _firsts(self) -> IndexArray:
        runs = self._index.runs()
        return np.cumsum(runs) - runs

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return one sample per index; the records are read in the order in which they lie in the files."""
        wanted = np.asarray(indices, np.int64)
        shards, starts, stops = self._index.locate(FIELD, wanted)
        records = self._read(wanted, shards, starts, stops)
        return [self._sample(*one) for one in zip(wanted.tolist(), starts.tolist(), records, strict=True)]

    def stacked(self, indices: IndexArray, alloc: Allocator) -> dict[str, NDArray[Any]] | None:
        """Return the batch of records that are laid out alike, in memory of `alloc`; None for all others."""
        columns = [field.column for field in self._fields if field.column is not None]
        if self._raw or not columns or len(columns) < len(self._fields) or self._unlike > _MAX_UNLIKE:
            return None
        shards, starts, stops = self._index.locate(FIELD, indices)
        data, begins = self._read_joined(indices, shards, starts, stops)
        batch = stacked(data, begins, stops - starts, columns, alloc)
        # What was read for nothing is read again.
        self._unlike = 0 if batch is not None else self._unlike + 1
        return batch

    def _sample(self, index: int, start: int, record: bytes) -> Any:
        try:
            data = unframe(record)
        except DecodeError as error:
            raise DecodeError(f"{self.describe(index)} at byte {start} {error}") from None
        if self._raw:
            return data
        try:
            stored = parse_example(data)
        except DecodeError as error:
            raise DecodeError(f"{self.describe(index)}: {error}; raw=True gives the bytes of any record") from None
        if not self._fields:
            # Serializers write them in any order, and another one for each record.
            return dict(sorted(stored.items()))
        sample = {}
        for field in self._fields:
            if field.feature not in stored:
                raise self._lacks(field, index, data, stored)
            try:
                sample[field.name] = field.made(stored[field.feature])
            except WrongValue as error:
                raise DecodeError(
                    f"{self.describe(index)}: feature {field.feature!r} of field {field.name!r} {error}"
                ) from None
            except Exception as error:
                annotate(error, f"while making field {field.name!r} of {self.describe(index)}")
                raise
        return sample

    def _lacks(self, field: Feature, index: int, data: bytes, stored: dict[str, Value]) -> FieldError:
        lists = parse_sequence_example(data)[1]
        if field.feature in lists:
            return FieldError(
                f"{self.describe(index)}: {field.feature!r} of field {field.name!r} is a feature list of a "
                "tf.train.SequenceExample: take raw=True, and dataload.shards.example.parse_sequence_example as a "
                "transform"
            )
        there = f"only {', '.join(map(repr, sorted(stored)))}" if stored else "and no other"
        return FieldError(
            f"{self.describe(index)}: has no feature {field.feature!r} for field {field.name!r}, {there}: name one "
            "that is there, or leave such records out with on_error='skip'"
        )

    def describe(self, index: int) -> str:
        """Return file and number of the record in it, for messages."""
        number = int(np.searchsorted(self._firsts, index, side="right")) - 1
        return f"{self._index.shards[number].place.url}: record {index - int(self._firsts[number])}"

    def __repr__(self) -> str:
        fields = ", raw=True" if self._raw else "".join(f", {one.name}={one.feature!r}" for one in self._fields)
        return f"TFRecordSource({self._called()}{fields}: {len(self)} records)"
