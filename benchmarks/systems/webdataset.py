"""WebDataset: samples stream out of tar files, in the worker processes of torch's DataLoader."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import soundfile
import torch
import webdataset

from benchmarks.data import AUDIO, audio_tars, head, images, remote_tars, tars
from benchmarks.systems.kernels import log_mel, pad
from benchmarks.workloads import Job
from dataload.measuring import endless

# A batch is made of one worker's samples, so each shard holds whole batches; and there are enough for every worker.
_BATCHES_PER_SHARD = 2


def _audio(job: Job) -> Iterator[Any]:
    transform, suffix = log_mel(job), AUDIO[job.dataset][0]

    def decode(sample: dict[str, Any]) -> Any:
        return transform(soundfile.read(io.BytesIO(sample[suffix]), dtype="float32")[0])

    return _stream(job, audio_tars(job.data, job.dataset, job.samples, _size(job)), decode, pad)


def _heads(job: Job) -> Iterator[Any]:
    suffix = AUDIO[job.dataset][0]

    def decode(sample: dict[str, Any]) -> Any:
        return head(sample[suffix]), int(sample["cls"])

    def collate(rows: Any) -> Any:
        heads, labels = zip(*rows, strict=True)
        return torch.from_numpy(np.stack(heads)), torch.tensor(labels)

    shards = audio_tars(job.data, job.dataset, job.samples, _size(job))
    # URLs are read by `curl`, which it starts itself for each.
    return _stream(job, remote_tars(shards) if job.workload == "remote shards" else shards, decode, collate)


def _images(job: Job) -> Iterator[Any]:
    array = images(job.data)

    def encode(index: int) -> bytes:
        return array[index].tobytes()

    def decode(sample: dict[str, Any]) -> Any:
        return np.frombuffer(sample["bin"], array.dtype).reshape(array.shape[1:])

    shards = tars(job.data, job.samples, _size(job), lambda i: {"bin": encode(i)})
    return _stream(job, shards, decode, lambda rows: torch.from_numpy(np.stack(rows)))


def _size(job: Job) -> int:
    """Return how many samples a shard has."""
    return _BATCHES_PER_SHARD * job.batch_size


def _stream(job: Job, shards: list[str], decode: Callable[..., Any], collate: Callable[..., Any]) -> Iterator[Any]:
    dataset = webdataset.WebDataset(shards, shardshuffle=False).map(decode)
    # Batches are made in the workers, as its documentation advises, and samples are not decoded twice.
    dataset = dataset.batched(job.batch_size, collation_fn=collate, partial=False)
    return endless(webdataset.WebLoader(dataset, batch_size=None, num_workers=job.workers, persistent_workers=True))


RUNS = {
    **dict.fromkeys(("speech", "clips", "shards speech"), _audio),
    **dict.fromkeys(("shards", "remote shards"), _heads),
    "images": _images,
}
CANNOT = {
    "table": "streams tar files; arrays in memory are no source for it",
    "python": "runs in torch's DataLoader: see torch",
    "latency": "streams tar files: no single reads that could wait",
}
