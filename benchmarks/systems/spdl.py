"""SPDL: a pipeline of stages on threads, or on a pool of processes where Python holds the GIL.

Its best setting here: one stage that makes a whole batch, on as many threads as the others have workers. In the row
"default" there is a stage for samples and one that puts them together, as in its introduction; every sample then passes
through its event loop, which is as fast on long audio but 30 times slower on rows of a table. Batches come out through
a plain thread queue, which it offers for speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from spdl.pipeline import PipelineBuilder

from benchmarks.systems.kernels import Work
from benchmarks.workloads import Job


@dataclass(frozen=True)
class Batch:
    """From the keys of a batch to the batch."""

    function: Callable[[Any], Any]
    collate: Callable[[Any], Any]

    def __call__(self, keys: list[Any]) -> Any:
        return self.collate([self.function(key) for key in keys])


def _stream(job: Job) -> Iterator[Any]:
    work, n = Work.of(job), job.batch_size
    keys = list(work.keys)
    whole = len(keys) // n * n
    threads = job.options.get("threads", job.workers)
    pool = ProcessPoolExecutor(job.workers) if job.options.get("processes") else None
    if job.options.get("stages"):
        builder = PipelineBuilder().add_source(keys[:whole], continuous=True)
        builder.pipe(work.function, concurrency=threads, output_order="input").aggregate(n).pipe(work.collate)
        return _for_ever(builder.add_sink(3).build(num_threads=threads), None)
    batches = [keys[i : i + n] for i in range(0, whole, n)]
    builder = PipelineBuilder().add_source(batches, continuous=True)
    builder.pipe(Batch(work.function, work.collate), concurrency=threads, executor=pool, output_order="input")
    pipeline = builder.add_sink(3).build(num_threads=threads, use_thread_output_queue=True)
    return _for_ever(pipeline, pool)


def _for_ever(pipeline: Any, pool: ProcessPoolExecutor | None) -> Iterator[Any]:
    try:
        with pipeline.auto_stop(timeout=2):  # it would wait 3 s for each pipeline that still has something to do
            while True:
                yield from pipeline.get_iterator()
    finally:
        if pool is not None:
            pool.shutdown()


RUNS = dict.fromkeys(("speech", "clips", "images", "table", "python", "latency", "remote", "remote small"), _stream)
