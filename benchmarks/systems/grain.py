"""Grain.

Four settings, as its users choose between them: no threads, the default (16 threads read and transform), as many
threads as the others have workers, and worker processes with one thread in each (none there is as fast, and more would
take turns).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grain
import numpy as np
from absl import flags

from benchmarks.data import arrays
from benchmarks.systems.kernels import Work, pad
from benchmarks.workloads import Job

# Where JAX is installed, Grain 0.2.18 asks for a flag before it starts processes, and fails if none were parsed:
# github.com/google/grain/issues/1355.
flags.FLAGS.mark_as_parsed()


class Rows:
    """Arrays as a source; a memory map is opened by each process."""

    def __init__(self, arrays: list[Any]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> Any:
        rows = tuple(array[index] for array in self.arrays)
        return rows if len(rows) > 1 else rows[0]

    def __getstate__(self) -> Any:
        return [a.filename if isinstance(a, np.memmap) else a for a in self.arrays]

    def __setstate__(self, state: Any) -> None:
        self.arrays = [a if isinstance(a, np.ndarray) else np.load(a, mmap_mode="r") for a in state]


def _gathered(job: Job) -> Iterator[Any]:
    return _stream(job, Rows(arrays(job.data, job.dataset, job.samples)))


def _mapped(job: Job) -> Iterator[Any]:
    work = Work.of(job)
    # Its own way of stacking is used where samples have one shape.
    return _stream(job, work.keys, work.function, pad if work.collate is pad else None)


def _stream(job: Job, source: Any, function: Callable[[Any], Any] | None = None, collate: Any = None) -> Iterator[Any]:
    dataset = grain.MapDataset.source(source).repeat()
    if function is not None:
        dataset = dataset.map(function)
    threads = job.options.get("threads")
    # By default sixteen threads read samples ahead, and batches are put together by whoever asks for them. Otherwise a
    # thread makes whole batches, which is up to twice as fast; 500 of those ahead, the default, would fill the memory.
    batch_late = threads is None
    options = grain.ReadOptions() if threads is None else grain.ReadOptions(threads, 2 * threads)
    batching = {"drop_remainder": True, "batch_fn": collate}
    if not batch_late:
        dataset = dataset.batch(job.batch_size, **batching)
    dataset = dataset.to_iter_dataset(options)
    if batch_late:
        dataset = dataset.batch(job.batch_size, **batching)
    if job.options.get("processes"):
        dataset = dataset.mp_prefetch(grain.MultiprocessingOptions(job.workers, per_worker_buffer_size=2))
    return iter(dataset)


RUNS = {
    **dict.fromkeys(("speech", "clips", "python", "latency", "remote"), _mapped),
    **dict.fromkeys(("images", "table", "start"), _gathered),
}
