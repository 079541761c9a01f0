"""dataload itself: threads, processes, auto, through the adapters, and as it grows."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.data import images as open_images
from benchmarks.data import table as make_table
from benchmarks.systems.kernels import Burn, Float32, Indexed, log_mel, wait
from benchmarks.workloads import Job
from dataload import ArraySource, FileSource, Loader
from dataload.transforms import DecodeAudio

CANNOT: dict[str, str] = {}


def speech(job: Job) -> Iterator[Any]:
    return _audio(job, "flac")


def clips(job: Job) -> Iterator[Any]:
    return _audio(job, "wav")


def images(job: Job) -> Iterator[Any]:
    return _stream(job, ArraySource(open_images(job.data)))


def table(job: Job) -> Iterator[Any]:
    return _stream(job, ArraySource(tuple(make_table())))


def python(job: Job) -> Iterator[Any]:
    return _stream(job, range(job.samples), transforms=Burn.of(job))


def latency(job: Job) -> Iterator[Any]:
    return _stream(job, Indexed(wait, job.samples), read_concurrency=16)


def start(job: Job) -> Iterator[Any]:
    return _stream(job, ArraySource(np.zeros((job.samples, 8), np.float32)))


adapters_speech = speech
adapters_images = images
growth_workers = clips


@dataclass(frozen=True)
class Rows:
    """As many samples as one likes, made when they are asked for."""

    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Float32:
        return np.full(256, index, np.float32)


def growth_samples(job: Job) -> Iterator[Any]:
    return _stream(job, Rows(job.options["samples"]), shuffle=True)


def _audio(job: Job, suffix: str) -> Iterator[Any]:
    transform = log_mel(job.workload)
    source = FileSource(job.data, f"*.{suffix}", audio=str)
    return _stream(job, source, transforms={"audio": [DecodeAudio(transform.sample_rate), transform]})


def _stream(job: Job, source: Any, **options: Any) -> Iterator[Any]:
    worker = job.options["worker"]
    workers = 0 if worker == "serial" else job.options.get("workers", job.workers)
    loader = Loader(
        source,
        batch_size=job.batch_size,
        num_workers=workers,
        worker="thread" if worker == "serial" else worker,
        drop_last=True,
        **options,
    )
    if worker == "auto":
        return Auto(loader)
    if job.options.get("adapter") == "tensorflow":
        return _tensorflow(loader)
    return _for_ever(_adapt(loader, job.options.get("adapter")))


class Auto(Iterator[Any]):
    """A stream that says when `worker="auto"` has chosen: before that it runs one kind of worker after the other."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._batches = _for_ever(loader)

    def __next__(self) -> Any:
        return next(self._batches)

    def close(self) -> None:
        """End the workers."""
        self._batches.close()
        self._loader.close()

    def settled(self) -> bool:
        """Return whether the choice was made."""
        return self._loader.stats.choice is not None

    def note(self) -> str:
        """Return the choice and its reason."""
        choice = self._loader.stats.choice
        return "had not chosen yet" if choice is None else f"chose {choice.worker}: {choice.reason}"


def _adapt(loader: Loader, adapter: str | None) -> Any:
    if adapter != "torch":
        return loader
    from dataload.adapters.torch import to_dataloader

    return to_dataloader(loader)


def _tensorflow(loader: Loader) -> Generator[Any, None, None]:
    from dataload.adapters.tensorflow import to_dataset

    # As users of tf.data write it, and as the row of tf.data has it: an iterator for each epoch would cost 12 ms of
    # graph optimisation, a quarter of an epoch of 16 batches.
    yield from to_dataset(loader).repeat()


def _for_ever(loader: Any) -> Generator[Any, None, None]:
    while True:
        yield from loader
