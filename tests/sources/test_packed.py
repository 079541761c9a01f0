"""Long lists are packed on their way to worker processes: the same samples, in memory that all of them share."""

import pickle

import conformance
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import worker_processes

from dataload import ConcatSource, Loader
from dataload.sources.packed import PackedList, packed

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner, inner),
)


@pytest.mark.slow
@settings(deadline=None)
@given(PLAIN)
def test_every_element_comes_back_as_it_was(value):
    source = [[i, value] for i in range(4096)]
    found = packed(source)
    # What has much in it is the same in all of these.
    assert isinstance(found, PackedList) or len(pickle.dumps(value)) > 200
    assert len(found) == 4096 and all(repr(found[i]) == repr(source[i]) for i in (0, 1, 4095))
    assert repr(pickle.loads(pickle.dumps(found))[4095]) == repr(source[-1])


def test_lists_in_a_concat_source_are_packed_too():
    source = packed(ConcatSource(list(range(5000)), [7], np.arange(3)))
    assert [type(each) for each in source.sources] == [PackedList, list, np.ndarray]
    assert [source[i] for i in (4999, 5000, 5003)] == [4999, 7, 2]


ARRAY, TEXT = np.zeros(10), "a text that all of them have " * 100


@pytest.mark.parametrize(
    "source",
    [
        [1, 2, 3],
        range(10_000),
        [[ARRAY]] * 5000,
        [{"x": ARRAY[0]}] * 5000,
        [(print,)] * 5000,
        [*range(4999), lambda: 1],
        [(TEXT, i) for i in range(5000)],
        type("Mine", (list,), {})(range(5000)),
    ],
    ids=["short", "range", "arrays", "numpy numbers", "functions", "a function at the end", "shared", "subclass"],
)
def test_what_is_not_plain_or_shares_something_large_travels_as_it_is(source):
    assert packed(source) is source


@pytest.mark.slow
def test_the_batches_are_the_same_and_messages_speak_of_the_list():
    source = [{"text": f"number {i}", "n": i, "tags": ["a"]} for i in range(5000)]

    def fails(sample):
        if sample["n"] == 4321:
            raise ValueError("broken")
        return sample

    options = {"batch_size": 1000, "shuffle": True}
    with Loader(source, **options) as here, Loader(source, **options, num_workers=2, worker="process") as there:
        assert conformance.equal(list(here), list(there))
        state = there.state_dict()
    with Loader(source, **options) as here:
        here.load_state_dict(state)
    options = {"num_workers": 1, "worker": "process"}
    with Loader(source, transforms=fails, **options) as there, pytest.raises(ValueError) as caught:
        list(there)
    assert "sample 4321 of list of 5000 samples" in "".join(caught.value.__notes__)


@pytest.mark.slow
def test_workers_have_no_copy_of_their_own():
    source = [{"path": f"/data/{i}.wav", "text": f"utterance {i} of the corpus"} for i in range(300_000)]
    with Loader(source, batch_size=64, num_workers=2, worker="process") as loader:
        batches = iter(loader)
        next(batches)
        sizes = [psutil.Process(worker.pid).memory_full_info().uss >> 20 for worker in worker_processes()]
    assert len(sizes) >= 2 and max(sizes) < 60, sizes  # 150 MB of objects
