"""The library's samplers keep the contract."""

import conformance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload import RandomSampler, SequentialSampler
from dataload.errors import ConfigError
from dataload.samplers.foreign import ForeignSampler


@pytest.mark.parametrize("length", [0, 1, 2, 100, 4096, 5000])
@pytest.mark.parametrize("make", [SequentialSampler, lambda n: RandomSampler(n, seed=5)], ids=["sequential", "random"])
def test_samplers_keep_the_contract(make, length):
    conformance.check_sampler(make(length), length=length)


def test_a_foreign_sampler_keeps_the_contract():
    conformance.check_sampler(ForeignSampler(range(50, 0, -1), seed=0), length=50)


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_seed_and_epoch_are_mixed_and_never_added(seed, epoch, other_seed, other_epoch):
    a = RandomSampler(200, seed).indices(epoch, 0, 200)
    b = RandomSampler(200, other_seed).indices(other_epoch, 0, 200)
    assert np.array_equal(a, b) == ((seed, epoch) == (other_seed, other_epoch))


def test_the_order_is_this_one_for_ever():
    # A saved state means a place in this order: it may not change between versions.
    assert RandomSampler(10, 0).indices(0, 0, 10).tolist() == [0, 6, 5, 7, 1, 9, 2, 4, 8, 3]
    assert RandomSampler(10**9, 42).indices(7, 5, 8).tolist() == [662092782, 964134550, 261680633]


def test_a_negative_length_is_refused():
    with pytest.raises(ConfigError, match="length=-1"):
        RandomSampler(-1)
    with pytest.raises(ConfigError, match="length=-2"):
        SequentialSampler(-2)
