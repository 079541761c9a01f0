"""A long run of everything at once: `python -m faults.soak MINUTES`.

Loaders of all kinds are run to their end or left, their workers killed, their samples bad; each batch is compared with
what it must be. Once a minute a line says what the process holds. It fails if a batch is wrong, or if memory,
descriptors, threads or processes have grown when it ends.
"""

import gc
import logging
import random
import sys
import threading
import time
from contextlib import suppress
from itertools import islice

import conformance
import numpy as np
import psutil
from faults import harm

from dataload import ArraySource, Loader

_BAD = frozenset(range(5, 2000, 97))
# Memory that may come and go between two minutes without being a leak.
_NOISE_MB = 30.0


def _loaders() -> list[tuple[Loader, list]]:
    array = ArraySource({"x": np.random.default_rng(0).random((2000, 300), np.float32), "i": np.arange(2000)})
    common = {"shuffle": True, "num_workers": 2, "max_retries": 1000}
    loaders = [
        Loader(array, batch_size=32, worker="process", **common),
        Loader(array, batch_size=32, worker="thread", **common),
        Loader(range(2000), transforms=harm.Fragile(_BAD), batch_size=16, worker="process", on_error="skip", **common),
        Loader(
            range(2000), transforms=harm.Fragile(_BAD), batch_size=16, worker="process", on_error="replace",
            read_concurrency=4, **common,
        ),
    ]  # fmt: skip
    expected = []
    for loader in loaders:
        alone = loader.with_options(num_workers=0)
        alone.set_epoch(0)
        expected.append((loader, list(alone)))
    return expected


def _kill_one(choose: random.Random) -> bool:
    workers = psutil.Process().children()
    with suppress(psutil.NoSuchProcess):  # It has ended since it was listed.
        if workers:
            choose.choice(workers).kill()
            return True
    return False


def _held() -> dict[str, float]:
    gc.collect()
    process = psutil.Process()
    return {
        "memory_mb": process.memory_info().rss / 2**20,
        "descriptors": process.num_fds(),
        "threads": threading.active_count(),
        "processes": len(process.children()),
    }


def main(minutes: float) -> None:
    """Run for so long."""
    logging.getLogger("dataload").setLevel(logging.ERROR)  # There are thousands of bad samples.
    choose = random.Random(0)
    loaders = _loaders()
    start = time.monotonic()
    batches = kills = rounds = 0
    first: dict[str, float] | None = None
    report = start + 60
    while time.monotonic() < start + 60 * minutes:
        loader, expected = loaders[rounds % len(loaders)]
        rounds += 1
        loader.set_epoch(0)
        length = choose.choice([len(expected), choose.randrange(len(expected))])
        for k, batch in enumerate(islice(loader, length)):
            assert conformance.equal(batch, expected[k]), f"round {rounds}: batch {k} is wrong"
            batches += 1
            if choose.random() < 0.01:
                kills += _kill_one(choose)
        loader.close()
        if time.monotonic() > report or (first is None and rounds == 4 * len(loaders)):
            report = time.monotonic() + 60
            held = _held()
            first = first or held
            figures = ", ".join(f"{name} {value:.0f}" for name, value in held.items())
            print(f"{(time.monotonic() - start) / 60:.1f} min: {batches} batches, {kills} kills, {figures}", flush=True)
    last = _held()
    assert first is not None, "too short to tell anything"
    grown = {name: last[name] - first[name] for name in first if name != "memory_mb" and last[name] > first[name]}
    assert not grown, f"grown: {grown}"
    assert last["memory_mb"] < first["memory_mb"] + _NOISE_MB, f"memory: {first} -> {last}"
    print(f"good: {batches} batches, {kills} kills, {rounds} rounds; held {first} at first, {last} at the end")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30)
