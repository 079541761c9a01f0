"""Drawing with replacement: the right frequencies, at any place, for weights of any shape."""

import conformance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload import WeightedSampler
from dataload.errors import ConfigError
from dataload.samplers.weighted import _alias_table

weights = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.integers(1, 5).map(float)), min_size=1, max_size=60
).filter(any)


def test_it_keeps_the_contract():
    conformance.check_sampler(WeightedSampler([3, 0, 1, 7], num_samples=500, seed=2), length=500)
    assert len(WeightedSampler(np.ones(9))) == 9


@given(weights)
def test_the_table_gives_every_sample_exactly_its_share(values):
    chances = np.array(values) / np.sum(values)
    own, other = _alias_table(chances)
    assert ((own >= 0) & (own <= 1)).all() and other.min() >= 0 and other.max() < len(values)
    share = (own + np.bincount(other, 1 - own, len(values))) / len(values)
    np.testing.assert_allclose(share, chances, atol=1e-12)


@given(weights, st.integers(0, 5))
def test_a_sample_without_weight_is_never_drawn(values, epoch):
    drawn = WeightedSampler(values, num_samples=2000).indices(epoch, 0, 2000)
    assert (np.array(values)[drawn] > 0).all()


def test_frequencies_are_those_of_the_weights():
    values = np.array([1, 2, 3, 0, 94])
    drawn = WeightedSampler(values, num_samples=200_000).indices(0, 0, 200_000)
    counts = np.bincount(drawn, minlength=5)
    spread = np.sqrt(200_000 * values / 100 * (1 - values / 100))
    assert (np.abs(counts - 2000 * values) <= 5 * spread).all()


def test_epochs_and_seeds_draw_independently():
    draws = [
        WeightedSampler(np.ones(1000), seed=seed).indices(epoch, 0, 1000) for seed in range(3) for epoch in range(3)
    ]
    for i, a in enumerate(draws):
        assert 550 < len(np.unique(a)) < 720  # 632 are expected of draws with replacement
        assert all((a == b).mean() < 0.02 for b in draws[:i])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one above 0"),
        ([0, 0], "at least one above 0"),
        ([1, -2], r"entry 1 is -2"),
        ([1, float("nan")], "entry 1 is nan"),
        ([1, float("inf")], "entry 1 is inf"),
        ([[1, 2]], "one number for each"),
        (["a"], "one number for each"),
    ],
)
def test_weights_that_are_none_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        WeightedSampler(values)


def test_an_epoch_without_draws_is_refused():
    with pytest.raises(ConfigError, match="num_samples=0"):
        WeightedSampler([1], num_samples=0)
