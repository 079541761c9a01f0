"""Reading through shards, several at a time, to find what is in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, as_completed, wait
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError
from dataload.shards.columns import Columns, Entry, Ints, Keys
from dataload.storage.places import Shard
from dataload.terminal import open_terminal

# A field costs 12 bytes per sample, whether it has that or not.
MAX_FIELDS = 1000

_QUIET_SECONDS = 2.0
_LOCAL_THREADS = 4
_REMOTE_THREADS = 16


class Scan(NamedTuple):
    """What one shard holds, as a format's scanner found it: a row per sample, in the shard's order.

    Attributes:
        keys: names of the samples, None where the format has none.
        offsets: by field, where its bytes begin in the shard; (samples,) int64.
        sizes: by field, how many they are, -1 where the sample has no such field; (samples,) int64.
    """

    keys: list[bytes] | None
    offsets: dict[str, NDArray[np.int64]]
    sizes: dict[str, NDArray[np.int64]]


Scanner = Callable[[Shard], Scan]


def names(shards: Sequence[Shard]) -> list[str]:
    """Return the last parts of the shards' paths, as few as tell all of them apart."""
    ways = [parts(shard) for shard in shards]
    longest = max(map(len, ways), default=1)
    for n in range(1, longest + 1):
        found = ["/".join(one[-n:]) for one in ways]
        if len(set(found)) == len(found):
            return found
    return ["/".join(one) for one in ways]


def parts(shard: Shard) -> list[str]:
    """Return the parts of a shard's path or URL between slashes."""
    url = shard.place.url
    return (url if shard.place.store.remote else url.replace(os.sep, "/")).split("/")


def read_through(shards: Sequence[Shard], kind: str, scan: Scanner, progress: bool) -> Columns:
    """Return where the samples of shards are.

    Args:
        shards: in the order of the rows.
        kind: their format.
        scan: reads through a shard; it is called on several threads.
        progress: whether to show on standard error how far it is, once it takes longer than two seconds.

    Raises:
        ConfigError: the samples have more different fields than an index can hold.
        SourceError: a shard cannot be read.
    """
    return _joined(kind, shards, _scans(shards, scan, progress))


def _scans(shards: Sequence[Shard], scan: Scanner, progress: bool) -> list[Scan]:
    if len(shards) == 1:
        return [scan(shards[0])]
    threads = min(len(shards), _REMOTE_THREADS if shards[0].place.store.remote else _LOCAL_THREADS)
    with ThreadPoolExecutor(threads, "dataload-index") as pool:
        futures = [pool.submit(scan, shard) for shard in shards]
        try:
            _wait(futures, progress)
            for future in futures:
                if future.done():  # Where one has failed, others need not be waited for.
                    future.result()
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _wait(futures: Sequence[Future[Scan]], progress: bool) -> None:
    """Wait until all are done, or one has failed."""
    patience = _QUIET_SECONDS if progress and sys.stderr is not None else None
    done, pending = wait(futures, patience, FIRST_EXCEPTION)
    if not pending or any(future.exception() for future in done):
        return
    with open_terminal(sys.stderr).progress(f"Reading through {len(futures)} shards", len(futures)) as advance:
        for _ in done:
            advance()
        for future in as_completed(pending):
            advance()
            if future.exception():
                return


def _joined(kind: str, shards: Sequence[Shard], scans: Sequence[Scan]) -> Columns:
    fields = list(dict.fromkeys(field for scan in scans for field in scan.offsets))
    if len(fields) > MAX_FIELDS:
        raise ConfigError(
            f"the samples of {shards[0].place.url} and the shards beside it have {len(fields)} different fields, such "
            f"as {', '.join(map(repr, fields[:3]))}, and {MAX_FIELDS} are allowed: a key ends at the first dot of a "
            "name; write the shards with keys that have none"
        )
    counts = [_count(scan) for scan in scans]
    entries = [
        Entry(name, shard.size, shard.tag, n) for name, shard, n in zip(names(shards), shards, counts, strict=True)
    ]
    offsets, sizes = {}, {}
    for field in fields:
        parts = [scan.offsets.get(field, np.zeros(n, np.int64)) for scan, n in zip(scans, counts, strict=True)]
        offsets[field] = np.concatenate(parts)
        sizes[field] = _narrow(
            np.concatenate(
                [scan.sizes.get(field, np.full(n, -1, np.int64)) for scan, n in zip(scans, counts, strict=True)]
            )
        )
    return Columns(kind, shards[0].place.store.remote, entries, offsets, sizes, _keys(scans))


def _count(scan: Scan) -> int:
    return len(scan.keys) if scan.keys is not None else len(next(iter(scan.offsets.values()), ()))


def _narrow(sizes: NDArray[np.int64]) -> Ints:
    return sizes if sizes.size and sizes.max() >= 2**31 else sizes.astype(np.int32)


def _keys(scans: Sequence[Scan]) -> Keys | None:
    lengths, blocks = [], []
    for scan in scans:
        if scan.keys is None:
            return None
        lengths.append(np.fromiter(map(len, scan.keys), np.int64, len(scan.keys)))
        blocks.append(b"".join(scan.keys))
    ends = np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()
    return Keys(ends, np.frombuffer(b"".join(blocks), np.uint8))
