"""Measuring one stream of batches: warm up, count for a while, then look at the memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.processes import Peak, cpu_seconds, memory_mb
from benchmarks.same import Summary, summarise
from benchmarks.workloads import BY_NAME, Job
from dataload.measuring import take

# Enough to see that they are the right ones, few enough that looking at them does not take longer than the warm-up.
_LOOKED_AT = 3
_MIN_BATCHES = 3
# A system that first finds out its own setting may take so many times the warm-up for it.
_SETTLING = 5


@dataclass(frozen=True)
class Measurement:
    """One round of one system.

    Attributes:
        first_batch_s: from the making of the loader to its first batch; the imports were done before.
        batches: in the timed window.
        samples_per_s: in the timed window; None where nothing was timed.
        cpu_s_per_1000: CPU seconds of the whole process tree per 1000 samples.
        main_ms_per_batch: CPU milliseconds of the thread that runs the training loop, per batch.
        parent_ms_per_batch: CPU milliseconds of all threads of the training loop's process, per batch.
        peak_mb: highest memory of the process tree, read outside the timed window.
        added_mb: peak_mb less what there was before the loader was made and less the batches in flight.
        late_mb: what the timed window added to the memory.
        note: what the system says about itself.
    """

    first_batch_s: float
    batches: int
    samples_per_s: float | None = None
    cpu_s_per_1000: float | None = None
    main_ms_per_batch: float | None = None
    parent_ms_per_batch: float | None = None
    peak_mb: float | None = None
    added_mb: float | None = None
    late_mb: float | None = None
    note: str = ""


def measure(make: Callable[[Job], Iterator[Any]], job: Job) -> tuple[Measurement, list[Summary]]:
    """Run one job.

    Args:
        make: returns an endless stream of batches, all of job.batch_size samples.
        job: what to run and for how long.

    Returns:
        The figures, and summaries of the first batches.
    """
    before = memory_mb()
    start = time.perf_counter()
    stream = make(job)
    try:
        return _measure(stream, job, start, before)
    finally:
        # A generator holds its loader and the loader's workers until it is closed.
        getattr(stream, "close", lambda: None)()


def _measure(stream: Iterator[Any], job: Job, start: float, before: float | None) -> tuple[Measurement, list[Summary]]:
    peak = Peak()
    batch = next(stream)
    first = time.perf_counter() - start
    summaries = [summarise(batch)]
    size = _bytes(batch)
    if not job.seconds:
        peak.read()
        return Measurement(first_batch_s=first, peak_mb=peak.mb, batches=1), summaries

    looked_at = job.batches if BY_NAME[job.workload].shuffled else _LOOKED_AT
    summaries += [summarise(next(stream)) for _ in range(looked_at - 1)]
    # The first epoch warms up files, caches and buffers; where it is long, the first seconds do.
    rest = max(job.batches - _LOOKED_AT, _MIN_BATCHES)
    _take(stream, job.warm_up, at_most=rest)
    _settle(stream, job)
    warm = peak.read()

    cpu, main, parent = cpu_seconds(), time.thread_time(), time.process_time()
    window = _take(stream, job.seconds)
    main, parent = time.thread_time() - main, time.process_time() - parent
    cpu_end = cpu_seconds()

    late = peak.read()
    with peak.watching():
        _take(stream, min(0.5, job.seconds / 4))
    batches, samples = window.count, window.count * job.batch_size
    added = None
    if peak.mb is not None and before is not None:
        # Two per worker ahead, and one with the training loop.
        in_flight = 2 * job.options.get("workers", job.workers) + 1
        added = peak.mb - before - in_flight * size / 2**20
    result = Measurement(
        samples_per_s=samples / window.seconds,
        first_batch_s=first,
        cpu_s_per_1000=None if cpu is None or cpu_end is None else 1000 * (cpu_end - cpu) / samples,
        main_ms_per_batch=1000 * main / batches,
        parent_ms_per_batch=1000 * parent / batches,
        peak_mb=peak.mb,
        added_mb=added,
        late_mb=None if late is None or warm is None else late - warm,
        batches=batches,
        note=stream.note() if hasattr(stream, "note") else "",
    )
    return result, summaries


_take = partial(take, at_least=_MIN_BATCHES)


def _settle(stream: Any, job: Job) -> None:
    """Go on until a stream that finds out its own setting has done so."""
    end = time.perf_counter() + _SETTLING * job.warm_up
    while hasattr(stream, "settled") and not stream.settled() and time.perf_counter() < end:
        _take(stream, 0.0)


def _bytes(batch: Any) -> int:
    leaves = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, tuple | list) else [batch]
    return sum(int(getattr(leaf, "nbytes", 0)) for leaf in leaves)
