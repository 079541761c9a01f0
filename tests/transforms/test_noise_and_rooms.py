"""AddNoise and RoomImpulse: ratios that are reached, recordings from any source, and echoes in their place."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from dataload import ArraySource, FileSource, Segment, SegmentSource
from dataload.errors import ConfigError, DecodeError, SourceNotFound, TransformError
from dataload.transforms import AddNoise, RoomImpulse

RNG = np.random.default_rng
RATE = 8_000


def snr_of(clip, noisy):
    noise = noisy.astype(np.float64) - clip
    return 10 * np.log10(np.mean(np.square(clip, dtype=np.float64)) / np.mean(noise**2))


NOISES = {
    "white": {},
    "arrays": {"source": [RNG(0).uniform(-1, 1, n).astype(np.float32) for n in (100, 9_000)], "sample_rate": RATE},
}


@given(
    low=st.floats(-20, 40),
    span=st.floats(0, 20),
    seed=st.integers(0, 99),
    n=st.integers(100, 3_000),
    channels=st.integers(0, 3),
    kind=st.sampled_from(sorted(NOISES)),
)
def test_the_ratio_lies_within_its_range_whatever_the_levels(low, span, seed, n, channels, kind):
    clip = RNG(seed).standard_normal((channels, n) if channels else n).astype(np.float32)
    clip *= np.float32(10.0 ** RNG(seed).uniform(-3, 0))
    noisy = AddNoise((low, low + span), **NOISES[kind])(clip, RNG(seed))
    assert low - 0.05 <= snr_of(clip, noisy) <= low + span + 0.05


def test_ratios_of_a_range_are_equally_likely():
    rng = RNG(0)
    clip = np.ones(50, np.float32)
    ratios = [snr_of(clip, AddNoise((0, 20))(clip, rng)) for _ in range(1_000)]
    counts, _ = np.histogram(ratios, 4, (0, 20))
    assert counts.sum() >= 998 and np.all(np.abs(counts - 250) < 60)


def test_white_noise_is_gaussian_and_as_strong_at_all_frequencies():
    clip = np.ones(64_000, np.float32)
    noise = AddNoise(0)(clip, RNG(0)) - clip
    assert np.mean(np.abs(noise) < 1) == pytest.approx(0.6827, abs=0.01)
    power = np.abs(np.fft.rfft(noise))[1:32_001].reshape(8, -1) ** 2
    assert power.mean(axis=1).max() < 1.1 * power.mean(axis=1).min()


def test_noise_is_a_stretch_of_a_recording_and_a_short_one_is_repeated():
    long, short = np.arange(1, 1_001, dtype=np.float32), np.array([1, 2, 3], np.float32)
    clip = np.ones(100, np.float32)
    starts = set()
    for seed in range(200):
        noise = AddNoise(0, source=[long], sample_rate=RATE)(clip, RNG(seed)) - clip
        steps = np.diff(noise.astype(np.float64))
        np.testing.assert_allclose(steps, steps[0], atol=2e-6)
        starts.add(round(noise[0] / steps[0]))
    assert len(starts) > 150 and min(starts) >= 1 and max(starts) <= 901
    noise = AddNoise(0, source=[short], sample_rate=RATE)(clip, RNG(0)) - clip
    np.testing.assert_allclose(noise[:99].reshape(33, 3), np.tile(noise[:3], (33, 1)), atol=1e-6)


@pytest.fixture
def noise_files(tmp_path):
    """Three recordings of other rates, formats and numbers of channels."""
    rng = RNG(0)
    soundfile.write(tmp_path / "a.wav", rng.uniform(-0.5, 0.5, 16_000).astype(np.float32), RATE)
    soundfile.write(tmp_path / "b.flac", rng.uniform(-0.5, 0.5, (30_000, 2)).astype(np.float32), 16_000)
    soundfile.write(tmp_path / "c.ogg", rng.uniform(-0.5, 0.5, 4_000).astype(np.float32), RATE)
    return tmp_path


def test_noise_comes_from_any_source(noise_files):
    paths = sorted(map(str, noise_files.iterdir()))
    clip = RNG(1).standard_normal(5_000).astype(np.float32)
    sources = [
        FileSource(noise_files, "*.*"),
        paths,
        [Path(path) for path in paths],
        [Path(path).read_bytes() for path in paths],
    ]
    for seed in range(6):
        results = [AddNoise(10, source=source, sample_rate=RATE)(clip, RNG(seed)) for source in sources]
        for result in results:
            np.testing.assert_array_equal(result, results[0])
            assert snr_of(clip, result) == pytest.approx(10, abs=0.01)
    segments = SegmentSource(FileSource(noise_files, "*.wav"), 0.5)
    assert snr_of(clip, AddNoise(3, source=segments, sample_rate=RATE)(clip, RNG(0))) == pytest.approx(3, abs=0.01)
    arrays = ArraySource(RNG(0).standard_normal((4, 700)).astype(np.float32))
    assert snr_of(clip, AddNoise(3, source=arrays, sample_rate=RATE)(clip, RNG(0))) == pytest.approx(3, abs=0.01)


def test_only_the_stretch_of_a_long_noise_is_read(tmp_path, without_libsndfile, monkeypatch):
    import os

    soundfile.write(tmp_path / "hour.wav", np.tile(np.float32([0.1, -0.2]), 4_000_000), RATE, subtype="PCM_16")
    taken = []
    read = os.read
    monkeypatch.setattr(os, "pread", lambda fd, n, at: taken.append(n) or read(fd, n, at))
    clip = np.ones(4_000, np.float32)
    noisy = AddNoise(0, source=[str(tmp_path / "hour.wav")], sample_rate=RATE)(clip, RNG(0))
    assert snr_of(clip, noisy) == pytest.approx(0, abs=0.01)
    assert sum(taken) < 200_000


def test_an_echo_comes_at_its_time_and_the_first_sound_stays_in_its_place():
    response = np.zeros(900, np.float32)
    response[100], response[500] = 1, 0.5
    clip = np.zeros(2_000, np.float32)
    clip[300] = 1
    out = RoomImpulse([response], RATE)(clip, RNG(0))
    assert out[300] == pytest.approx(1 / np.sqrt(1.25), abs=1e-6)
    assert out[700] == pytest.approx(0.5 / np.sqrt(1.25), abs=1e-6)
    assert np.abs(np.delete(out, [300, 700])).max() < 1e-6


@given(n=st.integers(1, 3_000), taps=st.integers(1, 2_000), seed=st.integers(0, 50))
def test_a_room_keeps_length_and_power_and_equals_direct_convolution(n, taps, seed):
    rng = RNG(seed)
    clip, response = rng.standard_normal(n), rng.standard_normal(taps) * np.exp(-np.arange(taps) / 200)
    out = RoomImpulse([response], RATE)(clip, RNG(0))
    expected = np.convolve(clip, response)[np.abs(response).argmax() :][:n]
    expected *= np.sqrt(np.mean(clip**2) / np.mean(expected**2))
    np.testing.assert_allclose(out, expected, atol=1e-4 * np.abs(expected).max())
    assert np.mean(np.square(out, dtype=np.float64)) == pytest.approx(np.mean(clip**2), rel=1e-3)


@pytest.mark.parametrize("level", [0.0, 1e-30])
@pytest.mark.parametrize("shape", [(800,), (2, 800)])
def test_a_silent_recording_leaves_the_clip_as_it_is(tmp_path, level, shape):
    clip = RNG(0).uniform(-1, 1, 1_000).astype(np.float32)
    silent = np.full(shape, level, np.float32)
    soundfile.write(tmp_path / "room.wav", silent.T, RATE, subtype="FLOAT")
    for source in ([silent], [str(tmp_path / "room.wav")], [(tmp_path / "room.wav").read_bytes()]):
        np.testing.assert_array_equal(RoomImpulse(source, RATE)(clip, RNG(0)), clip)
        np.testing.assert_array_equal(AddNoise(10, source=source, sample_rate=RATE)(clip, RNG(0)), clip)


def test_a_response_whose_sound_comes_after_the_clip_leaves_it_as_it_is():
    clip = np.zeros(1_000, np.float32)
    clip[-1] = 1
    response = np.zeros(50, np.float32)
    response[[10, 20]] = [1e-25, 1e-26]
    np.testing.assert_array_equal(RoomImpulse([response], RATE)(clip, RNG(0)), clip)


def test_an_empty_recording_is_an_error_that_says_so(tmp_path):
    clip = np.ones(1_000, np.float32)
    soundfile.write(tmp_path / "room.wav", np.zeros(0), RATE)
    for source in ([np.zeros(0, np.float32)], [str(tmp_path / "room.wav")]):
        with pytest.raises((TransformError, DecodeError), match=r"with samples|room\.wav: holds no samples"):
            RoomImpulse(source, RATE)(clip, RNG(0))
        with pytest.raises((TransformError, DecodeError), match=r"with samples|room\.wav: holds no samples"):
            AddNoise(source=source, sample_rate=RATE)(clip, RNG(0))


def test_responses_are_read_at_the_rate_of_the_waveform_and_their_first_channel_is_taken(tmp_path):
    response = np.zeros((3_200, 2), np.float32)
    response[0, 0], response[1_600, 0], response[:, 1] = 1, 0.5, 0.3
    soundfile.write(tmp_path / "room.wav", response, 16_000, subtype="FLOAT")
    clip = np.zeros(4_000, np.float32)
    clip[100] = 1
    out = RoomImpulse(FileSource(tmp_path, "*.wav"), RATE)(clip, RNG(0))
    # 1600 samples at 16 kHz are 800 at 8 kHz.
    assert set(np.argsort(np.abs(out))[-2:]) == {100, 900}
    assert out[900] / out[100] == pytest.approx(0.5, abs=0.01)


def test_sources_compare_by_what_they_hold(noise_files):
    def of(source):
        return AddNoise(source=source, sample_rate=RATE)

    x, y = np.zeros(5, np.float32), np.ones(5, np.float32)
    assert of([x, y]) == of([x.copy(), y.copy()]) and of([x, y]) != of([y, x]) and of([x]) != of([x.reshape(1, 5)])
    assert of(FileSource(noise_files, "*.wav")) == of(FileSource(noise_files, "*.wav"))
    assert of(FileSource(noise_files, "*.wav")) != of(FileSource(noise_files, "*.flac"))
    assert hash(of([x])) == hash(of([x.copy()]))
    assert "FileSource" in repr(of(FileSource(noise_files, "*.wav"))) and "0x" not in repr(of([x]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AddNoise((20, 5)), "snr_db=(20, 5) must be (low, high) with low not above high"),
        (lambda: AddNoise(np.inf), "snr_db=inf must be a finite number"),
        (lambda: AddNoise(source=["a.wav"]), "AddNoise with a source needs sample_rate="),
        (lambda: AddNoise(source=[], sample_rate=8_000), "of AddNoise must have at least one recording"),
        (lambda: AddNoise(source="noises", sample_rate=8_000), "source is a str: for a folder use FileSource"),
        (lambda: RoomImpulse(["a.wav"], 0), "sample_rate=0 must be a positive integer"),
        (lambda: RoomImpulse(None, 8_000), "source is a NoneType"),
    ],
)
def test_arguments_that_cannot_work_are_refused_by_name(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_samples_that_are_no_recordings_are_refused_with_their_number(tmp_path):
    clip = np.ones(10, np.float32)
    with pytest.raises(TransformError, match=r"AddNoise needs a source of paths or waveforms, but sample 0.*dict"):
        AddNoise(source=[{"audio": clip}], sample_rate=RATE)(clip, RNG(0))
    with pytest.raises(TransformError, match="RoomImpulse takes floats but got dtype int16"):
        RoomImpulse([np.ones(10, np.int16)], RATE)(clip, RNG(0))
    with pytest.raises(SourceNotFound, match="nowhere"):
        RoomImpulse([str(tmp_path / "nowhere.wav")], RATE)(clip, RNG(0))
    with pytest.raises(SourceNotFound, match="nowhere"):
        AddNoise(source=[Segment(str(tmp_path / "nowhere.wav"), 0, 1)], sample_rate=RATE)(clip, RNG(0))
