"""Threads that wait for a network, shared by all that has several reads to make at once."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from dataload.counts import Counts, count, take_counts

_MAX_READS = 32

T = TypeVar("T")


class _Pool:
    """Threads that end with the program: those of an executor would keep it waiting for reads that hang."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        for number in range(_MAX_READS):
            threading.Thread(target=self._run, name=f"dataload-store-{number}", daemon=True).start()

    def _run(self) -> None:
        while True:
            future, work = self._work.get()
            try:
                future.set_result(work())
            except BaseException as error:  # SystemExit and its like too: somebody waits for an answer.
                future.set_exception(error)
            # While this thread waits it must not keep what it has read in memory.
            del future, work

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Return what will be made of the work."""
        future: Future[T] = Future()
        self._work.put((future, work))
        return future


# By process: a fork has the pool but not its threads.
_pools: dict[int, _Pool] = {}
_lock = threading.Lock()


def side_by_side(work: Callable[[Any], T], values: Sequence[Any]) -> list[T]:
    """Return what `work` makes of every value, at the same time where there are several.

    What it counts is counted for the thread that called. The work must not call this itself.

    Raises:
        BaseException: what `work` raised for the first value for which it raised.
    """
    if len(values) < 2:
        return [work(value) for value in values]

    def counted(value: Any) -> tuple[T, Counts]:
        take_counts()
        return work(value), take_counts()

    pool = _pool()
    waiting = [pool.submit(lambda value=value: counted(value)) for value in values]  # type: ignore[misc]
    found = [future.result() for future in waiting]
    for _, counts in found:
        count(counts)
    return [result for result, _ in found]


def _pool() -> _Pool:
    with _lock:
        pool = _pools.get(os.getpid())
        if pool is None:
            _pools.clear()
            pool = _pools[os.getpid()] = _Pool()
        return pool


def _unlock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # A fork made while another thread holds the lock would wait for ever for that thread, which it does not have.
    os.register_at_fork(after_in_child=_unlock)
