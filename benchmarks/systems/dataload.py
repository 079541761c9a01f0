"""dataload itself: threads, processes, auto, through the adapters, and as it grows."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from benchmarks.data import AUDIO, arrays, audio_tars, files, head, objects, remote_tars
from benchmarks.systems.kernels import Float32, Mapped, Work, log_mel
from benchmarks.workloads import Job
from dataload import ArraySource, FileSource, Loader, TarSource, TFRecordSource
from dataload.measuring import endless
from dataload.transforms import DecodeAudio


def _audio(job: Job) -> Iterator[Any]:
    transform = log_mel(job)
    source = FileSource(job.data, f"*.{AUDIO[job.dataset][0]}", audio=str)
    return _stream(job, source, transforms={"audio": [DecodeAudio(transform.sample_rate), transform]})


def _gathered(job: Job) -> Iterator[Any]:
    columns = arrays(job.data, job.dataset, job.samples)
    return _stream(job, ArraySource(tuple(columns) if len(columns) > 1 else columns[0]))


def _python(job: Job) -> Iterator[Any]:
    return _stream(job, range(job.samples), transforms=Work.of(job).function)


def _latency(job: Job) -> Iterator[Any]:
    work = Work.of(job)
    return _stream(job, Mapped(work.keys, work.function), read_concurrency=16)


def _shards(job: Job) -> Iterator[Any]:
    return _stream(job, TarSource(_tars(job), x=(AUDIO[job.dataset][0], head), label=("cls", int)))


def _shards_audio(job: Job) -> Iterator[Any]:
    transform = log_mel(job)
    source = TarSource(_tars(job), audio=AUDIO[job.dataset][0])
    return _stream(job, source, transforms={"audio": [DecodeAudio(transform.sample_rate), transform]})


def _tars(job: Job) -> list[str]:
    # As large as WebDataset's, which makes a batch of the samples of one.
    return audio_tars(job.data, job.dataset, job.samples, 2 * job.batch_size)


def _remote(job: Job) -> Iterator[Any]:
    url, names = objects(job.data)
    options = {"read_concurrency": 64, "prefetch_factor": 4} if job.workload == "remote small" else {}
    return _stream(job, FileSource(url, names=names, x=_bytes), **options)


def _remote_shards(job: Job) -> Iterator[Any]:
    return _stream(job, TarSource(remote_tars(_tars(job)), x=(AUDIO[job.dataset][0], head), label=("cls", int)))


def _records(job: Job) -> Iterator[Any]:
    source = TFRecordSource(files(job.data, "tfrecord"), x=("x", np.uint8), label=("label", int))
    return _stream(job, source, shuffle=job.options.get("shuffle", False))


def _bytes(path: Any) -> Any:
    return np.frombuffer(path.read_bytes(), np.uint8)


def _sample(index: int) -> Float32:
    return np.full(256, index, np.float32)


def _growth(job: Job) -> Iterator[Any]:
    return _stream(job, Mapped(range(job.options["samples"]), _sample), shuffle=True)


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
    if job.options.get("adapter") == "torch":
        from dataload.adapters.torch import to_dataloader

        return endless(to_dataloader(loader))
    return endless(loader)


class Auto(Iterator[Any]):
    """A stream that says when `worker="auto"` has chosen: before that it runs one kind of worker after the other."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._batches = endless(loader)

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


def _tensorflow(loader: Loader) -> Generator[Any, None, None]:
    from dataload.adapters.tensorflow import to_dataset

    # As users of tf.data write it, and as the row of tf.data has it: an iterator for each epoch would cost 12 ms of
    # graph optimisation, a quarter of an epoch of 16 batches.
    yield from to_dataset(loader).repeat()


RUNS = {
    **dict.fromkeys(("speech", "clips", "adapters speech", "growth workers"), _audio),
    **dict.fromkeys(("images", "table", "start", "adapters images"), _gathered),
    "python": _python,
    "latency": _latency,
    "shards": _shards,
    "shards speech": _shards_audio,
    **dict.fromkeys(("remote", "remote small"), _remote),
    "remote shards": _remote_shards,
    **dict.fromkeys(("tfrecord", "tfrecord small"), _records),
    "growth samples": _growth,
}
