"""The work itself, as plain functions of one sample, for the peers to call from their workers.

Every peer runs the same ones: what differs between rows is the loader, not the arithmetic. The classes hold numbers
only, so that each can be sent to a process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import OBJECT_BYTES, arrays, audio, objects
from benchmarks.workloads import Job
from dataload.transforms import LogMel

Float32 = NDArray[np.float32]

WAIT = 0.02  # seconds, of the workload `latency`


@dataclass(frozen=True)
class Work:
    """A workload as any loader can be given it.

    Attributes:
        keys: what samples are made from, in their order: paths or indices.
        function: from a key to a sample.
        collate: from the samples of a batch to the batch.
    """

    keys: Sequence[Any]
    function: Callable[[Any], Any]
    collate: Callable[[Sequence[Any]], Any] = np.stack

    @classmethod
    def of(cls, job: Job) -> Work:
        """Return the work of a job."""
        if job.dataset in ("speech", "clips"):
            return cls(audio(job.data, job.dataset), Features(log_mel(job)), pad)
        if job.dataset == "images":
            return cls(range(job.samples), arrays(job.data, job.dataset, job.samples)[0].__getitem__)
        if job.dataset == "table":
            columns = arrays(job.data, job.dataset, job.samples)
            return cls(range(len(columns[0])), lambda i: tuple(column[i] for column in columns), _stack_columns)
        if job.dataset in OBJECT_BYTES:
            url, names = objects(job.data)
            return cls([f"{url}/{name}" for name in names], fetch)
        return cls(range(job.samples), wait if job.workload == "latency" else Burn(job.options["iterations"]))


def log_mel(job: Job) -> LogMel:
    """Return the transform of the workload: 400/160/80 at 16 kHz or 200/80/40 at 8 kHz."""
    return LogMel(8_000, n_mels=40) if job.dataset == "clips" else LogMel(16_000)


def read_audio(path: str) -> Float32:
    """Read a file as soundfile's users do."""
    import soundfile

    return soundfile.read(path, dtype="float32")[0]


@dataclass(frozen=True)
class Features:
    """From a path to (frames, mels): soundfile, and the log-mel of dataload on one clip (numpy and scipy)."""

    transform: LogMel

    def __call__(self, path: str) -> Float32:
        """Return the features of one file."""
        return self.transform(read_audio(path))


def pad(rows: Sequence[Float32]) -> tuple[Float32, NDArray[np.int64]]:
    """Put features of different lengths into one array, zeros behind the short ones; return it and the lengths."""
    lengths = np.array([len(row) for row in rows], np.int64)
    batch = np.zeros((len(rows), lengths.max(), rows[0].shape[1]), np.float32)
    for out, row in zip(batch, rows, strict=True):
        out[: len(row)] = row
    return batch, lengths


def _stack_columns(rows: Sequence[Any]) -> Any:
    return tuple(map(np.stack, zip(*rows, strict=True)))


@dataclass(frozen=True)
class Burn:
    """Pure Python that takes 1 ms: `iterations` were counted on this machine before the run."""

    iterations: int

    def __call__(self, index: int) -> Float32:
        """Return two numbers that depend on the index."""
        x = int(index)
        for i in range(self.iterations):
            x = (x * 31 + i) & 0xFFFF
        return np.array([x, index], np.float32)


def wait(index: int) -> Float32:
    """Return a sample that takes 20 ms to arrive."""
    time.sleep(WAIT)
    return np.full(4, index, np.float32)


def fetch(url: str) -> NDArray[np.uint8]:
    """Return the bytes of an object, read as fsspec's users do."""
    import fsspec

    return np.frombuffer(fsspec.filesystem("http").cat_file(url), np.uint8)


def count_iterations() -> int:
    """Return how many iterations of `Burn` take 1 ms here."""
    best = min(_seconds(100_000) for _ in range(5))
    return max(1, round(0.001 * 100_000 / best))


def _seconds(iterations: int) -> float:
    start = time.perf_counter()
    Burn(iterations)(0)
    return time.perf_counter() - start


@dataclass(frozen=True)
class Mapped:
    """Keys as a map-style data set, each passed through a function."""

    keys: Sequence[Any]
    function: Callable[[Any], Any]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Any:
        return self.function(self.keys[index])
