"""LitData: chunks in a format of its own, in the worker processes of its DataLoader, which is torch's.

It has an environment of its own (`python -m benchmarks peers`). Its chunks are local here, uncompressed, and as many
samples lie in one as in a tar of the others.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from litdata import StreamingDataLoader, StreamingDataset, optimize

from benchmarks.data import LABELS, audio, head
from benchmarks.workloads import Job
from dataload.measuring import endless


class Heads(StreamingDataset):  # type: ignore[misc]
    """The head of each member, and its label."""

    def __getitem__(self, index: Any) -> Any:
        sample = super().__getitem__(index)
        return torch.from_numpy(head(sample["data"]).copy()), sample["label"]


def _shards(job: Job) -> Iterator[Any]:
    dataset = Heads(str(_written(job)), shuffle=False, drop_last=True)
    return endless(
        StreamingDataLoader(dataset, batch_size=job.batch_size, num_workers=job.workers, persistent_workers=True)
    )


def _sample(paths: list[str], index: int) -> dict[str, Any]:
    return {"data": Path(paths[index]).read_bytes(), "label": index % LABELS}


def _written(job: Job) -> Path:
    folder = Path(job.data) / f"litdata-{job.batch_size}"
    if not (folder / "index.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        paths = audio(job.data, job.dataset)
        make = partial(_sample, paths)
        numbers = list(range(len(paths)))
        optimize(make, numbers, str(folder), num_workers=1, chunk_size=2 * job.batch_size, verbose=False)
    return folder


RUNS = {"shards": _shards}
CANNOT = {
    "remote": "raw data sets are read from buckets only, not from web servers",
    "remote shards": "reads buckets, not web servers, and keeps what it has read on the disk",
}
