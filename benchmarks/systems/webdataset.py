"""WebDataset: samples stream out of tar files, in the worker processes of torch's DataLoader."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import webdataset

from benchmarks.data import AUDIO, audio, files, images
from benchmarks.systems.kernels import log_mel, pad
from benchmarks.workloads import Job
from dataload.measuring import endless

# A batch is made of one worker's samples, so each shard holds whole batches; and there are enough for every worker.
_BATCHES_PER_SHARD = 2


def _audio(job: Job) -> Iterator[Any]:
    transform, suffix, paths = log_mel(job), AUDIO[job.dataset][0], audio(job.data, job.dataset)

    def decode(sample: dict[str, Any]) -> Any:
        return transform(soundfile.read(io.BytesIO(sample[suffix]), dtype="float32")[0])

    return _stream(job, _shards(job, suffix, lambda i: Path(paths[i]).read_bytes()), decode, pad)


def _images(job: Job) -> Iterator[Any]:
    array = images(job.data)

    def encode(index: int) -> bytes:
        return array[index].tobytes()

    def decode(sample: dict[str, Any]) -> Any:
        return np.frombuffer(sample["bin"], array.dtype).reshape(array.shape[1:])

    return _stream(job, _shards(job, "bin", encode), decode, lambda rows: torch.from_numpy(np.stack(rows)))


def _shards(job: Job, suffix: str, encode: Callable[[int], bytes]) -> list[str]:
    """Write the tar files beside the data set, once."""
    size = _BATCHES_PER_SHARD * job.batch_size
    folder = Path(job.data) / f"tar-{size}"
    if not (folder / "complete").exists():
        folder.mkdir(exist_ok=True)
        for first in range(0, job.samples, size):
            with webdataset.TarWriter(str(folder / f"{first:06d}.tar")) as tar:
                for i in range(first, min(first + size, job.samples)):
                    tar.write({"__key__": f"{i:06d}", suffix: encode(i)})
        (folder / "complete").touch()
    return files(folder, "tar")


def _stream(job: Job, shards: list[str], decode: Callable[..., Any], collate: Callable[..., Any]) -> Iterator[Any]:
    dataset = webdataset.WebDataset(shards, shardshuffle=False).map(decode)
    # Batches are made in the workers, as its documentation advises, and samples are not decoded twice.
    dataset = dataset.batched(job.batch_size, collation_fn=collate, partial=False)
    return endless(webdataset.WebLoader(dataset, batch_size=None, num_workers=job.workers, persistent_workers=True))


RUNS = {"speech": _audio, "clips": _audio, "images": _images}
CANNOT = {
    "table": "streams tar files; arrays in memory are no source for it",
    "python": "runs in torch's DataLoader: see torch",
    "latency": "streams tar files: no single reads that could wait",
}
