"""The bare work on one core, without any loader: what `workers` times as much would be is the limit.

For the audio it is what dataload's own transforms do on a batch; for arrays one `np.take` into memory that is used
again. There is none for waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.data import files
from benchmarks.data import images as open_images
from benchmarks.data import table as make_table
from benchmarks.systems.kernels import Burn, log_mel
from benchmarks.workloads import Job
from dataload.transforms import DecodeAudio

CANNOT = {"latency": "waiting takes no core"}


def speech(job: Job) -> Iterator[Any]:
    return _audio(job, "flac")


def clips(job: Job) -> Iterator[Any]:
    return _audio(job, "wav")


def _audio(job: Job, suffix: str) -> Iterator[Any]:
    transform = log_mel(job.workload)
    decode, paths = DecodeAudio(transform.sample_rate), files(job.data, suffix)
    for numbers in _batches(job):
        if (
            job.workload == "clips"
        ):  # short clips go through one pass, long ones are transformed while still in the cache
            yield transform.batch([decode(paths[i]) for i in numbers])[:1]
        else:
            yield [transform(decode(paths[i])) for i in numbers][:1]


def images(job: Job) -> Iterator[Any]:
    return _gather(job, [open_images(job.data)])


def table(job: Job) -> Iterator[Any]:
    return _gather(job, make_table())


def _gather(job: Job, arrays: list[Any]) -> Iterator[Any]:
    out = [np.empty((job.batch_size, *array.shape[1:]), array.dtype) for array in arrays]
    for numbers in _batches(job):
        for array, batch in zip(arrays, out, strict=True):
            np.take(array, numbers, axis=0, out=batch, mode="clip")
        yield out


def python(job: Job) -> Iterator[Any]:
    burn = Burn.of(job)
    for numbers in _batches(job):
        yield [burn(i) for i in numbers]


def _batches(job: Job) -> Iterator[Any]:
    numbers = np.arange(job.samples // job.batch_size * job.batch_size).reshape(-1, job.batch_size)
    while True:
        yield from numbers
