"""SpeedPerturb, TempoPerturb and PitchShift: lengths, pitches and delays are those that the factors say."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload.chain import Spec
from dataload.errors import ConfigError
from dataload.transforms import PitchShift, SpeedPerturb, TempoPerturb

RNG = np.random.default_rng
RATE = 16_000


def tone(hertz, seconds=2.0):
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def pitch(x):
    """The loudest frequency in Hz, from the middle of the clip."""
    middle = x[len(x) // 8 : -len(x) // 8]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * len(middle)))
    return spectrum.argmax() * RATE / (8 * len(middle))


@settings(max_examples=40)
@given(n=st.integers(1, 5_000), factor=st.floats(0.25, 4), make=st.sampled_from([SpeedPerturb, TempoPerturb]))
def test_the_length_follows_from_the_factor(n, factor, make):
    transform = make((factor,)) if make is SpeedPerturb else make(RATE, (factor,))
    out = transform(RNG(0).standard_normal(n).astype(np.float32), RNG(0))
    assert out.shape == (max(1, round(n / factor)) if factor != 1 else n,)


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25])
def test_speed_moves_the_pitch_and_tempo_does_not(factor):
    x = tone(440)
    assert pitch(SpeedPerturb((factor,))(x, RNG(0))) == pytest.approx(440 * factor, rel=1e-3)
    assert pitch(TempoPerturb(RATE, (factor,))(x, RNG(0))) == pytest.approx(440, rel=1e-2)


@pytest.mark.parametrize("semitones", [-4, -1.5, 1, 7])
def test_a_pitch_shift_moves_the_pitch_and_keeps_the_length(semitones):
    x = tone(300)
    out = PitchShift(RATE, semitones)(x, RNG(0))
    assert out.shape == x.shape
    assert pitch(out) == pytest.approx(300 * 2 ** (semitones / 12), rel=1e-2)
    assert np.sqrt(np.mean(out**2)) == pytest.approx(np.sqrt(np.mean(x**2)), rel=0.1)


def test_speed_is_what_soxr_makes_of_the_factor():
    x = RNG(0).standard_normal(8_000).astype(np.float32)
    np.testing.assert_allclose(SpeedPerturb((1.25,))(x, RNG(0)), soxr.resample(x, 5, 4), atol=1e-6)


def test_speed_has_linear_phase():
    x = np.zeros(4_001, np.float32)
    x[2_000] = 1
    out = SpeedPerturb((1.25,))(x, RNG(0))
    around = out[1_600 - 200 : 1_600 + 201]
    assert around.argmax() == 200
    np.testing.assert_allclose(around, around[::-1], atol=1e-5)


def test_words_come_earlier_at_a_higher_tempo():
    x = np.zeros(RATE * 4, np.float32)
    for second in (0.5, 1.5, 2.5, 3.5):
        x[round(second * RATE) : round(second * RATE) + 1_600] = tone(200, 0.1)
    out = TempoPerturb(RATE, (1.25,))(x, RNG(0))
    loud = np.flatnonzero(np.convolve(np.abs(out), np.ones(400) / 400, "same") > 0.1) / RATE
    for second in (0.5, 1.5, 2.5, 3.5):
        assert np.abs(loud - second / 1.25).min() < 0.03
    assert not np.any((loud > 0.65) & (loud < 1.0))


def test_stretched_speech_is_as_loud_and_has_no_clicks(speech):
    for clip in speech:
        if len(clip) < 2_000:
            continue
        out = TempoPerturb(8_000, (0.9,))(clip, RNG(0))
        assert np.sqrt(np.mean(out**2)) == pytest.approx(np.sqrt(np.mean(clip**2)), rel=0.25)
        assert np.abs(np.diff(out)).max() <= 1.3 * np.abs(np.diff(clip)).max()


def test_factor_1_and_no_semitones_change_nothing():
    x = RNG(0).standard_normal(5_000).astype(np.float32)
    for transform in (SpeedPerturb((1.0,)), TempoPerturb(RATE, (1.0,)), PitchShift(RATE, 0)):
        np.testing.assert_array_equal(transform(x, RNG(0)), x)


def test_all_factors_are_equally_likely():
    x = np.zeros(100, np.float32)
    rng = RNG(0)
    lengths = [len(SpeedPerturb()(x, rng)) for _ in range(900)]
    assert set(lengths) == {91, 100, 111}
    assert all(250 < lengths.count(length) < 350 for length in set(lengths))


def test_a_fixed_length_is_kept_where_no_factor_changes_it():
    spec = Spec("waveform", RATE, varies=False)
    assert not SpeedPerturb((1.0,)).output_spec(spec).varies
    assert SpeedPerturb((1.0, 1.1)).output_spec(spec).varies
    assert not PitchShift(RATE).output_spec(spec).varies


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpeedPerturb(()), "factors=() must be a row of numbers to choose from"),
        (lambda: SpeedPerturb(1.1), "factors=1.1 must be a row of numbers to choose from"),
        (lambda: SpeedPerturb((0.9, -1)), "factors=(0.9, -1) must all be from 0.25 to 4"),
        (lambda: TempoPerturb(RATE, (5,)), "factors=(5,) must all be from 0.25 to 4"),
        (lambda: TempoPerturb(-1), "sample_rate=-1 must be a positive integer"),
        (lambda: PitchShift(RATE, 13), "semitones=13 must be from -12 to 12"),
        (lambda: PitchShift(0.5), "sample_rate=0.5 must be a positive integer"),
    ],
)
def test_numbers_that_cannot_work_are_refused_by_name(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.9, 1.3])
@pytest.mark.parametrize("hertz", [85, 180])
def test_a_steady_voice_stays_steady_at_another_tempo(hertz, factor):
    orders = np.arange(1, 7_000 // hertz)
    x = np.cos(2 * np.pi * hertz * np.outer(np.arange(2 * RATE) / RATE, orders) + orders**2) @ (1 / orders)
    out = TempoPerturb(RATE, (factor,))(0.3 * x / np.abs(x).max(), RNG(0))
    # What of any 40 ms is no harmonic of the voice was added where segments were joined, half a sample off at most.
    frame = RATE // 25
    angles = 2 * np.pi * hertz * np.outer(np.arange(frame) / RATE, orders)
    basis, _ = np.linalg.qr(np.concatenate([np.cos(angles), np.sin(angles)], axis=1))
    frames = out[RATE // 4 : -RATE // 4]
    frames = frames[: len(frames) // frame * frame].reshape(-1, frame)
    rest = frames - frames @ basis @ basis.T
    assert np.all(np.sum(rest**2, axis=1) < 1e-2 * np.sum(frames**2, axis=1))
