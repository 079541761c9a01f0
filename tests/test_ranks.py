"""Ranks: one order cut into equal numbers of steps, every sample once, whoever resumes it with how many."""

import json

import conformance
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import joined, make, take

from dataload import Loader
from dataload.errors import ConfigError
from dataload.sharding import Shard, read_shard

worlds = st.sampled_from([1, 2, 3, 4, 6, 8])


def all_ranks(world, state=None, **options):
    """The batches of every rank."""
    batches = []
    for rank in range(world):
        loader = make(shard=(rank, world), **options)
        if state is not None:
            loader.load_state_dict(state)
        batches.append(list(loader))
    return batches


def in_order(ranks):
    """The samples of each step, rank by rank."""
    return [np.concatenate([batch["i"] for batch in step]) for step in zip(*ranks, strict=True)]


@settings(max_examples=80, deadline=None)
@given(n=st.integers(1, 70), world=worlds, batch_size=st.integers(1, 7), drop_last=st.booleans())
def test_every_rank_has_as_many_steps_and_every_sample_comes_once(n, world, batch_size, drop_last):
    if n < world and not drop_last:
        with pytest.raises(ConfigError, match=f"{n} samples cannot be shared out to {world} ranks"):
            all_ranks(world, n=n, batch_size=batch_size)
        return
    ranks = all_ranks(world, n=n, batch_size=batch_size, drop_last=drop_last)
    steps = in_order(ranks)
    assert len(steps) == len(make(n, shard=(0, world), batch_size=batch_size, drop_last=drop_last))
    alone = joined(list(make(n, batch_size=batch_size)), "i").tolist()
    whole = batch_size * world
    for k, step in enumerate(steps):
        assert len(set(step.tolist())) == len(step), "a sample comes twice in one step"
        if k < n // whole:
            assert step.tolist() == alone[k * whole : (k + 1) * whole]
    if drop_last:
        assert len(steps) == n // whole
        return
    last = [len(batches[-1]["i"]) for batches in ranks]
    assert max(last) - min(last) <= 1 and min(last) >= 1
    left = n % whole or whole
    # Only where there is less than one sample for each rank do samples of the beginning come again.
    again = max(world - left, 0)
    assert sorted(np.concatenate(steps).tolist()) == sorted(alone + alone[:again])


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(8, 90),
    before=worlds,
    after=worlds,
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    stop=st.integers(0, 9),
)
def test_a_run_resumed_with_other_ranks_and_batch_sizes_gets_exactly_the_rest(n, before, after, sizes, stop):
    states, seen = [], []
    for rank in range(before):
        loader = make(n, shard=(rank, before), batch_size=sizes[0])
        seen += take(loader, min(stop, len(loader)))
        states.append(loader.state_dict())
    assert all(state == states[0] for state in states), "the ranks do not agree where they are"
    ranks = all_ranks(after, json.loads(json.dumps(states[0])), n=n, batch_size=sizes[1])
    whole = joined(list(make(n)), "i").tolist()
    done = states[0]["samples"]
    left = n - done
    if left == 0:
        return
    steps = in_order(ranks)
    again = max(after - (left % (after * sizes[1]) or after * sizes[1]), 0)
    assert sorted(np.concatenate(steps).tolist()) == sorted(whole[done:] + whole[:again])


def test_a_sample_has_the_same_random_numbers_on_any_rank():
    alone = {int(i): x for batch in make() for i, x in zip(batch["i"], batch["x"], strict=True)}
    for ranks in all_ranks(3):
        for batch in ranks:
            for i, x in zip(batch["i"], batch["x"], strict=True):
                assert conformance.equal(alone[int(i)], x)


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_a_rank_has_the_same_batches_with_any_workers(worker):
    with make(40, shard=(1, 3), batch_size=4, worker=worker, num_workers=2) as loader:
        assert conformance.equal(list(loader), list(make(40, shard=(1, 3), batch_size=4)))


def test_a_large_world_asks_for_its_own_part_only():
    loader = Loader(range(10**9), shuffle=True, batch_size=64, shard=(4095, 4096))
    alone = Loader(range(10**9), shuffle=True, batch_size=64 * 4096)
    assert next(iter(loader)).tolist() == next(iter(alone))[-64:].tolist()


def test_a_batch_sampler_gives_its_batches_to_the_ranks_in_turn():
    batches = [[0, 1], [2], [3, 4, 5], [6], [7, 8]]
    ranks = [list(Loader(range(9), batch_sampler=batches, shard=(rank, 2))) for rank in range(2)]
    assert [[batch.tolist() for batch in rank] for rank in ranks] == [[[0, 1], [3, 4, 5], [7, 8]], [[2], [6], [0, 1]]]
    with pytest.raises(ConfigError, match="5 batches cannot be shared out to 6 ranks"):
        list(Loader(range(9), batch_sampler=batches, shard=(0, 6)))


def test_auto_is_one_of_one_where_nothing_says_otherwise():
    assert read_shard("auto", {}) == read_shard(None) == Shard(0, 1)


def test_auto_reads_the_environment():
    assert read_shard("auto", {"RANK": "2", "WORLD_SIZE": "4"}) == Shard(2, 4)


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0), (0,), (0.0, 2), "all", 3, (True, 2)])
def test_what_is_no_shard_is_refused(shard):
    with pytest.raises(ConfigError, match="shard="):
        Loader([1, 2], shard=shard)


@pytest.mark.parametrize("given", [{"RANK": "1"}, {"WORLD_SIZE": "2"}, {"RANK": "x", "WORLD_SIZE": "2"}])
def test_half_an_environment_is_refused(given):
    with pytest.raises(ConfigError, match="both RANK and WORLD_SIZE"):
        read_shard("auto", given)
