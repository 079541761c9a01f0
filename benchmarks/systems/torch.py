"""PyTorch's DataLoader.

Its best setting here: as many workers as the others, `persistent_workers` (starting them costs more than an epoch of
some workloads), forked, which is torch's default on Linux and starts 15 times as fast as spawning. More prefetching
than 2 per worker changes nothing. Where the work is only gathering rows in memory, no workers are faster than two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, SequentialSampler, TensorDataset

from benchmarks.data import files
from benchmarks.data import images as open_images
from benchmarks.data import table as make_table
from benchmarks.systems.kernels import Burn, Features, Indexed, log_mel, read_audio, wait
from benchmarks.workloads import Job

CANNOT: dict[str, str] = {}


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
        from dataload.transforms.functional import mel_filters

        made = log_mel(job.workload)
        filters = torch.from_numpy(mel_filters(made.sample_rate, n_fft=made.n_fft, n_mels=made.n_mels).T.copy())
        return cls(made.n_fft, made.hop_length, torch.hann_window(made.n_fft), filters)

    def __call__(self, path: str) -> torch.Tensor:
        """Return the features of one file."""
        waveform = torch.from_numpy(read_audio(path))
        spectrum = torch.stft(waveform, self.n_fft, self.hop, window=self.window, return_complex=True)
        # abs and square is faster than squaring real and imaginary part.
        return (self.filters @ spectrum.abs().square_()).clamp_(min=1e-10).log_().T


def speech(job: Job) -> Iterator[Any]:
    return _audio(job, "flac")


def clips(job: Job) -> Iterator[Any]:
    return _audio(job, "wav")


@dataclass(frozen=True)
class Paths(Dataset[Any]):
    """Files, each passed through a function."""

    paths: Sequence[str]
    function: Callable[[str], Any]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        return self.function(self.paths[index])


def _audio(job: Job, suffix: str) -> Iterator[Any]:
    own = job.options.get("kernel") != "numpy"
    function = TorchFeatures.of(job) if own else Features.of(job)
    return _stream(job, Paths(files(job.data, suffix), function), collate_fn=_pad)


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


def images(job: Job) -> Iterator[Any]:
    dataset = Rows(_writable(open_images(job.data)))
    return _by_hand(job, dataset, job.workers) if job.options.get("by_hand") else _stream(job, dataset)


def _writable(array: np.memmap[Any, Any]) -> np.memmap[Any, Any]:
    # torch warns of read-only arrays; copy-on-write maps the same pages.
    return np.load(array.filename, mmap_mode="c")


def table(job: Job) -> Iterator[Any]:
    dataset = TensorDataset(*map(torch.from_numpy, make_table()))
    if job.options.get("by_hand"):
        return _by_hand(job, dataset, 0)
    return _stream(job, dataset, num_workers=job.options.get("workers", 0))


def _by_hand(job: Job, dataset: Dataset[Any], workers: int) -> Iterator[Any]:
    """The data set is asked for a whole batch: `sampler=BatchSampler(...)`, `batch_size=None`, as torch's docs say."""
    sampler = BatchSampler(SequentialSampler(dataset), job.batch_size, drop_last=True)
    options = {"num_workers": workers, "persistent_workers": True} if workers else {}
    return _for_ever(DataLoader(dataset, sampler=sampler, batch_size=None, **options))


def python(job: Job) -> Iterator[Any]:
    return _stream(job, Indexed(Burn.of(job), job.samples))


def latency(job: Job) -> Iterator[Any]:
    return _stream(job, Indexed(wait, job.samples))


def start(job: Job) -> Iterator[Any]:
    dataset = TensorDataset(torch.zeros(job.samples, 8))
    return _stream(job, dataset, multiprocessing_context=job.options["start"])


def _stream(job: Job, dataset: Any, **options: Any) -> Iterator[Any]:
    workers = options.pop("num_workers", job.workers)
    if workers:
        options |= {"num_workers": workers, "persistent_workers": True, "prefetch_factor": 2}
    return _for_ever(DataLoader(dataset, batch_size=job.batch_size, drop_last=True, **options))


def _for_ever(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader
