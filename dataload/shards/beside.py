"""Indexes that other programs left beside a shard, read in place of it.

What they say is compared with the shard. One that does not fit is passed over with a warning, since the shard itself
can always be read through.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

from dataload.errors import SourceNotFound, StorageError
from dataload.shards.scanning import Scan, Scanner
from dataload.storage.places import Place, Shard

_MAX_BYTES = 1 << 30


class Unfit(Exception):
    """An index that does not fit its shard; the message goes on after its name."""


def scan_by_index(
    shard: Shard, names: Iterable[str], use: Callable[[bytes, Shard], Scan | None], scan: Scanner
) -> Scan:
    """Return what a shard holds, by the first index beside it that helps, or else by reading through it.

    Args:
        shard: the shard.
        names: that indexes may have, in the shard's store.
        use: makes a scan of what is in an index, or None where it does not help; raises `Unfit`.
        scan: reads through the shard.
    """
    for name in dict.fromkeys(names):
        beside = Place(shard.place.store, name)
        data = _read(beside)
        if data is None:
            continue
        try:
            found = use(data, shard)
        except Unfit as error:
            warnings.warn(
                f"{beside.url}: {error}; {shard.place.url} is read through in its place: make it anew, or delete it",
                RuntimeWarning,
                stacklevel=3,
            )
        else:
            if found is not None:
                return found
    return scan(shard)


def _read(beside: Place) -> bytes | None:
    """Return what is in an index, None where there is none that can be read."""
    try:
        size, tag = beside.stat()
        return beside.read(0, size, tag) if size <= _MAX_BYTES else None
    except (SourceNotFound, StorageError):
        # A store that lets nobody list answers that one may not read what is not there.
        return None
