"""The state of a run: exact, small, and refused where it does not belong."""

import json
import subprocess
import sys
from pathlib import Path

import conformance
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import epoch, joined, make, take

from dataload import ArraySource, Loader, SequentialSampler
from dataload.errors import StateError


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    before=st.integers(1, 9),
    after=st.integers(1, 9),
    stop=st.integers(0, 20),
    shuffle=st.booleans(),
    number=st.integers(0, 2),
)
def test_a_state_continues_with_exactly_the_samples_left_at_any_batch_size(n, before, after, stop, shuffle, number):
    stop = min(stop, -(-n // before))
    first = make(n, batch_size=before, shuffle=shuffle)
    first.set_epoch(number)
    seen = take(first, stop)
    second = make(n, batch_size=after, shuffle=shuffle)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    left = len(second.plan.sampler) - sum(len(batch["i"]) for batch in seen)
    rest = list(second)
    assert [len(batch["i"]) for batch in rest[:-1]] == [after] * (len(rest) - 1)
    assert sum(len(batch["i"]) for batch in rest) == left
    whole = epoch(number, n, shuffle=shuffle)
    for field in ("i", "x"):
        assert np.array_equal(joined(seen + rest, field), joined(whole, field))


RESUME = """
import json, sys
import numpy as np
sys.path.insert(0, {tests!r})
from streams import joined, make
loader = make(worker={worker!r}, num_workers={num_workers})
loader.load_state_dict(json.load(sys.stdin))
batches = [*loader, *loader]
np.savez({out!r}, x=joined(batches, "x"), i=joined(batches, "i"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])
def test_stopping_after_any_batch_and_resuming_in_a_new_process_gives_the_rest(worker, num_workers, tmp_path):
    whole = epoch(0) + epoch(1)
    for stop in range(len(epoch(0)) + 1):
        with make(worker=worker, num_workers=num_workers) as loader:
            take(loader, stop)
            state = json.dumps(loader.state_dict())
        out = str(tmp_path / f"{stop}.npz")
        tests = str(Path(__file__).parent)
        script = RESUME.format(tests=tests, worker=worker, num_workers=num_workers, out=out)
        subprocess.run([sys.executable, "-c", script], input=state.encode(), check=True, timeout=60)
        resumed = np.load(out)
        for field in ("x", "i"):
            assert np.array_equal(resumed[field], joined(whole[stop:], field)), (stop, field)


def test_the_state_after_an_epoch_is_the_start_of_the_next():
    loader = make()
    list(loader)
    other = make()
    other.load_state_dict(loader.state_dict())
    assert conformance.equal(list(other), epoch(1))


def test_set_epoch_to_the_epoch_of_a_restored_state_keeps_the_place():
    loader, other = make(), make()
    loader.set_epoch(1)
    take(loader, 2)
    other.load_state_dict(loader.state_dict())
    other.set_epoch(1)
    assert conformance.equal(list(other), epoch(1)[2:])


def test_the_state_is_small_plain_json_whatever_the_size_of_the_source():
    state = Loader(range(10**9), shuffle=True, batch_size=64).state_dict()
    assert json.loads(json.dumps(state)) == state and len(json.dumps(state)) < 500
    assert set(state) == {"version", "fingerprint", "seed", "epoch", "samples"}


def change(**changes):
    return lambda state: {**state, **changes}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: make(21), "another source.*ArraySource"),
        (lambda: Loader(ArraySource({"x": np.ones((20, 3)), "i": np.arange(20)}), shuffle=True), "another source"),
        (lambda: Loader(list(range(20)), shuffle=True), r"another source.*list\[20\]"),
        (lambda: make(shuffle=False), r"another sampler.*RandomSampler.*SequentialSampler\(length=20\)"),
        (lambda: make(shuffle=False, sampler=SequentialSampler(10)), r"another sampler.*length=10"),
    ],
)
def test_a_state_of_another_run_is_refused_with_the_difference(other, message):
    with pytest.raises(StateError, match=message):
        other().load_state_dict(make().state_dict())


def test_a_state_of_another_seed_is_refused():
    with pytest.raises(StateError, match="seed=0"):
        make(seed=1, shuffle=False).load_state_dict(make(shuffle=False).state_dict())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda state: {}, "not a state"),
        (lambda state: None, "not a state"),
        (change(version=99), "version 99"),
        (change(epoch=-1), "epoch is -1"),
        (change(samples="3"), "samples is '3'"),
        (change(samples=True), "samples is True"),
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(damage, message):
    loader = make()
    take(loader, 2)
    before = loader.state_dict()
    with pytest.raises(StateError, match=message):
        loader.load_state_dict(damage(before))
    assert loader.state_dict() == before


def test_an_order_that_cannot_be_repeated_is_found_out():
    class Restless:
        def __init__(self):
            self.generator_of_its_own = np.random.default_rng()

        def __iter__(self):
            return iter(self.generator_of_its_own.permutation(20))

    loader, other = (make(shuffle=False, sampler=Restless()) for _ in range(2))
    take(loader, 1)
    with pytest.raises(StateError, match="another order in epoch 0"):
        other.load_state_dict(loader.state_dict())


def test_a_batch_sampler_resumes():
    batches = [[3, 1, 4], [15, 9], [2, 6, 5], [8]]
    whole = list(make(batch_size=1, shuffle=False, batch_sampler=batches))
    loader, other = (make(batch_size=1, shuffle=False, batch_sampler=batches) for _ in range(2))
    take(loader, 2)
    other.load_state_dict(loader.state_dict())
    assert conformance.equal(list(other), whole[2:])


def test_a_state_of_the_first_version_keeps_loading():
    # As it was written by the first version of the format; never to be changed.
    state = {
        "version": 1,
        "fingerprint": {
            "source": "ArraySource[20]:77d395c34b4a475c",
            "length": 20,
            "sampler": "RandomSampler(length=20, seed=0)",
            "order": None,
        },
        "seed": 0,
        "epoch": 1,
        "samples": 12,
    }
    loader = make()
    loader.load_state_dict(state)
    assert np.array_equal(joined(list(loader), "i"), joined(epoch(1), "i")[12:])


def test_a_state_of_a_later_version_is_refused():
    with pytest.raises(StateError, match="version 2, this dataload reads up to 1: install a newer dataload"):
        make().load_state_dict({**make().state_dict(), "version": 2})
