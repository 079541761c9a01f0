"""The bare work on one core, without any loader: what `workers` times as much would be is the limit.

For the audio it is what dataload's own transforms do on a batch; for arrays one `np.take` into memory that is used
again. There is none for waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.data import arrays, audio
from benchmarks.systems.kernels import Work, log_mel
from benchmarks.workloads import Job
from dataload.transforms import DecodeAudio


def _audio(job: Job) -> Iterator[Any]:
    transform, paths = log_mel(job), audio(job.data, job.dataset)
    decode = DecodeAudio(transform.sample_rate)
    for numbers in _batches(job):
        # Short clips go through one pass, long ones are transformed while still in the cache.
        if job.workload == "clips":
            yield transform.batch([decode(paths[i]) for i in numbers])[:1]
        else:
            yield [transform(decode(paths[i])) for i in numbers][:1]


def _gather(job: Job) -> Iterator[Any]:
    sources = arrays(job.data, job.dataset, job.samples)
    out = [np.empty((job.batch_size, *array.shape[1:]), array.dtype) for array in sources]
    for numbers in _batches(job):
        for array, batch in zip(sources, out, strict=True):
            np.take(array, numbers, axis=0, out=batch, mode="clip")
        yield out


def _python(job: Job) -> Iterator[Any]:
    burn = Work.of(job).function
    for numbers in _batches(job):
        yield [burn(i) for i in numbers]


def _batches(job: Job) -> Iterator[Any]:
    numbers = np.arange(job.samples // job.batch_size * job.batch_size).reshape(-1, job.batch_size)
    while True:
        yield from numbers


RUNS = {"speech": _audio, "clips": _audio, "images": _gather, "table": _gather, "python": _python}
CANNOT = {"latency": "waiting takes no core"}
