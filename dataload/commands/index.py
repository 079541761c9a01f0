"""`dataload index`: where every field of every sample of some shards is, written beside them."""

from __future__ import annotations

import time
from argparse import Namespace

from dataload import TFRecordSource
from dataload.commands.arguments import UsageError
from dataload.commands.sources import find_kind
from dataload.errors import ConfigError, DecodeError, SourceNotFound
from dataload.shards import foreign, tfrecord_index
from dataload.shards.index import beside, find_index, write_index
from dataload.shards.scanning import Scanner
from dataload.storage.places import find_shards, place
from dataload.terminal import open_terminal

SCANNERS: dict[str, Scanner] = {"tar": foreign.scan_beside, "tfrecord": tfrecord_index.scan_beside}


def run(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        UsageError: there are no such shards, they are of several kinds, or in no folder together.
        DecodeError: a shard is damaged.
        StorageError: a shard cannot be read, or the index not be written.
    """
    terminal = open_terminal()
    start = time.perf_counter()
    try:
        kind, paths = find_kind(arguments.shards)
        shards = find_shards(paths, f".{kind}")
        index = find_index(shards, kind, SCANNERS[kind])
        out = place(arguments.out) if arguments.out else beside(index.shards)
    except (ConfigError, SourceNotFound) as error:
        raise UsageError(str(error)) from None
    if out is None:
        raise UsageError("the shards are not all in or below one folder: say where the index shall be with --out FILE")
    write_index(index, out.url)
    terminal.line(f"{len(index):,} samples in {len(index.shards):,} shards")
    fields = index.fields if kind == "tar" else _features(paths, out.url)
    terminal.line(f"fields: {', '.join(fields)}")
    terminal.line(f"{out.url}: written after {time.perf_counter() - start:.1f} s")


def _features(paths: list[str], index: str) -> list[str]:
    """Return the names of the features of the first record."""
    try:
        return list(TFRecordSource(paths, index=index)[0])
    except DecodeError:
        return ["none: the records are no tf.train.Example"]
