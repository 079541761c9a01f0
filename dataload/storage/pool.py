"""Threads that wait for a network, shared by all that has several reads to make at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from dataload.counts import Counts, count, take_counts

_MAX_READS = 32

T = TypeVar("T")

# By process: a fork has the pool but not its threads.
_pools: dict[int, ThreadPoolExecutor] = {}


def side_by_side(work: Callable[[Any], T], values: Sequence[Any]) -> list[T]:
    """Return what `work` makes of every value, at the same time where there are several.

    What it counts is counted for the thread that called.

    Raises:
        Exception: what `work` raised for the first value for which it raised.
    """
    if len(values) < 2:
        return [work(value) for value in values]
    pool = _pools.get(os.getpid())
    if pool is None:
        pool = _pools.setdefault(os.getpid(), ThreadPoolExecutor(_MAX_READS, "dataload-store"))

    def counted(value: Any) -> tuple[T, Counts]:
        take_counts()
        return work(value), take_counts()

    found = list(pool.map(counted, values))
    for _, counts in found:
        count(counts)
    return [result for result, _ in found]
