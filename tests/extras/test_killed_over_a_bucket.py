"""Tars in a bucket under every promise: workers are killed, runs are stopped, ranks and batch sizes change."""

import random
import signal
from contextlib import ExitStack

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
        while killed < 8 * budget:
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
    assert killed >= 8 * budget


def rank_loaders(stack, source, world, size, state):
    """Return the loaders of every rank, each with a worker process, where a state says that they were."""
    loaders = []
    for rank in range(world):
        options = {"num_workers": 1, "worker": "process", "max_retries": 50, "shard": (rank, world)}
        loader = stack.enter_context(Loader(source, shuffle=True, seed=SEED, batch_size=size, **options))
        if state is not None:
            loader.load_state_dict(state)
        loaders.append(loader)
    return loaders


def test_worlds_and_batch_sizes_change_while_workers_are_killed_and_every_sample_comes_once(source, budget):
    chance = random.Random(SEED)
    order = [number for rows, _ in epoch(source, batch_size=1) for number in rows]
    bodies = dict(zip(order, (data for _, each in epoch(source, batch_size=1) for data in each), strict=True))
    killed = epochs = parts = 0
    while killed < 8 * budget:
        state, delivered = None, []
        while len(delivered) < N:
            world, size = chance.choice([1, 2, 3, 4, 6]), chance.choice([1, 2, 5, 10])
            if world * size > N - len(delivered):  # The last step of an epoch would be padded.
                world = size = 1
            with ExitStack() as stack:
                loaders = rank_loaders(stack, source, world, size, state)
                iterators = [iter(loader) for loader in loaders]
                for _ in range(min(chance.randrange(4, 20), (N - len(delivered)) // (world * size))):
                    for batch in map(next, iterators):
                        rows = batch["number"].tolist()
                        assert list(batch["data"]) == [bodies[number] for number in rows]
                        delivered += rows
                    if chance.random() < 0.3 and (victims := worker_processes()):
                        chance.choice(victims).send_signal(signal.SIGKILL)
                        killed += 1
                states = [loader.state_dict() for loader in loaders]
                assert all(each == states[0] for each in states)
                state, parts = states[0], parts + 1
        assert delivered == order
        epochs += 1
    print(f"{killed} kills in {parts} parts of {epochs} epochs, each sample once and right")


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
