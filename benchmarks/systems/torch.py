"""PyTorch's DataLoader.

Its best setting here: as many workers as the others, `persistent_workers` (starting them costs more than an epoch of
some workloads), forked, which is torch's default on Linux and starts 15 times as fast as spawning. More prefetching
than 2 per worker changes nothing. Where the work is only gathering rows in memory, no workers are faster than two.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
    default_collate,
    get_worker_info,
)

from benchmarks.data import AUDIO, audio_tars, head, images, remote_tars, table
from benchmarks.systems.kernels import Mapped, Work, log_mel, read_audio
from benchmarks.workloads import Job
from dataload.measuring import endless
from dataload.transforms.functional import mel_filters


@dataclass(frozen=True)
class TorchFeatures:
    """The same features with torch.stft: decode with soundfile, transform on one clip."""

    n_fft: int
    hop: int
    window: torch.Tensor
    filters: torch.Tensor

    @classmethod
    def of(cls, job: Job) -> TorchFeatures:
        """Return the one of a workload."""
        made = log_mel(job)
        filters = torch.from_numpy(mel_filters(made.sample_rate, n_fft=made.n_fft, n_mels=made.n_mels).T.copy())
        return cls(made.n_fft, made.hop_length, torch.hann_window(made.n_fft), filters)

    def __call__(self, path: str) -> torch.Tensor:
        """Return the features of one file."""
        waveform = torch.from_numpy(read_audio(path))
        spectrum = torch.stft(waveform, self.n_fft, self.hop, window=self.window, return_complex=True)
        # abs and square is faster than squaring real and imaginary part.
        return (self.filters @ spectrum.abs().square_()).clamp_(min=1e-10).log_().T


def _audio(job: Job) -> Iterator[Any]:
    work = Work.of(job)
    function = work.function if job.options.get("kernel") == "numpy" else TorchFeatures.of(job)
    return _stream(job, Mapped(work.keys, function), collate_fn=_pad)


def _pad(rows: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    tensors = [torch.as_tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True), torch.tensor([len(row) for row in rows])


@dataclass(frozen=True)
class Rows(Dataset[Any]):
    """The rows of a memory map; a list of indices gives them in one call."""

    array: Any

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> torch.Tensor:
        # Indexing with a list makes a copy already, and the default collate copies the row of a single index.
        return torch.from_numpy(self.array[index])


def _images(job: Job) -> Iterator[Any]:
    # torch warns of read-only arrays; copy-on-write maps the same pages.
    dataset = Rows(images(job.data, "c"))
    return _by_hand(job, dataset, job.workers) if job.options.get("by_hand") else _stream(job, dataset)


def _table(job: Job) -> Iterator[Any]:
    dataset = TensorDataset(*map(torch.from_numpy, table()))
    if job.options.get("by_hand"):
        return _by_hand(job, dataset, 0)
    return _stream(job, dataset, num_workers=job.options.get("workers", 0))


def _by_hand(job: Job, dataset: Dataset[Any], workers: int) -> Iterator[Any]:
    """The data set is asked for a whole batch: `sampler=BatchSampler(...)`, `batch_size=None`, as torch's docs say."""
    sampler = BatchSampler(SequentialSampler(dataset), job.batch_size, drop_last=True)
    options = {"num_workers": workers, "persistent_workers": True} if workers else {}
    return endless(DataLoader(dataset, sampler=sampler, batch_size=None, **options))


def _mapped(job: Job) -> Iterator[Any]:
    work = Work.of(job)
    return _stream(job, Mapped(work.keys, work.function))


@dataclass(frozen=True)
class Tars(IterableDataset[Any]):
    """Batches of the samples of tar files behind URLs, each file read whole with fsspec by one of the workers."""

    urls: tuple[str, ...]
    suffix: str
    batch_size: int

    def __iter__(self) -> Iterator[Any]:
        import fsspec

        info = get_worker_info()
        rows: list[Any] = []
        for url in self.urls[info.id :: info.num_workers] if info else self.urls:
            with tarfile.open(fileobj=io.BytesIO(fsspec.filesystem("http").cat_file(url))) as tar:
                found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
            for name in dict.fromkeys(name.partition(".")[0] for name in found):
                rows.append((head(found[f"{name}.{self.suffix}"]), int(found[f"{name}.cls"])))
                if len(rows) == self.batch_size:
                    yield default_collate(rows)
                    rows = []


def _tars(job: Job) -> Iterator[Any]:
    shards = audio_tars(job.data, job.dataset, job.samples, 2 * job.batch_size)
    dataset = Tars(tuple(remote_tars(shards)), AUDIO[job.dataset][0], job.batch_size)
    return endless(DataLoader(dataset, batch_size=None, num_workers=job.workers, persistent_workers=True))


def _start(job: Job) -> Iterator[Any]:
    dataset = TensorDataset(torch.zeros(job.samples, 8))
    return _stream(job, dataset, multiprocessing_context=job.options["start"])


def _stream(job: Job, dataset: Any, **options: Any) -> Iterator[Any]:
    workers = options.pop("num_workers", job.workers)
    if workers:
        options |= {"num_workers": workers, "persistent_workers": True, "prefetch_factor": 2}
    return endless(DataLoader(dataset, batch_size=job.batch_size, drop_last=True, **options))


RUNS = {
    "speech": _audio,
    "clips": _audio,
    "images": _images,
    "table": _table,
    "python": _mapped,
    "latency": _mapped,
    **dict.fromkeys(("remote", "remote small"), _mapped),
    "remote shards": _tars,
    "start": _start,
}
