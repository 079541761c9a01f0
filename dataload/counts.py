"""What happens while a batch is made and is nobody's error: counted where it happens, shown in `loader.stats`.

Each thread counts for itself; whoever finishes a piece of work takes what its thread has counted, and hands it on with
the result. So a count belongs to a batch, whichever threads and processes had a part in it.
"""

from __future__ import annotations

import threading
from typing import NamedTuple


class Counts(NamedTuple):
    """What was counted.

    Attributes:
        truncated: audio files that were cut off, of which the rest was kept.
        bytes_read: from stores behind a network.
        retries: of reads that such a store did not answer as it should.
        bytes_cached: of such stores, that were read from a cache on this machine.
        from_cache: results of transforms that a `Cache` had.
    """

    truncated: int = 0
    bytes_read: int = 0
    retries: int = 0
    bytes_cached: int = 0
    from_cache: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return both together."""
        return Counts(*map(sum, zip(self, other, strict=True)))


NOTHING = Counts()


class _OfThread(threading.local):
    counts = NOTHING


_of_thread = _OfThread()


def count(counts: Counts) -> None:
    """Add to what this thread has counted."""
    before = _of_thread.counts
    _of_thread.counts = counts if before is NOTHING else before.plus(counts)


def take_counts() -> Counts:
    """Return what this thread has counted since the last call."""
    counts = _of_thread.counts
    if counts is not NOTHING:
        _of_thread.counts = NOTHING
    return counts
