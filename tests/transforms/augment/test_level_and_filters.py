"""Gain, Polarity, Clipping, LowPass and HighPass: the numbers they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from dataload.errors import ConfigError
from dataload.transforms import Clipping, Gain, HighPass, LowPass, Polarity

RNG = np.random.default_rng


@given(low=st.floats(-40, 40), span=st.floats(0, 20), seed=st.integers(0, 99))
def test_a_gain_lies_within_its_range(low, span, seed):
    x = np.array([0.5, -1.0], np.float32)
    out = Gain((low, low + span))(x, RNG(seed))
    gain_db = 20 * np.log10(out / x)
    np.testing.assert_allclose(gain_db[0], gain_db[1], atol=1e-4)
    assert low - 1e-3 <= gain_db[0] <= low + span + 1e-3


def test_gains_of_a_range_are_equally_likely():
    rng = RNG(0)
    gains = [20 * np.log10(Gain((-6, 6))(np.ones(1, np.float32), rng)[0]) for _ in range(2_000)]
    counts, _ = np.histogram(gains, 4, (-6, 6))
    assert np.all(np.abs(counts - 500) < 100)


def test_polarity_turns_as_often_as_it_says():
    rng = RNG(0)
    x = np.array([0.25, -1.0], np.float32)
    turned = 0
    for _ in range(1_000):
        out = Polarity(0.3)(x, rng)
        np.testing.assert_array_equal(np.abs(out), np.abs(x))
        turned += int(out[0] < 0)
    assert 240 < turned < 360
    assert Polarity(0)(x, rng) is x


@given(level=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_clipping_cuts_at_its_level_and_leaves_the_rest(level, seed):
    x = RNG(seed).standard_normal(200).astype(np.float32)
    most = np.float32(level) * np.abs(x).max()
    np.testing.assert_array_equal(Clipping(level)(x, RNG(0)), np.clip(x, -most, most))


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize(("filter_type", "kind"), [(LowPass, "lowpass"), (HighPass, "highpass")])
def test_a_filter_is_the_butterworth_filter_of_scipy(filter_type, kind, order):
    x = RNG(0).standard_normal((2, 8_000)).astype(np.float32)
    out = filter_type(16_000, 1_200, order=order)(x, RNG(0))
    sections = signal.butter(order, 1_200, kind, fs=16_000, output="sos")
    np.testing.assert_allclose(out, signal.sosfilt(sections, x.astype(np.float64)), atol=1e-6)


@pytest.mark.parametrize(("filter_type", "passed", "stopped"), [(LowPass, 200, 4_000), (HighPass, 4_000, 200)])
def test_a_filter_takes_3_db_at_its_cutoff_and_12_more_an_octave_further(filter_type, passed, stopped):
    t = np.arange(16_000) / 16_000

    def level(hertz):
        out = filter_type(16_000, 1_000)(np.sin(2 * np.pi * hertz * t), RNG(0))[4_000:]
        return 10 * np.log10(2 * np.mean(np.square(out, dtype=np.float64)))

    assert level(1_000) == pytest.approx(-3.01, abs=0.05)
    assert level(passed) == pytest.approx(0, abs=0.1)
    assert level(stopped) < -20


def test_a_low_cutoff_at_a_high_rate_does_not_drown_in_rounding():
    x = RNG(0).standard_normal(96_000)
    out = HighPass(96_000, 10, order=6)(x, RNG(0))
    expected = signal.sosfilt(signal.butter(6, 10, "highpass", fs=96_000, output="sos"), x)
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_every_octave_of_a_range_of_cutoffs_is_equally_likely():
    rng = RNG(0)
    edges = np.zeros(1_000, np.float32)
    edges[0] = 1
    below = 0
    for _ in range(400):
        spectrum = np.abs(np.fft.rfft(LowPass(16_000, (250, 4_000))(edges, rng)))
        # The geometric mean of the range is 1 kHz, bin 62.5 of 8 Hz each.
        below += int(spectrum[62] < 2**-0.5)
    assert 150 < below < 250


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gain("loud"), "gain_db='loud' must be a finite number"),
        (lambda: Gain((1, 2, 3)), "gain_db=(1, 2, 3) must be a number or a pair (low, high)"),
        (lambda: Gain((3, 1)), "gain_db=(3, 1) must be (low, high) with low not above high"),
        (lambda: Gain(np.nan), "gain_db=nan must be a finite number"),
        (lambda: Gain(1_000), "gain_db=1000 must be from -120 to 120"),
        (lambda: Polarity(1.5), "p=1.5 must be from 0 to 1"),
        (lambda: Polarity(True), "p=True must be a finite number"),
        (lambda: Clipping(0), "level=0 must be from 0.001 to 1"),
        (lambda: Clipping((0.5, 2)), "level=(0.5, 2) must be from 0.001 to 1"),
        (lambda: LowPass(0, 100), "sample_rate=0 must be a positive integer"),
        (lambda: LowPass(16_000, 8_000), "cutoff=8000.0 must lie above 0 and below sample_rate / 2 = 8000 Hz"),
        (lambda: HighPass(16_000, (0, 100)), "cutoff=(0.0, 100.0) must lie above 0 and below"),
        (lambda: HighPass(16_000, 100, order=0), "order=0 must be a positive integer"),
        (lambda: HighPass(16_000, 100, order=40), "order=40 must be from 1 to 16"),
    ],
)
def test_numbers_that_cannot_work_are_refused_by_name(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)
