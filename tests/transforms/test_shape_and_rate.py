"""Resample, PadOrTrim and Normalize."""

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from dataload.chain import Spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.transforms import Normalize, PadOrTrim, Resample

WAVEFORM = Spec("waveform", 8_000, varies=True)
FEATURES = Spec("features", 8_000, varies=True)


@pytest.mark.parametrize(("orig_rate", "new_rate"), [(16_000, 8_000), (16_000, 22_050), (44_100, 16_000)])
def test_resample_equals_soxr(noise, orig_rate, new_rate):
    ours = Resample(orig_rate, new_rate)(noise)
    np.testing.assert_array_equal(ours, soxr.resample(noise, orig_rate, new_rate, quality="HQ"))
    assert ours.dtype == np.float32


def test_resample_works_along_the_last_axis(noise):
    transform = Resample(16_000, 8_000)
    both = transform(np.stack([noise, -noise]))
    assert both.shape == (2, 8_000)
    np.testing.assert_allclose(both, np.stack([transform(noise), -transform(noise)]), atol=1e-6)


def test_resample_to_the_same_rate_changes_nothing(noise):
    np.testing.assert_array_equal(Resample(8_000, 8_000)(noise), noise)


def test_resample_takes_float64(noise):
    assert Resample(16_000, 8_000)(noise.astype(np.float64)).dtype == np.float32


def test_resample_there_and_back_returns_what_both_rates_can_hold():
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    back = Resample(8_000, 16_000)(Resample(16_000, 8_000)(tone))
    np.testing.assert_allclose(back[200:-200], tone[200:-200], atol=1e-4)


@pytest.mark.parametrize(
    "value", [np.zeros(9, np.int16), np.zeros((2, 2, 9), np.float32), np.zeros(0, np.float32), "x"]
)
def test_resample_refuses_what_is_no_waveform(value):
    with pytest.raises(TransformError, match="Resample"):
        Resample(16_000, 8_000)(value)


@pytest.mark.parametrize("rates", [(0, 8_000), (8_000, -1), (8_000, 16_000.5)])
def test_resample_refuses_rates_that_are_no_positive_integers(rates):
    with pytest.raises(ConfigError, match="must be a positive integer"):
        Resample(*rates)


def test_resample_says_what_comes_out():
    assert Resample(8_000, 16_000).output_spec(WAVEFORM) == Spec("waveform", 16_000, varies=True)
    with pytest.raises(ChainError, match="expects 16000 Hz but gets 8000 Hz"):
        Resample(16_000, 8_000).output_spec(WAVEFORM)
    with pytest.raises(ChainError, match="takes a waveform but gets features"):
        Resample(8_000, 16_000).output_spec(FEATURES)


@given(n=st.integers(0, 50), length=st.integers(1, 50), columns=st.sampled_from([None, 3]))
def test_pad_or_trim_keeps_the_start_and_fills_the_end(n, length, columns):
    x = np.random.default_rng(n).standard_normal(n if columns is None else (n, columns)).astype(np.float32)
    out = PadOrTrim(length, value=-7.0)(x)
    assert out.shape == (length, *x.shape[1:])
    assert out.dtype == x.dtype
    np.testing.assert_array_equal(out[:n], x[:length])
    assert np.all(out[n:] == -7.0)
    assert not np.shares_memory(out, x)


def test_pad_or_trim_keeps_the_dtype():
    assert PadOrTrim(5)(np.arange(3, dtype=np.int16)).dtype == np.int16


@pytest.mark.parametrize("value", [np.float32(1), [1, 2], "x", np.array(1.0)])
def test_pad_or_trim_refuses_what_has_no_leading_axis(value):
    with pytest.raises(TransformError, match="PadOrTrim takes a"):
        PadOrTrim(5)(value)


@pytest.mark.parametrize("length", [0, -3, 2.0])
def test_pad_or_trim_refuses_a_length_that_is_no_positive_integer(length):
    with pytest.raises(ConfigError, match="must be a positive integer"):
        PadOrTrim(length)


def test_pad_or_trim_makes_the_length_fixed():
    assert PadOrTrim(5).output_spec(FEATURES) == Spec("features", 8_000, varies=False)


def test_normalize_measures_each_bin():
    x = np.random.default_rng(0).normal([5.0, -3.0, 100.0], [1.0, 10.0, 0.1], (400, 3))
    out = Normalize()(x)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=2e-4)


def test_normalize_measures_a_waveform_as_a_whole(noise):
    out = Normalize()(noise + np.float32(3))
    assert out.shape == noise.shape
    assert out.mean() == pytest.approx(0, abs=1e-5)
    assert out.std() == pytest.approx(1, rel=1e-3)


def test_normalize_makes_a_constant_bin_zero():
    out = Normalize()(np.full((10, 2), 7.3, np.float32))
    assert np.all(out == 0)


def test_normalize_takes_one_number_or_one_per_bin():
    x = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    np.testing.assert_allclose(Normalize(2.0, 4.0)(x), (x - 2) / 4, rtol=1e-6)
    mean, std = np.array([1.0, 2.0, 3.0]), [4.0, 5.0, 6.0]
    np.testing.assert_allclose(Normalize(mean, std)(x), (x - mean) / np.array(std), rtol=1e-5, atol=1e-7)
    assert Normalize(mean, std) == Normalize((1.0, 2.0, 3.0), std)
    assert hash(Normalize(mean, std)) == hash(Normalize((1.0, 2.0, 3.0), std))


def test_normalize_leaves_its_input_as_it_was(noise):
    before = noise.copy()
    Normalize()(noise)
    Normalize(1.0, 2.0)(noise)
    np.testing.assert_array_equal(noise, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": 1.0}, "give both or neither"),
        ({"std": 1.0}, "give both or neither"),
        ({"mean": 0.0, "std": 0.0}, "must be above 0"),
        ({"mean": 0.0, "std": (1.0, -1.0)}, "must be above 0"),
        ({"mean": (1.0, 2.0), "std": (1.0,)}, "mean has 2 entries but std has 1"),
        ({"mean": "a", "std": 1.0}, "mean='a' must be a finite number"),
        ({"mean": (), "std": ()}, "must be a finite number"),
        ({"eps": 0.0}, "eps=0.0 must be above 0"),
    ],
)
def test_normalize_refuses_numbers_that_cannot_work(arguments, message):
    with pytest.raises(ConfigError) as caught:
        Normalize(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [np.zeros((0, 3)), np.zeros(3, complex), np.array(["a"]), 3.0])
def test_normalize_refuses_what_has_no_numbers(value):
    with pytest.raises(TransformError, match="Normalize takes"):
        Normalize()(value)


def test_normalize_refuses_another_number_of_bins():
    with pytest.raises(TransformError, match=r"mean of 2 entries but got shape \(5, 3\)"):
        Normalize((1.0, 2.0), 1.0)(np.zeros((5, 3)))


def test_normalize_changes_no_spec():
    assert Normalize().output_spec(FEATURES) == FEATURES
