"""Batches of plain arrays arrive as they were; all others are told from them."""

import pickle

import numpy as np
import pytest
from conformance import equal
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dataload.transport.plain import put_together, take_apart
from dataload.workers.messages import Body, read_body, write_body

TYPES = st.sampled_from("?bBhHiIlLqQefdgFD").map(np.dtype)
ARRAYS = hnp.arrays(TYPES, hnp.array_shapes(min_dims=0, min_side=0))
BATCHES = st.one_of(
    ARRAYS,
    st.dictionaries(st.text() | st.integers(), ARRAYS, max_size=4),
    st.lists(ARRAYS, max_size=4),
    st.lists(ARRAYS, max_size=4).map(tuple),
)


def sent(batch):
    data, buffers = write_body(Body(batch, None))
    return read_body(memoryview(data), [np.frombuffer(bytearray(buffer), np.uint8) for buffer in buffers]).batch


@given(BATCHES)
def test_a_plain_batch_arrives_bit_for_bit_and_writable(batch):
    apart = take_apart(batch)
    assert apart is not None
    form, buffers = apart
    assert equal(put_together(pickle.loads(pickle.dumps(form)), buffers), batch)
    arrived = sent(batch)
    assert equal(arrived, batch)
    values = list(arrived.values()) if isinstance(arrived, dict) else arrived
    assert all(array.flags.writeable for array in ([values] if isinstance(values, np.ndarray) else values))


class Named(dict):
    pass


class Tagged(np.ndarray):
    pass


SHARED = np.arange(3)
READ_ONLY = np.arange(3)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    "batch",
    [
        {"a": np.array([None, 1])},
        {"a": np.zeros(2, [("x", "i4")])},
        {"a": np.array(["text"])},
        {"a": np.array(["2020-01-01"], "M8[D]")},
        {"a": np.zeros(3, ">i4")},
        {"a": np.asfortranarray(np.ones((2, 3)))},
        {"a": np.arange(6)[::2]},
        {"a": READ_ONLY},
        {"a": {"b": np.zeros(1)}},
        {"a": [1, 2]},
        {"a": np.float32(1)},
        {("a", 1): np.zeros(1)},
        Named(a=np.zeros(1)),
        {"a": np.zeros(2).view(Tagged)},
        {"a": np.ma.array([1, 2], mask=[True, False])},
        [SHARED, SHARED],
        "text",
        None,
        7,
    ],
    ids=repr,
)
def test_another_batch_is_left_to_pickle_and_arrives_as_it_was(batch):
    assert take_apart(batch) is None
    arrived = sent(batch)
    assert type(arrived) is type(batch)
    assert repr(arrived) == repr(batch)


def test_what_a_form_does_not_say_stays():
    arrived = sent([SHARED, SHARED])
    assert arrived[0] is arrived[1]
    assert not sent({"a": READ_ONLY})["a"].flags.writeable
    assert sent({"a": np.asfortranarray(np.ones((2, 3)))})["a"].flags.f_contiguous
    assert sent({"a": np.array(["2020-01-01"], "M8[D]")})["a"].dtype == "M8[D]"
