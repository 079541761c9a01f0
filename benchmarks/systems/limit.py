"""The bare work on one core, without any loader: what `workers` times as much would be is the limit.

For the audio it is what dataload's own transforms do on a batch; for arrays one `np.take` into memory that is used
again. There is none for waiting.
"""

from __future__ import annotations

import itertools
import selectors
import socket
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import numpy as np

from benchmarks.data import arrays, audio, objects
from benchmarks.systems.kernels import Work, log_mel
from benchmarks.workloads import Job
from dataload.transforms import DecodeAudio

# What a worker of dataload has under way where reads wait for a network.
_CONNECTIONS = 16
_SMALL_CONNECTIONS = 64
_BATCHES_AHEAD = 3


def _audio(job: Job) -> Iterator[Any]:
    transform, paths = log_mel(job), audio(job.data, job.dataset)
    decode = DecodeAudio(transform.sample_rate)
    for numbers in _batches(job):
        # Short clips go through one pass, long ones are transformed while still in the cache.
        if job.workload == "clips":
            yield transform.batch([decode(paths[i]) for i in numbers])[:1]
        else:
            yield [transform(decode(paths[i])) for i in numbers][:1]


def _gather(job: Job) -> Iterator[Any]:
    sources = arrays(job.data, job.dataset, job.samples)
    out = [np.empty((job.batch_size, *array.shape[1:]), array.dtype) for array in sources]
    for numbers in _batches(job):
        for array, batch in zip(sources, out, strict=True):
            np.take(array, numbers, axis=0, out=batch, mode="clip")
        yield out


def _python(job: Job) -> Iterator[Any]:
    burn = Work.of(job).function
    for numbers in _batches(job):
        yield [burn(i) for i in numbers]


def _remote(job: Job) -> Iterator[Any]:
    """Read objects over as many connections as a worker of dataload, and nothing else."""
    url, names = objects(job.data)
    host = url.removeprefix("http://")
    local = threading.local()

    def read(name: str) -> int:
        if not hasattr(local, "connection"):
            local.connection = HTTPConnection(host)
        local.connection.request("GET", f"/{name}")
        return len(local.connection.getresponse().read())

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        waiting: deque[Any] = deque()
        for numbers in _batches(job):
            waiting.append([pool.submit(read, names[i]) for i in numbers])
            if len(waiting) > _BATCHES_AHEAD:
                yield [np.array([future.result() for future in waiting.popleft()])]


def _bare(job: Job) -> Iterator[Any]:
    """Ask over all connections that the workers have together, on one thread: what the server can answer."""
    url, names = objects(job.data)
    port = int(url.rpartition(":")[2])
    requests = itertools.cycle(f"GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for name in names)
    count, answered = 0, 0
    with selectors.DefaultSelector() as selector:
        for _ in range(_SMALL_CONNECTIONS * job.workers):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(next(requests))
            selector.register(connection, selectors.EVENT_READ, bytearray())
        while True:
            for key, _ in selector.select():
                key.data.extend(key.fileobj.recv(1 << 17))  # type: ignore[union-attr]
                if _is_whole(key.data):
                    key.data.clear()
                    key.fileobj.sendall(next(requests))  # type: ignore[union-attr]
                    answered += 1
            while (count + 1) * job.batch_size <= answered:
                count += 1
                yield [np.zeros(job.batch_size)]


def _is_whole(answer: bytearray) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    start = answer.index(b"Content-Length: ") + len(b"Content-Length: ")
    return len(answer) >= head + 4 + int(answer[start : answer.index(b"\r", start)])


def _batches(job: Job) -> Iterator[Any]:
    numbers = np.arange(job.samples // job.batch_size * job.batch_size).reshape(-1, job.batch_size)
    while True:
        yield from numbers


RUNS = {
    "speech": _audio,
    "clips": _audio,
    "images": _gather,
    "table": _gather,
    "python": _python,
    "shards speech": _audio,
    "remote": _remote,
    "remote small": _bare,
}
CANNOT = {"latency": "waiting takes no core", "shards": "reading by number is what is measured"}
