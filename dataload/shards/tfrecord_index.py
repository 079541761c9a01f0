"""Indexes of TFRecord files that `tfrecord2idx` left beside them: a line of offset and size for each record."""

from __future__ import annotations

import re

import numpy as np

from dataload.shards.beside import Unfit, scan_by_index
from dataload.shards.scanning import Scan
from dataload.shards.tfrecord import FIELD, FOOT, HEAD, WrongFrame, framed_size, scan_tfrecord
from dataload.storage.base import Range
from dataload.storage.places import Shard

# As many records are looked up in the file: its first, its last and some between them.
_COMPARED = 32
_SUFFIX = re.compile(r"\.(tfrecords?|tfrec)$")


def scan_beside(shard: Shard) -> Scan:
    """Return where the records of a TFRecord file are, by an index beside it, or else by reading through the file.

    `train.tfrecord.index`, `train.index`, `train.tfindex`, `train.tfrecord.idx` and `train.idx` are such indexes, as
    the package `tfrecord` and NVIDIA DALI write them. One that does not fit is passed over with a warning.

    Raises:
        The errors of `scan_tfrecord`.
    """
    name = shard.place.name
    stem = _SUFFIX.sub("", name)
    names = (f"{name}.index", f"{stem}.index", f"{stem}.tfindex", f"{name}.idx", f"{stem}.idx")
    return scan_by_index(shard, names, _fit, scan_tfrecord)


def _fit(data: bytes, shard: Shard) -> Scan:
    """Return what an index says, compared with the file, or raise Unfit."""
    try:
        numbers = np.array([int(word) for word in data.split()], np.int64)
    except (ValueError, OverflowError):
        raise Unfit("is no list of numbers") from None
    if len(numbers) % 2:
        raise Unfit(f"has {len(numbers)} numbers, which are no pairs of offset and size")
    offsets, sizes = np.ascontiguousarray(numbers[::2]), np.ascontiguousarray(numbers[1::2])
    stops = offsets + sizes
    starts = np.concatenate([np.zeros(1, np.int64), stops])
    if (sizes < HEAD + FOOT).any() or (offsets != starts[:-1]).any() or starts[-1] != shard.size:
        raise Unfit("its records do not fill the file one behind the other: was that changed since?")
    some = np.unique(np.linspace(0, len(offsets) - 1, min(_COMPARED, len(offsets))).astype(np.int64))
    store, name, tag = shard.place.store, shard.place.name, shard.tag
    heads = store.read_many([Range(name, start, start + HEAD, tag) for start in offsets[some].tolist()])
    for number, head in zip(some.tolist(), heads, strict=True):
        try:
            size = framed_size(head)
        except WrongFrame as error:
            raise Unfit(f"there is no record at byte {offsets[number]}, which {error}") from None
        if size != sizes[number]:
            raise Unfit(f"record {number} has {size} bytes in the file, and {sizes[number]} here")
    return Scan(None, {FIELD: offsets}, {FIELD: sizes})
