"""Ranks that come and go in the middle of an epoch: one order, the same steps, every sample once."""

import copy
import json
import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import conformance
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import epoch, joined, make, take, together

from dataload import Loader
from dataload.errors import ConfigError, DataloadError

KINDS = [{}, {"num_workers": 2, "worker": "thread"}, {"num_workers": 2, "worker": "process"}]
kinds = pytest.mark.parametrize("kind", KINDS, ids=["none", "thread", "process"])


class Job:
    """All ranks of one job, in this process: each goes on with its first iterator for as long as it lives."""

    def __init__(self, world, **options):
        self.options = options
        self.loaders = [make(shard=(rank, world), **options) for rank in range(world)]
        self.iterators = list(map(iter, self.loaders))

    def step(self):
        """The batches of one step; None at the end of the epoch."""
        batches = [next(iterator, None) for iterator in self.iterators]
        ends = {batch is None for batch in batches}
        assert len(ends) == 1, "some ranks are at the end and some are not"
        states = [loader.state_dict() for loader in self.loaders]
        assert all(state == states[0] for state in states), "the ranks do not agree where they are"
        return None if ends == {True} else batches

    def change(self, world, batch_size=None):
        """Go on with another number of ranks; the last one becomes the first, so that all get another rank."""
        self.loaders.insert(0, self.loaders.pop())
        self.iterators.insert(0, self.iterators.pop())
        state = json.loads(json.dumps(self.loaders[0].state_dict()))
        for left in self.loaders[world:]:
            left.close()
        del self.loaders[world:], self.iterators[world:]
        for rank, loader in enumerate(self.loaders):
            loader.reshard(rank, world, batch_size=batch_size)
        sized = {name: value for name, value in self.loaders[0].options.__dict__.items() if "batch_size" in name}
        for rank in range(len(self.loaders), world):
            joins = make(shard=(rank, world), **{**self.options, **sized})
            joins.load_state_dict(state)
            self.loaders.append(joins)
            self.iterators.append(iter(joins))

    def close(self):
        for loader in self.loaders:
            loader.close()


def run(job, changes):
    """All steps of an epoch; after each number of steps in `changes`, another world."""
    steps = []
    for count, *change in [*changes, (10**9, 1)]:
        for _ in range(count):
            step = job.step()
            if step is None:
                return steps
            steps.append(together(step))
            job.ranks_of_last_step = len(job.loaders)
        job.change(*change)
    return steps


worlds = st.integers(1, 6)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(6, 120),
    whole=st.integers(6, 20),
    first=worlds,
    changes=st.lists(st.tuples(st.integers(0, 3), worlds), max_size=8),
    drop_last=st.booleans(),
)
def test_any_changes_of_world_leave_every_step_what_it_is(n, whole, first, changes, drop_last):
    job = Job(first, n=n, batch_size=1, global_batch_size=whole, drop_last=drop_last)
    steps = run(job, changes)
    alone = [batch["i"].tolist() for batch in epoch(0, n, batch_size=whole, drop_last=drop_last)]
    assert len(steps) == len(alone)
    for got, wanted in zip(steps, alone, strict=True):
        # Only a last step with less than one sample for each rank is filled up.
        assert got[: len(wanted)] == wanted and (len(got) == len(wanted) or len(wanted) < job.ranks_of_last_step)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(6, 120),
    size=st.integers(1, 6),
    changes=st.lists(st.tuples(st.integers(0, 3), worlds, st.integers(1, 6)), max_size=8),
)
def test_changes_of_world_and_batch_size_give_every_sample_once_in_order(n, size, changes):
    job = Job(2, n=n, batch_size=size)
    samples = [i for step in run(job, changes) for i in step]
    alone = joined(epoch(0, n), "i").tolist()
    assert samples[:n] == alone
    # What is left of an epoch is filled up to one sample for each rank.
    assert len(samples) < n + job.ranks_of_last_step


@pytest.mark.slow
@kinds
def test_twenty_changes_of_world_in_one_epoch(kind, leaves_nothing):
    changing = [3, 1, 6, 2, 5, 4, 1, 2, 6, 3, 5, 1, 4, 6, 2, 3, 1, 5, 6, 4]
    assert all(a != b for a, b in pairwise(changing))
    if kind.get("worker") == "process":  # one is started for each rank that joins
        kind, changing = {**kind, "num_workers": 1}, [min(world, 2) for world in changing[:8]]
    job = Job(2, n=997, batch_size=12, **kind)
    try:
        steps = run(job, [(1 + k % 3, world) for k, world in enumerate(changing)])
    finally:
        job.close()
    assert steps == [batch["i"].tolist() for batch in epoch(0, 997, batch_size=24)]
    assert sorted(i for step in steps for i in step) == list(range(997))


RANK = """
import json, sys, time
from pathlib import Path
from streams import make

number, changes, folder = int(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
loader, batches, seen = None, None, []
for generation, (world, steps) in enumerate(changes):
    if number >= world:
        loader = batches = None
        continue
    if loader is None:
        loader = make(997, global_batch_size=24, batch_size=1, shard=(number, world), num_workers=2, worker="thread")
        state = folder / f"state-{generation}.json"
        deadline = time.monotonic() + 60
        while generation and not state.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        if generation:
            loader.load_state_dict(json.loads(state.read_text()))
        batches = iter(loader)
    else:
        loader.reshard(number, world)
    for step in range(steps):
        batch = next(batches, None)
        if batch is not None:
            seen.append([generation, step, batch["i"].tolist()])
    if number == 0:
        (folder / "new").write_text(json.dumps(loader.state_dict()))
        (folder / "new").replace(folder / f"state-{generation + 1}.json")
(folder / f"{number}.json").write_text(json.dumps(seen))
"""


@pytest.mark.slow
def test_processes_that_come_and_go_share_out_every_sample_once(tmp_path):
    changing = [2, 3, 1, 6, 2, 5, 4, 1, 2, 6, 3, 5, 1, 4, 6, 2, 3, 1, 5, 6, 4]
    changes = [(world, 1 + k % 3) for k, world in enumerate(changing)]
    changes[-1] = (changing[-1], 99)
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(number), json.dumps(changes), str(tmp_path)],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        for number in range(6)
    ]
    try:
        assert [rank.wait(120) for rank in ranks] == [0] * 6
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    steps = {}
    for number in range(6):
        for generation, step, ids in json.loads((tmp_path / f"{number}.json").read_text()):
            steps.setdefault((generation, step), []).extend(ids)
    assert [steps[k] for k in sorted(steps)] == [batch["i"].tolist() for batch in epoch(0, 997, batch_size=24)]


@kinds
def test_the_next_batch_of_the_same_loop_is_that_of_the_new_shard(kind, leaves_nothing):
    wanted = epoch(0, 60, batch_size=12)
    got = []
    with make(60, batch_size=12, **kind) as loader:
        for k, batch in enumerate(loader):
            got.append(batch)
            if k == 1:
                before = loader.crew.workers
                loader.reshard(1, 3)
        assert loader.crew.workers is before, "the workers were started anew"
        assert conformance.equal(got[:2], wanted[:2]) and len(got) == 5
        for new, whole in zip(got[2:], wanted[2:], strict=True):
            assert conformance.equal(new, {name: array[4:8] for name, array in whole.items()})
        assert (
            joined(list(loader), "i").tolist()
            == np.concatenate([batch["i"][4:8] for batch in epoch(1, 60, batch_size=12)]).tolist()
        )
        assert loader.stats.batch == 5


@kinds
def test_after_leaving_the_loop_the_next_one_goes_on_in_the_epoch(kind, leaves_nothing):
    wanted = epoch(0, 60, batch_size=12)
    with make(60, batch_size=12, **kind) as loader:
        take(loader, 2)
        loader.reshard(1, 2)
        loader.set_epoch(0)  # as at the top of a training loop
        rest = list(loader)
        assert [b["i"].tolist() for b in rest] == [b["i"][6:].tolist() for b in wanted[2:]]
        assert loader.state_dict()["epoch"] == 1
        for _ in loader:
            loader.reshard(0, 2)
            break
        assert len(list(loader)) == 4 and loader.state_dict()["epoch"] == 2


def test_a_running_loop_may_be_left_for_a_new_iterator():
    loader = make(60, batch_size=12)
    old = iter(loader)
    next(old)
    loader.reshard(1, 2)
    assert len(list(iter(loader))) == 4
    with pytest.raises(DataloadError, match="a newer one"):
        next(old)
    assert loader.state_dict()["epoch"] == 1


def test_a_change_before_the_first_batch_and_between_two_epochs():
    loader = make(60, batch_size=12)
    loader.reshard(1, 2)
    assert [len(b["i"]) for b in loader] == [6] * 5
    loader.reshard(0, 5)
    assert loader.state_dict()["epoch"] == 1 and len(loader) == 5
    assert [len(b["i"]) for b in loader] == [3] * 5
    loader.reshard(2, 3, batch_size=12)
    assert loader.batch_size == 12 and len(loader) == 2


def test_a_change_after_the_last_batch_ends_the_epoch():
    loader = make(24, batch_size=12)
    batches = iter(loader)
    next(batches), next(batches)
    loader.reshard(1, 2)
    assert list(batches) == [] and loader.state_dict()["epoch"] == 1
    assert len(list(loader)) == 2


def test_two_changes_between_two_steps_are_one():
    loader = make(60, batch_size=12)
    batches = iter(loader)
    next(batches)
    loader.reshard(1, 2)
    loader.reshard(2, 3)
    loader.reshard(3, 4)
    assert next(batches)["i"].tolist() == epoch(0, 60, batch_size=12)[1]["i"][9:].tolist()


def test_a_step_that_failed_is_made_again_by_the_others():
    loader = make(60, batch_size=12)
    batches = iter(loader)
    next(batches)
    before = loader.state_dict()
    lost = next(batches)
    loader.load_state_dict(before)
    loader.reshard(0, 3)
    assert next(iter(loader))["i"].tolist() == lost["i"][:4].tolist()


def test_the_state_after_a_change_is_as_small_and_restores_anywhere():
    loader = make(60, batch_size=12)
    batches = iter(loader)
    next(batches)
    before = loader.state_dict()
    loader.reshard(1, 5)
    assert loader.state_dict() == before
    next(batches)
    state = json.loads(json.dumps(loader.state_dict()))
    assert state["samples"] == 24
    resumed = make(60, batch_size=7)
    resumed.load_state_dict(state)
    assert joined(list(resumed), "i").tolist() == joined(epoch(0, 60), "i").tolist()[24:]


def test_a_copy_of_a_loader_that_was_changed_is_at_the_same_place():
    loader = make(60, batch_size=12)
    batches = iter(loader)
    next(batches)
    loader.reshard(1, 5)
    other = copy.copy(loader)
    assert repr(other) == repr(loader) and other.batch_size == 3
    assert conformance.equal(list(other), list(batches))


def test_an_error_leaves_the_epoch_to_be_gone_on_with():
    def fails_once(value, failed=[]):  # noqa: B006
        if value == 7 and not failed:
            failed.append(value)
            raise OSError("a peer is lost")
        return value

    loader = Loader(range(20), transforms=fails_once, batch_size=4)
    batches = iter(loader)
    assert next(batches).tolist() == [0, 1, 2, 3]
    with pytest.raises(OSError, match="a peer is lost"):
        next(batches)
    loader.reshard(1, 2)
    assert [batch.tolist() for batch in loader] == [[6, 7], [10, 11], [14, 15], [18, 19]]


@pytest.mark.parametrize("on_error", ["skip", "replace"])
def test_bad_samples_are_left_out_or_replaced_before_and_after_a_change(on_error):
    def check(value):
        if value % 10 == 3:
            raise ValueError(value)
        return value

    def ranks():
        return [Loader(range(40), transforms=check, batch_size=8, on_error=on_error) for _ in range(2)]

    alone = list(ranks()[0])
    first, second = ranks()
    iterators = [iter(first), iter(second)]
    assert next(iterators[0]).tolist() == next(iterators[1]).tolist() == alone[0].tolist()
    first.reshard(0, 2)
    second.reshard(1, 2)
    steps = [np.concatenate(step).tolist() for step in zip(*iterators, strict=True)]
    assert steps == [batch.tolist() for batch in alone[1:]]
    # One in the batch that both had; those tried as replacements may be bad too.
    assert first.stats.num_errors + second.stats.num_errors >= 5


def test_batches_of_a_batch_sampler_go_to_the_new_ranks_in_turn():
    batches = [[0, 1], [2], [3, 4, 5], [6], [7, 8], [9]]
    loaders = [Loader(range(10), batch_sampler=batches) for _ in range(2)]
    iterators = list(map(iter, loaders))
    assert [next(iterator).tolist() for iterator in iterators] == [[0, 1], [0, 1]]
    for rank, loader in enumerate(loaders):
        loader.reshard(rank, 2)
    assert next(iterators[0]).tolist() == [2] and next(iterators[1]).tolist() == [3, 4, 5]
    loaders[0].reshard(0, 1)
    assert [batch.tolist() for batch in iterators[0]] == [[6], [7, 8], [9]]
    with pytest.raises(ConfigError, match="the batch_sampler decides"):
        loaders[0].reshard(0, 2, batch_size=3)


def test_an_order_of_another_library_is_not_read_again():
    reads = []

    class Order:
        def __iter__(self):
            reads.append(1)
            return iter(range(20))

        def __len__(self):
            return 20

    loader = Loader(range(20), sampler=Order(), batch_size=4)
    batches = iter(loader)
    next(batches)
    loader.reshard(1, 2)
    assert [batch.tolist() for batch in batches] == [[6, 7], [10, 11], [14, 15], [18, 19]] and len(reads) == 1


@pytest.mark.parametrize("whole, world, sizes", [(12, 5, [3, 3, 2, 2, 2]), (7, 2, [4, 3]), (4, 4, [1] * 4)])
def test_a_global_batch_is_shared_out_evenly(whole, world, sizes):
    ranks = [list(make(5 * whole, global_batch_size=whole, batch_size=1, shard=(rank, world))) for rank in range(world)]
    assert [[len(batch["i"]) for batch in rank] for rank in ranks] == [[size] * 5 for size in sizes]
    steps = [together(step) for step in zip(*ranks, strict=True)]
    assert steps == [batch["i"].tolist() for batch in epoch(0, 5 * whole, batch_size=whole)]


def test_auto_is_asked_again(monkeypatch):
    loader = make(60, batch_size=12, shard="auto")
    batches = iter(loader)
    next(batches)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    loader.reshard()
    assert (loader.shard.rank, loader.shard.world) == (2, 4) and len(next(batches)["i"]) == 3
    with pytest.raises(ConfigError, match=r"say reshard\(rank, world\)"):
        make(shard=(0, 2)).reshard()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"rank": 2, "world": 2}, "rank must be from 0 up and below world"),
        ({"rank": 1}, "needs both"),
        ({"world": 1}, "needs both"),
        ({"rank": 0, "world": 9}, "6 samples cannot be shared out to 9 ranks.*batch_size="),
        ({"rank": 0, "world": 2, "batch_size": 0}, "batch_size=0"),
        ({"rank": 0, "world": 2, "batch_size": "many"}, "batch_size='many'"),
        ({"rank": 0, "world": 30, "batch_size": 6}, "20 samples cannot be shared out to 30 ranks"),
    ],
)
def test_what_cannot_be_is_refused_and_the_loop_goes_on(given, message):
    loader = make()
    batches = iter(loader)
    first = next(batches)
    with pytest.raises(ConfigError, match=message):
        loader.reshard(**given)
    assert conformance.equal([first, *batches], epoch(0))


@pytest.mark.parametrize("options", [{"batch_size": 2}, {"batch_sampler": [[0]], "batch_size": 1}])
def test_a_global_batch_size_excludes_the_others(options):
    with pytest.raises(ConfigError, match="global_batch_size"):
        Loader(range(4), global_batch_size=4, **options)


def test_a_thread_that_waits_for_a_batch_is_not_overtaken():
    entered, leave = threading.Event(), threading.Event()

    def wait(value):
        entered.set()
        leave.wait(30)
        return value

    loader = Loader(range(8), transforms=wait, batch_size=2)
    batches = iter(loader)
    got = []
    thread = threading.Thread(target=lambda: got.append(next(batches)))
    thread.start()
    try:
        assert entered.wait(30)
        with pytest.raises(DataloadError, match="another thread waits"):
            loader.reshard(0, 2)
    finally:
        leave.set()
        thread.join()
    loader.reshard(0, 2)
    assert got[0].tolist() == [0, 1] and [batch.tolist() for batch in batches] == [[2], [4], [6]]
