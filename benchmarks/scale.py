"""`python -m benchmarks scale`: what a very large data set and a large job cost the processes that lead it.

The samples, shards, ranks and workers are synthetic: an index whose columns are computed, or files full of holes, and
workers that answer at once. So what is timed is the work of the library alone: plan, index, state and messages.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import PACKAGES
from dataload import ArraySource, Loader
from dataload.counts import NOTHING
from dataload.laps import Times
from dataload.measuring import Table, about, describe
from dataload.sharding import Shard as Rank
from dataload.shards.columns import Columns, Entry, map_file
from dataload.shards.index import ShardIndex, find_index, write_index
from dataload.sources.shards import ShardSource
from dataload.storage.local import LOCAL
from dataload.storage.places import Place, Shard
from dataload.terminal import open_terminal
from dataload.transport.slots import Manifest
from dataload.workers import Result, Task, WorkerStatistics
from dataload.workers import messages as wire

_BATCH = 64
# Of reading, two transforms and collating.
_TIMES = Times(1.0, 2.0, (0.1,) * 4, (0.1,) * 4, (7, 0.1))
_SAMPLE_BYTES = 16_384
# Of a message: the two sizes in front of it.
_FRAME = 16
Found = TypeVar("Found")


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = _parse(arguments)
    terminal = open_terminal()
    job = f"{options.samples:,} samples in {options.shards:,} shards, {options.ranks} ranks"
    with tempfile.TemporaryDirectory() as folder:
        Table(["plan", "start, ms", "first indices, ms", "per batch, µs", "memory, MB"], [*plans(options)]).print(
            terminal
        )
        Table(["index", ""], [*index(options, Path(folder))]).print(terminal)
    Table(["job", ""], [*ranks(options), *workers(options)]).print(terminal)
    Table(["one driver", ""], [*driver(options)]).print(terminal)
    terminal.line(describe(about(PACKAGES), f"{job}, batches of {_BATCH} for each rank"))


class Repeated:
    """A column of an index in which every shard says the same, computed when it is asked for."""

    def __init__(self, one: NDArray[Any]) -> None:
        self._one = one

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self._one[rows % len(self._one)]


class Numbers:
    """A source of that many samples, which nobody reads."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        return index


class Indexed(ShardSource):
    """A source over an index of shards, which nobody reads."""

    def __getitem__(self, index: int) -> int:
        return index


class Answers:
    """Any number of workers that answer at once, the newest task first."""

    def __init__(self, pipeline: Any, count: int) -> None:
        self._tasks: deque[Task] = deque()
        self._count = count

    def submit(self, task: Task) -> None:
        self._tasks.append(task)

    def next_result(self, timeout: float | None) -> Result:
        return Result(self._tasks.pop().number)

    def ready(self) -> int:
        return len(self._tasks)

    def resize(self, count: int) -> None:
        self._count = count

    def statistics(self) -> WorkerStatistics:
        return WorkerStatistics("answers", self._count)

    def close(self) -> None:
        self._tasks.clear()


def plans(options: argparse.Namespace) -> Iterator[list[str]]:
    """Yield for each order what the plan of one rank costs."""
    rank = (options.ranks - 1, options.ranks)
    sources = {False: Numbers(options.samples), True: Numbers(options.samples), "blocks": _source(options)}
    for shuffle, source in sources.items():
        (loader, start), memory = _traced(
            lambda: _timed(lambda: Loader(source, shuffle=shuffle, batch_size=_BATCH, shard=rank))  # noqa: B023
        )
        batches = loader.plan.batches(0)
        _, first = _timed(lambda: next(batches))  # noqa: B023
        steps = min(5000, len(loader) - 1)
        _, many = _timed(lambda: deque((next(batches) for _ in range(steps)), 0))  # noqa: B023
        name = {False: "in order", True: "shuffle=True", "blocks": 'shuffle="blocks", a tenth of it'}[shuffle]
        yield [name, f"{1e3 * start:.2f}", f"{1e3 * first:.2f}", f"{1e6 * many / steps:.1f}", f"{memory / 1e6:.1f}"]


def index(options: argparse.Namespace, folder: Path) -> Iterator[list[str]]:
    """Yield what an index of so many shards and samples costs: a file of the shards, and columns full of holes."""
    few = 10
    small = ShardIndex(_columns(options.shards, few, materialised=True), _shards(options.shards), range(options.shards))
    write_index(small, folder / "index.arrow")
    shards = _shards(options.shards)

    def find() -> ShardIndex:
        return find_index(shards, "tar", _never, index=folder / "index.arrow")

    (found, seconds), memory = _traced(lambda: _timed(find))
    _, seconds = _timed(find)
    yield ["opened and compared with the shards", f"{seconds:.2f} s, {memory / 1e6:.0f} MB"]
    _, seconds = _timed(found.fingerprint)
    yield ["fingerprint", f"{seconds:.2f} s, once"]
    packed, seconds = _timed(lambda: pickle.dumps(found))
    _, back = _timed(lambda: pickle.loads(packed))
    yield ["sent to the workers", f"{len(packed) / 1e6:.1f} MB, {seconds:.2f} s; opened there in {back:.2f} s"]
    offsets = _holes(folder / "offsets", 8 * options.samples).view(np.int64)
    sizes = _holes(folder / "sizes", 4 * options.samples).view(np.int32)
    columns = _columns(options.shards, options.samples // options.shards)
    columns.offsets["flac"], columns.sizes["flac"] = offsets, sizes
    yield ["its file, for each field", f"{(offsets.nbytes + sizes.nbytes) / 1e9:.1f} GB, mapped, not read"]
    large = ShardIndex(columns, shards, range(options.shards))
    batches = np.random.default_rng(0).integers(len(large), size=(100, _BATCH))
    for pages in ("not in memory yet", "in memory"):
        _, seconds = _timed(lambda: [large.locate("flac", batch) for batch in batches])
        yield [f"a random batch is located, its pages {pages}", f"{1e6 * seconds / len(batches):,.0f} µs"]


def ranks(options: argparse.Namespace) -> Iterator[list[str]]:
    """Yield what one step of all ranks costs, and a change of ranks, having checked that they share out the order."""
    loader = Loader(Numbers(options.samples), shuffle=True, global_batch_size=_BATCH * options.ranks)
    plan, middle, steps = loader.plan, options.samples // 2, 3
    plans = [plan.resharded(Rank(rank, options.ranks), None) for rank in range(options.ranks)]

    def all_ranks() -> list[list[NDArray[np.int64]]]:
        cut = [one.batches(0, middle) for one in plans]
        return [[next(batches) for batches in cut] for _ in range(steps)]

    found, seconds = _timed(all_ranks)
    alone = plan.batches(0, middle)
    assert all(np.array_equal(np.concatenate(step), next(alone)) for step in found)
    rank = 1e3 * seconds / options.ranks
    yield [f"{steps} steps from the middle of the epoch, checked", f"{rank:.2f} ms for each of {options.ranks} ranks"]
    batches = iter(loader)
    next(batches)
    _, seconds = _timed(lambda: loader.reshard(0, options.ranks))
    yield ["reshard", f"{1e6 * seconds:.0f} µs"]
    state, seconds = _timed(loader.state_dict)
    yield ["state", f"{len(json.dumps(state))} bytes, {1e6 * seconds:.0f} µs"]


def workers(options: argparse.Namespace) -> Iterator[list[str]]:
    """Yield what it costs a driver to keep so many workers busy that answer at once."""
    loader = Loader(
        Numbers(options.samples), shuffle=True, batch_size=_BATCH, num_workers=options.workers, worker=Answers
    )
    batches = iter(loader)
    _, first = _timed(lambda: next(batches))
    steps = min(20_000, len(loader) - 1)
    _, many = _timed(lambda: deque((next(batches) for _ in range(steps)), 0))
    yield [f"first batch of {options.workers} workers, {2 * options.workers} tasks ahead", f"{1e3 * first:.0f} ms"]
    yield ["each further batch", f"{1e6 * many / steps:.0f} µs"]


def driver(options: argparse.Namespace) -> Iterator[list[str]]:
    """Yield what a process with process workers spends on a batch, and what that makes at a high rate."""
    rows = np.zeros((1 << 15, 4), np.float32)
    with Loader(ArraySource(rows), batch_size=_BATCH, num_workers=2, worker="process") as loader:
        deque(loader, 0)
        passes = 2 if options.quick else 12
        cpu, thread, wall = time.process_time(), time.thread_time(), time.perf_counter()
        for _ in range(passes):
            deque(loader, 0)
        count = passes * len(loader)
        cpu, thread, wall = ((now - then) / count for now, then in zip(
            (time.process_time(), time.thread_time(), time.perf_counter()), (cpu, thread, wall), strict=True
        ))  # fmt: skip
    order = wire.write_order(wire.Order(Task(0, 0, np.arange(_BATCH)), [0]))
    made = wire.write_header(wire.Made(0, 0.1, NOTHING, _TIMES, Manifest([], [], [(0, 0, rows[:_BATCH].nbytes)])))
    body, _ = wire.write_body(wire.Body(rows[:_BATCH], None))
    yield ["CPU for a batch, all threads", f"{1e6 * cpu:.0f} µs, {1e6 * thread:.0f} of them the training loop's"]
    yield ["batches per second, two workers", f"{1 / wall:,.0f}"]
    task, answer = len(order) + _FRAME, len(made) + len(body) + _FRAME
    yield ["messages of a batch", f"{task} bytes there, {answer} back, beside the batch"]
    volume = options.rate * (task + answer) / 1e6
    yield [
        f"at {options.rate:,} batches/s",
        f"{2 * options.rate:,} messages/s, {volume:.0f} MB/s, {options.rate * cpu:.1f} cores",
    ]
    yield ["where Python's one lock is full", f"{1 / cpu:,.0f} batches/s"]
    share = options.rate / options.ranks
    yield [f"for each of {options.ranks} ranks", f"{share:.0f} batches/s, {100 * share * cpu:.1f} % of a core"]
    for size in (10**5, 10**6, 10**7):
        gigabytes = options.rate * size / 1e9
        yield [
            f"batches of {size / 1e6:g} MB",
            f"{gigabytes:g} GB/s together, {gigabytes / options.ranks:.2g} for a rank",
        ]


def _holes(path: Path, size: int) -> NDArray[np.uint8]:
    with path.open("wb") as file:
        file.truncate(size)
    return map_file(str(path))


def _columns(shards: int, samples: int, materialised: bool = False) -> Columns:
    offsets, sizes = np.arange(samples) * _SAMPLE_BYTES, np.full(samples, _SAMPLE_BYTES - 512, np.int32)
    entries = [Entry(f"train-{i:06}.tar", samples * _SAMPLE_BYTES, "", samples) for i in range(shards)]
    given: Any = (
        (np.tile(offsets, shards), np.tile(sizes, shards)) if materialised else (Repeated(offsets), Repeated(sizes))
    )
    return Columns("tar", False, entries, {"flac": given[0]}, {"flac": given[1]}, None)


def _shards(count: int, samples: int = 10) -> list[Shard]:
    return [Shard(Place(LOCAL, f"/data/train-{i:06}.tar"), samples * _SAMPLE_BYTES, "") for i in range(count)]


def _source(options: argparse.Namespace) -> Indexed:
    samples = options.samples // options.shards
    # It looks at the place of every sample once, so a tenth tells what all of them take.
    shards = max(options.shards // 10, 1)
    return Indexed(ShardIndex(_columns(shards, samples), _shards(shards, samples), range(shards)), ["flac"])


def _never(*arguments: Any) -> Any:
    raise AssertionError("a shard was read")


def _timed(function: Callable[[], Found]) -> tuple[Found, float]:
    start = time.perf_counter()
    found = function()
    return found, time.perf_counter() - start


def _traced(function: Callable[[], Found]) -> tuple[Found, int]:
    """Return what a function returns, and the bytes that it has had at most."""
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks scale", description="What a very large data set and job cost those that lead it."
    )
    parser.add_argument("--samples", type=int, default=10**9, help="of the data set; 10^9")
    parser.add_argument("--shards", type=int, default=10**5, help="that they lie in; 10^5")
    parser.add_argument("--ranks", type=int, default=64, help="that train together; 64")
    parser.add_argument("--workers", type=int, default=1000, help="of one driver; 1000")
    parser.add_argument("--rate", type=int, default=10_000, help="batches per second to reckon with; 10 000")
    parser.add_argument("--quick", action="store_true", help="few batches through real workers")
    return parser.parse_args(arguments)
