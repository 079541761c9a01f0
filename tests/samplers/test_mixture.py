"""Mixing sources: exact proportions in every cycle, and no source's sample again before all of them were there."""

import conformance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import take

from dataload import ConcatSource, Loader, MixtureSampler
from dataload.errors import ConfigError


def test_it_keeps_the_contract():
    conformance.check_sampler(MixtureSampler([100, 7], [0.9, 0.1], seed=4), length=107)
    conformance.check_sampler(MixtureSampler([5, 5, 5], [1, 0, 2], num_samples=400), length=400)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6)), min_size=1, max_size=5).filter(
        lambda parts: any(weight for _, weight in parts)
    ),
    st.integers(0, 3),
)
def test_every_cycle_has_exactly_the_proportions(parts, epoch):
    lengths, weights = zip(*parts, strict=True)
    sampler = MixtureSampler(lengths, weights, num_samples=300)
    cycle = sum(sampler.counts)
    assert np.array_equal(np.array(sampler.counts) * sum(weights), np.array(weights) * cycle)
    source = np.searchsorted(np.cumsum(lengths), sampler.indices(epoch, 0, 300), "right")
    for start in range(0, 300 - cycle + 1, cycle):
        assert np.bincount(source[start : start + cycle], minlength=len(parts)).tolist() == list(sampler.counts)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 4))
def test_a_source_begins_again_only_when_it_is_used_up(first, second, epoch):
    order = MixtureSampler([first, second], [2, 1], num_samples=500, seed=1).indices(epoch, 0, 500)
    for length, own in ((first, order[order < first]), (second, order[order >= first] - first)):
        for start in range(0, len(own), length):
            turn = own[start : start + length]
            assert len(np.unique(turn)) == len(turn)


def test_weights_that_are_no_small_fractions_come_close():
    shares = np.array([np.pi, np.e, 1e-3])
    counts = MixtureSampler([9, 9, 9], shares).counts
    np.testing.assert_allclose(np.array(counts) / sum(counts), shares / shares.sum(), atol=1e-4)


def test_a_loader_mixes_sources_and_resumes_in_the_middle_of_a_cycle():
    source = ConcatSource([("speech", i) for i in range(50)], [("noise", i) for i in range(8)])

    def make():
        return Loader(source, sampler=MixtureSampler(source.lengths, [0.8, 0.2]), batch_size=7)

    whole = list(make())
    first = make()
    begun = take(first, 3)
    rest = make()
    rest.load_state_dict(first.state_dict())
    assert conformance.equal([*begun, *rest], whole)
    names = [name for batch in whole for name in batch[0]]
    assert [names[i : i + 5].count("noise") for i in range(0, 55, 5)] == [1] * 11


@pytest.mark.parametrize(
    ("lengths", "weights", "message"),
    [
        ([3], [1, 2], "2 weights for 1 sources"),
        ([3, 0], [1, 2], "entry 1 is 0"),
        ([3, 4], [0, 0], "above 0"),
    ],
)
def test_lengths_and_weights_that_do_not_fit_are_refused(lengths, weights, message):
    with pytest.raises(ConfigError, match=message):
        MixtureSampler(lengths, weights)
