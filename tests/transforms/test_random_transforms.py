"""RandomCrop and SpecAugment: everything random comes from the generator, and shapes never depend on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.chain import Chain, RandomTransform, Spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.transforms import RandomCrop, SpecAugment

CASES = [
    (RandomCrop(50), np.arange(400.0)),
    (RandomCrop(50), np.arange(90.0).reshape(30, 3)),
    (SpecAugment(), np.random.default_rng(0).standard_normal((300, 80)).astype(np.float32)),
    (SpecAugment(fill=0.0, time_share=1.0), np.random.default_rng(0).standard_normal((40, 10)).astype(np.float32)),
]


@pytest.mark.parametrize(("transform", "value"), CASES, ids=repr)
def test_an_equal_generator_gives_an_equal_result(transform, value):
    before = value.copy()
    first, second = (transform(value, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(value, before)
    assert not np.shares_memory(first, value)


@pytest.mark.parametrize(("transform", "value"), [CASES[0], CASES[2]], ids=repr)
def test_other_generators_give_other_results(transform, value):
    results = {transform(value, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(results) > 15


@pytest.mark.parametrize("transform", [RandomCrop(5), SpecAugment()])
def test_a_chain_calls_it_with_a_generator(transform):
    assert isinstance(transform, RandomTransform)
    value = np.ones((20, 8), np.float32)
    out = Chain([transform])(value, np.random.default_rng(3))
    np.testing.assert_array_equal(out, transform(value, np.random.default_rng(3)))
    with pytest.raises(ChainError, match="is random"):
        Chain([transform])(value)


@given(n=st.integers(0, 60), length=st.integers(1, 60), seed=st.integers(0, 99))
def test_a_crop_is_a_stretch_of_fixed_length(n, length, seed):
    x = np.arange(1, n + 1, dtype=np.float32)
    out = RandomCrop(length)(x, np.random.default_rng(seed))
    assert out.shape == (length,)
    assert out.dtype == np.float32
    if n >= length:
        np.testing.assert_array_equal(out, np.arange(out[0], out[0] + length))
        assert 1 <= out[0] <= n - length + 1
    else:
        np.testing.assert_array_equal(out, np.pad(x, (0, length - n)))


def test_every_start_of_a_crop_is_equally_likely():
    rng = np.random.default_rng(0)
    starts = [int(RandomCrop(7)(np.arange(10), rng)[0]) for _ in range(4_000)]
    counts = np.bincount(starts, minlength=4)
    assert len(counts) == 4
    assert np.all(np.abs(counts - 1_000) < 150)


def test_a_crop_of_features_keeps_rows_together():
    x = np.arange(30.0).reshape(10, 3)
    out = RandomCrop(4)(x, np.random.default_rng(1))
    np.testing.assert_array_equal(np.diff(out.ravel()), np.ones(11))


def test_a_crop_makes_the_length_fixed():
    assert RandomCrop(5).output_spec(Spec("waveform", 8_000, True)) == Spec("waveform", 8_000, False)


@pytest.mark.parametrize("value", [np.array(1.0), [1.0, 2.0], "x"])
def test_a_crop_refuses_what_has_no_leading_axis(value):
    with pytest.raises(TransformError, match="RandomCrop takes"):
        RandomCrop(5)(value, np.random.default_rng(0))


@given(
    frames=st.integers(1, 120),
    bins=st.integers(1, 40),
    seed=st.integers(0, 99),
    freq_width=st.integers(0, 50),
    time_width=st.integers(0, 50),
    time_share=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_masks_are_whole_bands_and_stretches_within_their_widths(
    frames, bins, seed, freq_width, time_width, time_share
):
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
