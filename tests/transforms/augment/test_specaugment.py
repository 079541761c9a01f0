"""SpecAugment: masks within their widths, a warp that moves frames and no bins, and the policies of the paper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.chain import Spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.transforms import SpecAugment


@given(
    frames=st.integers(1, 120),
    bins=st.integers(1, 40),
    seed=st.integers(0, 99),
    freq_width=st.integers(0, 50),
    time_width=st.integers(0, 50),
    time_share=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_masks_are_whole_bands_and_segments_within_their_widths(frames, bins, seed, freq_width, time_width, time_share):
    mask = SpecAugment(
        n_freq_masks=2,
        freq_width=freq_width,
        n_time_masks=2,
        time_width=time_width,
        time_share=time_share,
        fill=0.0,
    )
    out = mask(np.ones((frames, bins), np.float32), np.random.default_rng(seed))
    assert out.shape == (frames, bins)
    assert out.dtype == np.float32
    hidden_bins, hidden_frames = ~out.any(axis=0), ~out.any(axis=1)
    if not hidden_bins.all() and not hidden_frames.all():
        np.testing.assert_array_equal(out == 0, hidden_bins[None, :] | hidden_frames[:, None])
        assert hidden_bins.sum() <= 2 * freq_width
        assert hidden_frames.sum() <= 2 * min(time_width, int(time_share * frames))


def test_widths_reach_their_greatest_value_and_zero():
    mask = SpecAugment(n_freq_masks=1, freq_width=3, n_time_masks=0, fill=0.0)
    rng = np.random.default_rng(0)
    widths = {int((mask(np.ones((2, 20), np.float32), rng) == 0)[0].sum()) for _ in range(200)}
    assert widths == {0, 1, 2, 3}


def test_a_share_bounds_the_masks_of_a_short_clip():
    mask = SpecAugment(n_freq_masks=0, n_time_masks=1, time_width=100, time_share=0.2, fill=0.0)
    rng = np.random.default_rng(0)
    hidden = [int((mask(np.ones((20, 4), np.float32), rng)[:, 0] == 0).sum()) for _ in range(200)]
    assert max(hidden) == 4


def test_the_mean_hides_without_moving_the_mean_of_a_constant():
    x = np.full((50, 30), 3.25, np.float32)
    np.testing.assert_array_equal(SpecAugment()(x, np.random.default_rng(0)), x)


def test_no_features_have_nothing_to_hide():
    assert SpecAugment()(np.zeros((0, 80), np.float32), np.random.default_rng(0)).shape == (0, 80)


@pytest.mark.parametrize("value", [np.zeros(9, np.float32), np.zeros((3, 4), np.int64), [[1.0]]])
def test_spec_augment_refuses_what_is_no_features(value):
    with pytest.raises(TransformError, match="SpecAugment takes"):
        SpecAugment()(value, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_freq_masks": -1}, "n_freq_masks=-1 must be an integer of at least 0"),
        ({"freq_width": 2.5}, "freq_width=2.5 must be an integer of at least 0"),
        ({"time_share": 0.0}, "time_share=0.0 must be above 0"),
        ({"time_share": 1.5}, "time_share=1.5 must not be above 1"),
        ({"fill": "zero"}, "fill='zero' must be a finite number or 'mean'"),
        ({"time_warp": -5}, "time_warp=-5 must be an integer of at least 0"),
    ],
)
def test_spec_augment_refuses_numbers_that_cannot_work(arguments, message):
    with pytest.raises(ConfigError) as caught:
        SpecAugment(**arguments)
    assert message in str(caught.value)


def test_spec_augment_follows_features_and_no_waveform():
    features = Spec("features", 8_000, True)
    assert SpecAugment().output_spec(features) == features
    assert SpecAugment().output_spec(Spec()).kind == "features"
    with pytest.raises(ChainError, match="gets a waveform: put LogMel before it"):
        SpecAugment().output_spec(Spec("waveform", 8_000))


def test_the_policies_are_those_of_table_1_of_the_paper():
    # W, F, number of frequency masks, T, p, number of time masks.
    table = {
        "LB": (80, 27, 1, 100, 1.0, 1),
        "LD": (80, 27, 2, 100, 1.0, 2),
        "SM": (40, 15, 2, 70, 0.2, 2),
        "SS": (40, 27, 2, 70, 0.2, 2),
    }
    for name, numbers in table.items():
        policy = SpecAugment.policy(name)
        found = (
            policy.time_warp,
            policy.freq_width,
            policy.n_freq_masks,
            policy.time_width,
            policy.time_share,
            policy.n_time_masks,
        )
        assert found == numbers
    assert SpecAugment.policy("LD", time_warp=0, fill=0.0) == SpecAugment(time_share=1.0, fill=0.0)
    with pytest.raises(ConfigError, match="name='XL' must be one of 'LB', 'LD', 'SM', 'SS'"):
        SpecAugment.policy("XL")


def warp(width):
    return SpecAugment(n_freq_masks=0, n_time_masks=0, time_warp=width)


@given(frames=st.integers(1, 150), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_warp_keeps_the_ends_and_the_order_of_frames_and_moves_none_further_than_its_width(frames, width, seed):
    ramp = np.repeat(np.arange(frames, dtype=np.float32)[:, None], 3, axis=1)
    out = warp(width)(ramp, np.random.default_rng(seed))
    assert out.shape == ramp.shape
    np.testing.assert_array_equal(out[:, 0], out[:, 2])
    if frames <= 2 * width:
        np.testing.assert_array_equal(out, ramp)
        return
    assert out[0, 0] == 0 and out[-1, 0] == pytest.approx(frames - 1, abs=1e-3)
    assert np.all(np.diff(out[:, 0]) > 0)
    assert np.abs(out - ramp).max() <= width + 1e-3


def test_a_warp_moves_frames_both_ways_and_by_its_greatest_width():
    ramp = np.arange(200, dtype=np.float32)[:, None]
    rng = np.random.default_rng(0)
    moves = [warp(5)(ramp, rng)[:, 0] - ramp[:, 0] for _ in range(300)]
    extremes = [move[np.abs(move).argmax()] for move in moves]
    assert max(extremes) == pytest.approx(5, abs=0.2) and min(extremes) == pytest.approx(-5, abs=0.2)


def test_a_warp_draws_nothing_where_there_is_none():
    x = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    plain = SpecAugment(time_warp=0)(x, np.random.default_rng(3))
    np.testing.assert_array_equal(SpecAugment(time_warp=40)(x, np.random.default_rng(3)), plain)


@pytest.mark.parametrize("name", ["LB", "LD", "SM", "SS"])
def test_all_channels_are_treated_alike(name):
    x = np.random.default_rng(0).standard_normal((400, 80)).astype(np.float32)
    mask = SpecAugment.policy(name, fill=0.0)
    one = mask(x, np.random.default_rng(1))
    both = mask(np.stack([x, 2 * x]), np.random.default_rng(1))
    np.testing.assert_array_equal(both, np.stack([one, 2 * one]))
