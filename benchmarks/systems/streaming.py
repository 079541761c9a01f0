"""MosaicML Streaming: shards in a format of its own (MDS), in the worker processes of torch's DataLoader.

It has an environment of its own (`python -m benchmarks peers`). Its shards are local here, uncompressed, and as many
samples lie in one as in a tar of the others.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from streaming import MDSWriter, StreamingDataset
from streaming.base.util import clean_stale_shared_memory
from torch.utils.data import DataLoader

from benchmarks.data import LABELS, audio, head
from benchmarks.workloads import Job
from dataload.measuring import endless


class Heads(StreamingDataset):  # type: ignore[misc]
    """The head of each member, and its label."""

    def __getitem__(self, index: Any) -> Any:
        sample = super().__getitem__(index)
        return torch.from_numpy(head(sample["data"]).copy()), sample["label"]


def _shards(job: Job) -> Iterator[Any]:
    clean_stale_shared_memory()
    dataset = Heads(local=str(_written(job)), batch_size=job.batch_size, num_canonical_nodes=1)
    loader = DataLoader(
        dataset, batch_size=job.batch_size, num_workers=job.workers, persistent_workers=True, drop_last=True
    )
    return endless(loader)


def _written(job: Job) -> Path:
    folder = Path(job.data) / f"mds-{job.batch_size}"
    if not (folder / "index.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        paths = audio(job.data, job.dataset)
        size = sum(Path(path).stat().st_size for path in paths) * 2 * job.batch_size // len(paths)
        with MDSWriter(out=str(folder), columns={"data": "bytes", "label": "int"}, size_limit=size) as writer:
            for i, path in enumerate(paths):
                writer.write({"data": Path(path).read_bytes(), "label": i % LABELS})
    return folder


RUNS = {"shards": _shards}
CANNOT = {"remote shards": "reads buckets, not web servers, and keeps what it has read on the disk"}
