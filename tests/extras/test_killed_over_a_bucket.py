"""Tars in a bucket under every promise: workers are killed, runs are stopped, ranks and batch sizes change."""

import random
import signal

import numpy as np
import pytest
from programs import worker_processes

from dataload import Loader, TarSource
from dataload.shards.pack import Packing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]
N, SEED = 600, 11


@pytest.fixture(scope="module")
def source(s3, tmp_path_factory):
    """Numbered samples in a dozen tars of a bucket."""
    bucket = s3("numbers")
    folder = tmp_path_factory.mktemp("numbers")
    rng = np.random.default_rng(0)
    rows = [{"number": number, "data": rng.bytes(2_000)} for number in range(N)]
    Packing(rows, str(folder), size=200_000).run()
    bucket.upload(folder, "n")
    shards = TarSource(f"{bucket.url}/n/*.tar", storage_options=bucket.options, number=("cls", int), data="data")
    assert len(shards) == N and len(shards.runs()) > 5
    return shards


def numbers(batches):
    return [int(number) for batch in batches for number in batch["number"]]


def epoch(source, **options):
    with Loader(source, shuffle=True, seed=SEED, **options) as loader:
        return [(batch["number"].tolist(), list(batch["data"])) for batch in loader]


def test_killed_workers_neither_lose_nor_repeat_a_sample(source, budget):
    expected = epoch(source, batch_size=5)
    chance = random.Random(SEED)
    killed = 0
    with Loader(
        source, batch_size=5, shuffle=True, seed=SEED, num_workers=2, worker="process", max_retries=50
    ) as loader:
        while killed < 20 * budget:
            got = []
            loader.set_epoch(0)
            for batch in loader:
                got.append((batch["number"].tolist(), list(batch["data"])))
                if chance.random() < 0.1:
                    victims = worker_processes()
                    if victims:
                        chance.choice(victims).send_signal(signal.SIGKILL)
                        killed += 1
            assert got == expected
            loader.set_epoch(1)
    assert killed >= 20 * budget


@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_run_goes_on_with_another_world_and_batch_size_exactly_where_it_was(source, before):
    order = [number for rows, _ in epoch(source, batch_size=1) for number in rows]
    steps, size = 7, 4
    loaders = [Loader(source, shuffle=True, seed=SEED, batch_size=size, shard=(rank, before)) for rank in range(before)]
    iterators = [iter(loader) for loader in loaders]
    delivered = numbers(next(iterator) for _ in range(steps) for iterator in iterators)
    states = [loader.state_dict() for loader in loaders]
    assert delivered == order[: steps * size * before] and all(state == states[0] for state in states)
    # Remainders are such that the last step has a sample for each rank.
    for after, other in ((1, 6), (4, 5), (6, 4)):
        ranks = []
        for rank in range(after):
            options = {"num_workers": 2, "worker": "thread"} if rank == 0 else {}
            with Loader(source, shuffle=True, seed=SEED, batch_size=other, shard=(rank, after), **options) as loader:
                loader.load_state_dict(states[0])
                ranks.append([numbers([batch]) for batch in loader])
        rest = [number for step in zip(*ranks, strict=True) for row in step for number in row]
        assert sorted(rest) == sorted(order[len(delivered) :])
