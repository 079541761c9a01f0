"""RandomCrop, TimeShift and TrimSilence: which samples stay, and where."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.chain import Spec
from dataload.errors import ConfigError, TransformError
from dataload.transforms import RandomCrop, TimeShift, TrimSilence


@given(n=st.integers(0, 60), length=st.integers(1, 60), seed=st.integers(0, 99))
def test_a_crop_is_a_segment_of_fixed_length(n, length, seed):
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


@given(channels=st.integers(1, 3), n=st.integers(1, 40), length=st.integers(1, 40), seed=st.integers(0, 9))
def test_a_crop_along_the_last_axis_is_the_same_for_all_channels(channels, n, length, seed):
    x = np.arange(1, channels * n + 1, dtype=np.float32).reshape(channels, n)
    out = RandomCrop(length, axis=-1)(x, np.random.default_rng(seed))
    for row, cut in zip(x, out, strict=True):
        np.testing.assert_array_equal(cut, RandomCrop(length)(row, np.random.default_rng(seed)))


def test_a_crop_refuses_an_axis_that_is_not_there():
    with pytest.raises(TransformError, match=r"RandomCrop takes an array with axis 2 but got shape \(5, 4\)"):
        RandomCrop(3, axis=2)(np.zeros((5, 4)), np.random.default_rng(0))
    with pytest.raises(ConfigError, match="axis='time' must be an integer"):
        RandomCrop(3, axis="time")


@given(n=st.integers(1, 50), channels=st.integers(0, 2), share=st.floats(-1, 1), seed=st.integers(0, 9))
def test_a_shift_moves_every_sample_by_the_same_share(n, channels, share, seed):
    x = np.arange(1, max(channels, 1) * n + 1, dtype=np.float32).reshape((channels, n) if channels else n)
    by = round(share * n)
    rng = np.random.default_rng(seed)
    np.testing.assert_array_equal(TimeShift(share, mode="wrap")(x, rng), np.roll(x, by, axis=-1))
    kept = np.roll(x, by, axis=-1)
    kept[..., :by] = 0
    if by < 0:
        kept = np.roll(x, by, axis=-1)
        kept[..., by:] = 0
    np.testing.assert_array_equal(TimeShift(share)(x, rng), kept)


def test_shifts_go_both_ways_up_to_their_bounds():
    x = np.arange(1, 101, dtype=np.float32)
    rng = np.random.default_rng(0)
    shifts = [int(np.flatnonzero(TimeShift((-0.2, 0.1), mode="wrap")(x, rng) == 1)[0]) for _ in range(300)]
    assert {(shift + 50) % 100 - 50 for shift in shifts} == set(range(-20, 11))


@given(
    quiet=st.integers(0, 900), loud=st.integers(200, 900), behind=st.integers(0, 900), margin=st.sampled_from([0, 0.03])
)
def test_silence_is_cut_off_up_to_a_block_and_the_margin(quiet, loud, behind, margin):
    t = np.arange(loud)
    sound = np.sin(0.9 * t)
    x = np.concatenate([np.zeros(quiet), sound, np.zeros(behind)])
    # A noise 60 dB below is silence too.
    x += 1e-3 * np.random.default_rng(0).uniform(-1, 1, len(x))
    out = TrimSilence(8_000, top_db=40, margin=margin)(x.astype(np.float32))
    place = len(x) - len(out)
    assert place >= 0
    allowed = 80 + margin * 8_000
    start = int(np.flatnonzero(x.astype(np.float32) == out[0])[0])
    assert quiet - allowed <= start <= quiet + 80
    assert quiet + loud - 80 <= start + len(out) <= quiet + loud + allowed
    np.testing.assert_array_equal(out, x.astype(np.float32)[start : start + len(out)])


def test_pauses_between_words_stay():
    x = np.concatenate([np.zeros(800), np.ones(800), np.zeros(8_000), np.ones(800), np.zeros(800)])
    assert len(TrimSilence(8_000, margin=0)(x)) == 800 + 8_000 + 800


def test_trimming_looks_at_all_channels_and_leaves_silence_alone():
    x = np.zeros((2, 2_400), np.float32)
    np.testing.assert_array_equal(TrimSilence(8_000)(x), x)
    x[0, 800:1_000] = 1
    x[1, 1_200:1_600] = 1
    assert TrimSilence(8_000, margin=0)(x).shape == (2, 800)
    assert TrimSilence(8_000).output_spec(Spec("waveform", 8_000)) == Spec("waveform", 8_000, True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TimeShift((-2, 1)), r"shift=(-2, 1) must be from -1 to 1"),
        (lambda: TimeShift((0.5, 0.1)), "shift=(0.5, 0.1) must be (low, high) with low not above high"),
        (lambda: TimeShift(0.1, mode="fill"), "mode='fill' must be one of 'constant', 'wrap'"),
        (lambda: TrimSilence(0), "sample_rate=0 must be a positive integer"),
        (lambda: TrimSilence(8_000, top_db=-3), "top_db=-3 must be above 0"),
        (lambda: TrimSilence(8_000, margin=-0.1), "margin=-0.1 must be at least 0 s"),
    ],
)
def test_numbers_that_cannot_work_are_refused_by_name(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_samples_that_are_no_numbers_are_no_silence():
    with pytest.raises(TransformError, match="TrimSilence got samples that are NaN"):
        TrimSilence(8_000)(np.array([0.0, np.nan, 1.0]))
