"""What sources over indexed shards have in common: reading by place, in pieces where that asks a store less often.

A piece is some megabytes of consecutive samples of a shard. `shuffle="blocks"` shuffles pieces and what is in a window
of them; behind a network the pieces of a window are then fetched whole and kept, so that a bucket sees few large reads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from dataload.samplers.base import IndexArray
from dataload.shards.index import ShardIndex
from dataload.storage.base import Range
from dataload.storage.pool import side_by_side

# Long enough that what a request takes beyond its bytes does not count, short enough to hold a window in memory.
_PIECE_BYTES = 4 << 20
# Batches that a worker reads at the same time behind a network; the reads of each overlap by themselves.
_BATCHES = 4
# Samples whose places are looked at together, and shards whose pieces a process remembers.
_SAMPLES_AT_ONCE = 1 << 16
_SHARDS_KEPT = 1024


class ShardSource:
    """Samples that an index finds in shards.

    Args:
        index: says where they are.
        columns: the fields of the index that are read.
    """

    def __init__(self, index: ShardIndex, columns: Sequence[str]) -> None:
        self._index = index
        self._columns = tuple(columns)
        self._kept_pieces = 0
        self._open()

    def _open(self) -> None:
        shards = self._index.shards
        self._names = [shard.place.name for shard in shards]
        self._tags = [shard.tag for shard in shards]
        self._stores = [shard.place.store for shard in shards]
        self._remote = any(store.remote for store in self._stores)
        self._pieces = _Pieces(self._kept_pieces)
        # The first sample of each shard, and the number of all.
        self._begins: IndexArray = np.append(0, np.cumsum(self._index.runs(), dtype=np.int64))
        self._ends_by_shard: dict[int, IndexArray] = {}

    def __len__(self) -> int:
        return len(self._index)

    @property
    def read_concurrency(self) -> int:
        """How many batches each worker should read at the same time: 4 behind a network."""
        return _BATCHES if self._remote else 0

    def runs(self) -> IndexArray:
        """Return how many consecutive samples each piece has, in order; (pieces,) int64."""
        return np.diff(self._piece_ends, prepend=0)

    def keep_runs(self, count: int) -> None:
        """Fetch pieces whole, and keep as many, where reads wait for a network."""
        self._kept_pieces = count if self._remote else 0
        self._pieces = _Pieces(self._kept_pieces)

    @cached_property
    def _piece_ends(self) -> IndexArray:
        """Where each piece ends, as a sample's index."""
        # Some shards at a time: all samples of many shards at once would take memory for a dozen numbers of each.
        cuts = np.searchsorted(self._begins, np.arange(0, len(self), _SAMPLES_AT_ONCE), side="right") - 1
        firsts = [*dict.fromkeys(cuts.tolist()), len(self._begins) - 1]
        parts = [self._ends_of(first, stop) for first, stop in pairwise(firsts)]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def _ends_of(self, first: int, stop: int) -> IndexArray:
        """Return where each piece of the shards first <= s < stop ends, as a sample's index."""
        begins = self._begins[first : stop + 1]
        base, length = int(begins[0]), int(begins[-1] - begins[0])
        if not length:
            return np.empty(0, np.int64)
        shards, starts, _ = self._extent(np.arange(base, base + length, dtype=np.int64))
        # A sample without any of the fields begins where the one before it does.
        starts = np.maximum.accumulate(np.where(starts < 0, 0, starts) + (shards << 48)) - (shards << 48)
        firsts = starts[np.minimum(begins - base, length - 1)]
        piece = (starts - firsts[shards - first]) // _PIECE_BYTES
        changes = np.flatnonzero((np.diff(piece) != 0) | (np.diff(shards) != 0)) + 1
        return np.append(changes, length).astype(np.int64) + base

    def _ends_in(self, shard: int) -> IndexArray:
        """Return where each piece of one shard ends, for a process that reads from few of them."""
        found = self._ends_by_shard.get(shard)
        if found is None:
            if len(self._ends_by_shard) >= _SHARDS_KEPT:
                self._ends_by_shard = {}
            found = self._ends_by_shard[shard] = self._ends_of(shard, shard + 1)
        return found

    def _extent(self, indices: IndexArray) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Return the shard of each sample, and where the first of its fields begins and the last ends; -1 for none."""
        found = [self._index.locate(column, indices) for column in self._columns]
        if not found:
            none = np.full(len(indices), -1, np.int64)
            return np.searchsorted(self._begins[1:], indices, side="right"), none, none
        starts = np.stack([np.where(one.starts < 0, np.iinfo(np.int64).max, one.starts) for one in found]).min(axis=0)
        stops = np.stack([one.stops for one in found]).max(axis=0)
        return found[0].shards, np.where(stops < 0, -1, starts), stops

    def _read(self, indices: IndexArray, shards: IndexArray, starts: IndexArray, stops: IndexArray) -> list[bytes]:
        """Return the bytes of some places, each of the sample with that index; all arrays have the same length."""
        if self._kept_pieces:
            return self._read_pieces(indices, shards, starts, stops)
        if not len(starts):
            return []
        blocks, places, offsets, shared = self._read_runs(shards, starts, stops)
        return [
            blocks[place][offset : offset + size] if several else blocks[place]
            for place, offset, size, several in zip(places, offsets, (stops - starts).tolist(), shared, strict=True)
        ]

    def _read_joined(
        self, indices: IndexArray, shards: IndexArray, starts: IndexArray, stops: IndexArray
    ) -> tuple[bytes, IndexArray]:
        """Return the bytes of some places in one piece, and where in it each begins; arguments as of `_read`."""
        if self._kept_pieces:
            values = self._read_pieces(indices, shards, starts, stops)
            sizes = stops - starts
            return b"".join(values), np.cumsum(sizes) - sizes
        blocks, places, offsets, _ = self._read_runs(shards, starts, stops)
        ends = np.cumsum([len(block) for block in blocks], dtype=np.int64)
        begins: IndexArray = np.append(0, ends[:-1])
        return blocks[0] if len(blocks) == 1 else b"".join(blocks), begins[places] + offsets

    def _read_runs(
        self, shards: IndexArray, starts: IndexArray, stops: IndexArray
    ) -> tuple[list[bytes], list[int], list[int], list[bool]]:
        """Read what lies together in a shard at once.

        Returns:
            What was read, and for each place the number of it, where it begins there, and whether it is a part of it.
        """
        order = np.lexsort((starts, shards))
        shard, start, stop = shards[order], starts[order], stops[order]
        begins = np.flatnonzero(np.append(True, (shard[1:] != shard[:-1]) | (start[1:] != stop[:-1])))
        ends = np.append(begins[1:], len(order)) - 1
        names, tags = self._names, self._tags
        runs = [
            (self._stores[number], Range(names[number], first, last, tags[number]))
            for number, first, last in zip(
                shard[begins].tolist(), start[begins].tolist(), stop[ends].tolist(), strict=True
            )
        ]
        blocks = [b""] * len(runs)
        by_store: dict[int, list[int]] = {}
        for run, (store, _) in enumerate(runs):
            by_store.setdefault(id(store), []).append(run)
        for numbers in by_store.values():
            found = runs[numbers[0]][0].read_many([runs[number][1] for number in numbers])
            for number, block in zip(numbers, found, strict=True):
                blocks[number] = block
        counts = ends - begins + 1
        place = np.empty(len(order), np.int64)
        place[order] = np.repeat(np.arange(len(runs)), counts)
        return blocks, place.tolist(), (starts - start[begins][place]).tolist(), (counts > 1)[place].tolist()

    def _read_pieces(
        self, indices: IndexArray, shards: IndexArray, starts: IndexArray, stops: IndexArray
    ) -> list[bytes]:
        keys = [
            (shard, int(self._ends_in(shard).searchsorted(index, "right")))
            for shard, index in zip(shards.tolist(), indices.tolist(), strict=True)
        ]
        wanted = list(dict.fromkeys(keys))
        found = side_by_side(lambda key: self._pieces.get(key, lambda: self._read_piece(*key)), wanted)
        pieces = dict(zip(wanted, found, strict=True))
        values = []
        for key, start, stop in zip(keys, starts.tolist(), stops.tolist(), strict=True):
            begin, data = pieces[key]
            values.append(data[start - begin : stop - begin])
        return values

    def _read_piece(self, shard: int, number: int) -> tuple[int, bytes]:
        """Return where a piece begins in its shard, and its bytes."""
        ends = self._ends_in(shard)
        first = int(ends[number - 1] if number else self._begins[shard])
        _, starts, stops = self._extent(np.arange(first, int(ends[number]), dtype=np.int64))
        there = stops >= 0
        begin, end = int(starts[there].min()), int(stops.max())
        return begin, self._stores[shard].read(self._names[shard], begin, end, self._tags[shard])

    def fingerprint(self) -> str:
        """Return a digest of names, sizes and samples of the shards; the folder may differ between machines."""
        return f"{type(self).__name__}:{self._index.fingerprint()}"

    def _called(self) -> str:
        """Return what to call the shards in messages."""
        shards = self._index.shards
        first = repr(shards[0].place.url)
        return first if len(shards) == 1 else f"{first} and {len(shards) - 1} more"

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("_names", "_tags", "_stores", "_pieces", "_piece_ends", "_begins", "_ends_by_shard")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


class _Pieces:
    """The pieces that were used last; threads that want the same one wait for one of them to read it.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._found: OrderedDict[tuple[int, int], Future[tuple[int, bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int], read: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        """Return a piece, read now if it is not kept."""
        with self._lock:
            found = self._found.get(key)
            reads = found is None
            if found is None:
                found = self._found[key] = Future()
                while len(self._found) > max(self._count, 1):
                    self._found.popitem(last=False)
            else:
                self._found.move_to_end(key)
        if reads:
            try:
                found.set_result(read())
            except BaseException as error:
                with self._lock:
                    if self._found.get(key) is found:
                        del self._found[key]
                found.set_exception(error)
        return found.result()
