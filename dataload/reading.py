"""Reading ahead: the samples of coming batches are fetched on threads while earlier ones are transformed.

Reading is often waiting (network file systems, object stores), and many reads can wait at once where only one could
compute. It changes when a sample is read and nothing else.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from dataload.counts import NOTHING, Counts, count, take_counts
from dataload.errors import WorkerError
from dataload.samplers.base import IndexArray
from dataload.samples import leaves
from dataload.sources.base import ManySource, fetch

# Samples that are read and not yet taken may hold this many bytes; beyond it nothing further is begun.
_MAX_BYTES = 256 << 20


class _Reads:
    """The samples of one batch on their way."""

    def __init__(self, indices: IndexArray, jobs: int) -> None:
        self.indices = indices
        self.values: list[Any] = [None] * jobs
        self.errors: dict[int, BaseException] = {}
        self.counts = NOTHING
        self._left = jobs
        self._lock = threading.Lock()
        self.done = threading.Event()
        if jobs == 0:
            self.done.set()

    def finish(self, place: int, value: Any, error: BaseException | None, counts: Counts) -> None:
        """Note one read; the last one wakes the thread that takes the batch."""
        self.values[place] = value
        if error is not None:
            self.errors[place] = error
        with self._lock:
            if any(counts):
                self.counts = self.counts.plus(counts)
            self._left -= 1
            if self._left == 0:
                self.done.set()


class ReadAhead:
    """`concurrency` threads that read samples of batches before they are asked for.

    A source with `__getitems__` is asked for whole batches, several at a time; it may overlap the reads of one itself.

    Args:
        source: is read.
        concurrency: how many threads.
        may_begin: whether batches may be read before they are taken.
        prefetch: reads the files in some samples.
    """

    def __init__(
        self,
        source: Any,
        concurrency: int,
        may_begin: Callable[[], bool] = lambda: True,
        prefetch: Callable[[list[Any]], list[Any]] = lambda samples: samples,
    ) -> None:
        self._source = source
        self._may_begin = may_begin
        self._prefetch = prefetch
        self._whole = isinstance(source, ManySource)
        self._jobs: queue.SimpleQueue[tuple[_Reads, int, list[int]] | None] = queue.SimpleQueue()
        self._started: dict[int, _Reads] = {}
        self._waiting: OrderedDict[int, IndexArray] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()
        self._bytes_per_sample = 0.0
        self._samples_out = 0
        self._threads = [
            threading.Thread(target=self._read, name=f"dataload-read-{i}", daemon=True) for i in range(concurrency)
        ]
        for thread in self._threads:
            thread.start()

    def expect(self, number: int, indices: IndexArray) -> None:
        """Say that batch `number` will be asked for; its reads begin as soon as they may and there is room for them."""
        with self._lock:
            self._waiting[number] = indices
            if not self._closed:
                self._begin_waiting()

    def take(self, number: int) -> list[Any]:
        """Wait for the samples of batch `number`, which was expected.

        Raises:
            BaseException: what the source raised for the first sample that could not be read.
        """
        with self._lock:
            if self._closed:
                raise WorkerError("the loader was closed before this batch was read")
            if number in self._waiting:
                self._begin(number)
            reads = self._started[number]
        reads.done.wait()
        if any(reads.counts):
            count(reads.counts)
        samples: list[Any] = reads.values[0] if self._whole and not reads.errors else reads.values
        with self._lock:
            if self._closed:
                raise WorkerError("the loader was closed while this batch was being read")
            del self._started[number]
            self._samples_out -= len(reads.indices)
            if len(reads.indices) and not reads.errors:
                self._bytes_per_sample = sum(map(_size, samples)) / len(samples)
            self._begin_waiting()
        if reads.errors:
            raise reads.errors[min(reads.errors)]
        return samples

    def drop(self, number: int) -> None:
        """Forget batch `number`, which was expected and will not be taken."""
        with self._lock:
            self._waiting.pop(number, None)
            reads = self._started.pop(number, None)
            if reads is not None:
                self._samples_out -= len(reads.indices)
            if not self._closed:
                self._begin_waiting()

    def _begin_waiting(self) -> None:
        while self._waiting and self._may_begin():
            number, indices = next(iter(self._waiting.items()))
            room = _MAX_BYTES - self._bytes_per_sample * (self._samples_out + len(indices))
            if self._samples_out and room < 0:
                return
            self._begin(number)

    def _begin(self, number: int) -> None:
        indices = self._waiting.pop(number)
        jobs = [indices.tolist()] if self._whole else [[index] for index in indices.tolist()]
        reads = self._started[number] = _Reads(indices, len(jobs))
        self._samples_out += len(indices)
        for place, job in enumerate(jobs):
            self._jobs.put((reads, place, job))

    def _read(self) -> None:
        while (job := self._jobs.get()) is not None:
            reads, place, indices = job
            try:
                values = self._prefetch(fetch(self._source, indices))
                reads.finish(place, values if self._whole else values[0], None, take_counts())
            except BaseException as error:  # SystemExit and its like too: nobody else would wake the taker.
                reads.finish(place, None, error, take_counts())
            # While this thread waits for its next job it must not keep the last batch in memory.
            del job, reads

    def close(self) -> None:
        """End the threads; reads not begun are dropped."""
        if os.getpid() != self._process:
            return  # This is a fork, which has no threads.
        with self._lock:
            self._closed = True
        with suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()
        # A thread that takes reads which were dropped just now would wait for ever.
        for reads in list(self._started.values()):
            reads.done.set()
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))


# A read that hangs cannot be interrupted; after this time for all of them its thread is left behind.
_JOIN_SECONDS = 1.0


def _size(sample: Any) -> int:
    """Return about how many bytes a sample holds."""
    return sum(_leaf_size(leaf) for _, leaf in leaves(sample))


def _leaf_size(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    return len(value) if isinstance(value, bytes | str) else 64
