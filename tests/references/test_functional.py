"""The functions and the smaller transforms, against librosa, torch, scipy and kaldi-native-fbank."""

import librosa
import numpy as np
import pytest
import scipy.fft
import soxr
import torch
from hypothesis import given
from hypothesis import strategies as st
from sounds import sounds

from dataload.errors import ConfigError, TransformError
from dataload.transforms import (
    PCEN,
    Chroma,
    Deltas,
    Dither,
    Energy,
    MelSpectrogram,
    PowerToDB,
    PreEmphasis,
    ZeroCrossingRate,
    functional,
)
from dataload.transforms.functional import (
    amplitude_to_db,
    chroma_filters,
    db_to_amplitude,
    db_to_power,
    dct,
    dct_matrix,
    deltas,
    istft,
    lifter_weights,
    pcen,
    power_to_db,
    preemphasis,
    resample,
    stft,
    window,
    zero_crossings,
)

pytestmark = pytest.mark.filterwarnings("ignore:n_fft=.* is too large", "ignore:Trying to estimate")


@pytest.fixture
def mel(noise):
    return MelSpectrogram(16_000, n_mels=40)(noise)


def test_everything_public_is_documented_with_what_it_returns_and_raises():
    for name in functional.__all__:
        text = getattr(functional, name).__doc__
        assert "Args:" in text and "Returns:" in text and "Raises:" in text, name


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("length", [1, 2, 5, 400])
def test_windows_are_those_of_torch_periodic_or_not(length, periodic):
    for name, theirs in (("hann", torch.hann_window), ("hamming", torch.hamming_window)):
        np.testing.assert_allclose(
            window(name, length, periodic=periodic), theirs(length, periodic=periodic), atol=1e-6
        )
    np.testing.assert_allclose(
        window("povey", length, periodic=False), torch.hann_window(length, periodic=False).pow(0.85), atol=1e-6
    )


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("n_fft", "win_length", "hop_length"), [(400, 400, 160), (512, 400, 100), (255, 255, 64)])
def test_istft_equals_torch_and_librosa(noise, n_fft, win_length, hop_length, center):
    spectrum = stft(noise, n_fft=n_fft, hop_length=hop_length, win_length=win_length, center=center)
    spectrum = spectrum * np.linspace(0.5, 1.0, spectrum.shape[1], dtype=np.float32)  # no waveform's own spectrum
    numbers = {"n_fft": n_fft, "hop_length": hop_length, "win_length": win_length, "center": center}
    ours = istft(spectrum, **numbers)
    np.testing.assert_allclose(ours, librosa.istft(spectrum.T, **numbers), atol=2e-5)
    if center:
        theirs = torch.istft(torch.from_numpy(spectrum.T.copy()), window=torch.hann_window(win_length), **numbers)
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


@given(
    samples=st.integers(257, 3_000),
    hop=st.integers(1, 128),
    n_fft=st.integers(128, 256),
    name=st.sampled_from(["hann", "hamming"]),
)
def test_istft_undoes_stft(samples, hop, n_fft, name):
    x = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    hop = min(hop, n_fft // 2)
    spectrum = stft(x, n_fft=n_fft, hop_length=hop, window=name)
    back = istft(spectrum, n_fft=n_fft, hop_length=hop, window=name, length=samples)
    assert back.shape == x.shape and back.dtype == np.float32
    reached = (len(spectrum) - 1) * hop  # the last samples may lie under the tail of the last window alone
    np.testing.assert_allclose(back[:reached], x[:reached], atol=1e-3)


def test_istft_gives_the_length_that_is_asked_for():
    spectrum = stft(np.ones(1_000, np.float32), n_fft=64, hop_length=16)
    assert len(istft(spectrum, hop_length=16)) == 992
    assert len(istft(spectrum, hop_length=16, length=10)) == 10
    assert not istft(spectrum, hop_length=16, length=5_000)[2_000:].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: istft(np.zeros((3, 5)), hop_length=2), "complex numbers but got float64"),
        (lambda: istft([1j], hop_length=2), "complex numbers but got list"),
        (lambda: istft(np.zeros((0, 5), complex), hop_length=2), r"complex128 \(0, 5\)"),
        (lambda: istft(np.zeros((3, 5), complex), n_fft=10, hop_length=2), "5 bins but n_fft=10 has 6"),
        (lambda: dct(np.zeros(3, int), n_out=1), "dct takes floats but got dtype int64"),
        (lambda: deltas(np.zeros(5, np.float32)), r"deltas takes \(frames, bins\)"),
        (lambda: deltas(np.zeros((0, 5), np.float32)), r"shape \(0, 5\)"),
        (lambda: pcen(np.full((3, 2), -1.0), sample_rate=8_000, hop_length=80), "at least 0 but got -1"),
        (lambda: pcen(np.full((3, 2), np.nan), sample_rate=8_000, hop_length=80), "at least 0 but got nan"),
        (lambda: preemphasis(np.array([0.0, np.inf])), "inf at sample 1"),
        (lambda: zero_crossings(np.array([np.nan]), frame_length=2, hop_length=2), "nan at sample 0"),
        (lambda: zero_crossings(np.zeros(3), frame_length=4, hop_length=4, center=False), "3 samples but center=False"),
        (lambda: power_to_db(np.zeros(3, int)), "power_to_db takes floats but got dtype int64"),
    ],
)
def test_values_that_cannot_work_are_refused(make, message):
    with pytest.raises(TransformError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: istft(np.zeros((3, 5), complex), hop_length=0), "hop_length=0 must be a positive integer"),
        (
            lambda: istft(np.zeros((3, 5), complex), hop_length=2, length=-1),
            "length=-1 must be an integer of at least 0",
        ),
        (lambda: deltas(np.zeros((3, 2)), width=4), "width=4 must be an odd number from 3 up"),
        (lambda: Deltas(width=1), "width=1 must be an odd number from 3 up"),
        (lambda: Deltas(order=0), "order=0 must be a positive integer"),
        (lambda: PCEN(8_000, gain=-1.0), "gain=-1.0 must be at least 0"),
        (lambda: PCEN(8_000, eps=0.0), "eps=0.0 must be above 0"),
        (lambda: PCEN(8_000, time_constant=0), "time_constant=0 must be above 0"),
        (lambda: PreEmphasis(1.5), "coefficient=1.5 must be from 0 to 1"),
        (lambda: Dither(0.0), "amount=0.0 must be above 0"),
        (lambda: PowerToDB(amin=0.0), "amin=0.0 must be above 0"),
        (lambda: power_to_db(np.ones(1), amin=1e-60), "amin=1e-60 must be at least"),
        (lambda: amplitude_to_db(np.ones(1), top_db=-1), "top_db=-1 must be above 0"),
        (lambda: db_to_power(np.ones(1), ref=0), "ref=0 must be above 0"),
        (lambda: dct_matrix(4, 2, norm="slaney"), "norm='slaney' must be one of 'ortho', 'htk'"),
        (lambda: lifter_weights(3, -1.0), "lifter=-1.0 must be at least 0"),
        (lambda: chroma_filters(8_000, n_fft=0), "n_fft=0 must be a positive integer"),
        (lambda: Chroma(8_000, n_chroma=0), "n_chroma=0 must be a positive integer"),
        (lambda: Energy(8_000, log="log2"), "log='log2' must be one of 'ln', 'log10', 'db', None"),
        (lambda: ZeroCrossingRate(8_000, hop_length=-1), "hop_length=-1 must be a positive integer"),
        (lambda: resample(np.zeros(9), orig_rate=0, new_rate=8_000), "orig_rate=0 must be a positive integer"),
    ],
)
def test_numbers_that_cannot_work_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("top_db", [None, 80.0, 20.0])
@pytest.mark.parametrize("ref", [1.0, 0.3])
def test_decibels_equal_librosa(mel, ref, top_db):
    np.testing.assert_allclose(
        power_to_db(mel, ref=ref, top_db=top_db), librosa.power_to_db(mel, ref=ref, top_db=top_db), atol=1e-4
    )
    np.testing.assert_allclose(
        amplitude_to_db(mel, ref=ref, top_db=top_db), librosa.amplitude_to_db(mel, ref=ref, top_db=top_db), atol=1e-4
    )
    np.testing.assert_array_equal(PowerToDB(ref=ref, top_db=top_db)(mel), power_to_db(mel, ref=ref, top_db=top_db))


def test_decibels_and_back_are_what_they_were(mel):
    np.testing.assert_allclose(
        db_to_power(power_to_db(mel, ref=2.0), ref=2.0), np.maximum(mel, mel.max() * 1e-8), rtol=2e-5
    )
    np.testing.assert_allclose(db_to_amplitude(amplitude_to_db(mel)), np.maximum(mel, mel.max() * 1e-4), rtol=2e-5)
    np.testing.assert_allclose(db_to_power(np.float32([3.0])), librosa.db_to_power(np.float32([3.0])), rtol=1e-6)


def test_the_dct_is_that_of_scipy_and_the_htk_one_differs_in_the_first_coefficient(mel):
    theirs = scipy.fft.dct(mel, norm="ortho", axis=1)
    np.testing.assert_allclose(dct(mel, n_out=13), theirs[:, :13], atol=1e-5 * np.abs(theirs).max())
    htk = dct(mel, n_out=13, norm="htk")
    np.testing.assert_allclose(htk[:, 1:], theirs[:, 1:13], atol=1e-5 * np.abs(theirs).max())
    np.testing.assert_allclose(htk[:, 0], np.sqrt(2) * theirs[:, 0], rtol=1e-5)


@pytest.mark.parametrize("width", [3, 5, 9])
def test_deltas_equal_librosa_with_its_ends_repeated(mel, width):
    theirs = librosa.feature.delta(mel.T, width=width, order=1, mode="nearest").T
    np.testing.assert_allclose(deltas(mel, width=width), theirs, atol=1e-5 * np.abs(mel).max())


@pytest.mark.parametrize("frames", [1, 2, 3, 100])
@pytest.mark.parametrize(("half", "order"), [(2, 1), (2, 2), (3, 3)])
def test_deltas_equal_those_of_kaldi(mel, frames, half, order):
    knf = pytest.importorskip("kaldi_native_fbank")
    options = knf.DeltaOptions(order=order, window=half)
    theirs = np.asarray(knf.compute_deltas(options, mel[:frames]))
    ours = Deltas(width=2 * half + 1, order=order)(mel[:frames])
    assert ours.shape == (frames, 40 * (order + 1))
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(mel).max())
    np.testing.assert_array_equal(deltas(mel[:frames], width=2 * half + 1, order=order), ours[:, -40:])


@pytest.mark.parametrize(
    "numbers",
    [{}, {"gain": 0.8, "bias": 10.0, "power": 0.25, "time_constant": 0.06}, {"bias": 0.0}, {"power": 0.0}],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_pcen_equals_librosa(mel, numbers):
    for energies in (mel * np.float32(2.0**31), mel, np.zeros_like(mel), mel[:1]):
        theirs = librosa.pcen(energies.T, sr=16_000, hop_length=160, **numbers).T
        ours = pcen(energies, sample_rate=16_000, hop_length=160, **numbers)
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-5 * max(1e-6, theirs.max()))
        np.testing.assert_array_equal(PCEN(16_000, **numbers)(energies), ours)


def test_pre_emphasis_is_a_difference_that_keeps_the_first_sample(noise):
    expected = np.concatenate([noise[:1], noise[1:] - np.float32(0.9) * noise[:-1]])
    np.testing.assert_allclose(preemphasis(noise, coefficient=0.9), expected, atol=1e-7)
    np.testing.assert_array_equal(PreEmphasis(0.9)(noise), preemphasis(noise, coefficient=0.9))
    np.testing.assert_allclose(preemphasis(noise)[1:], librosa.effects.preemphasis(noise)[1:], atol=1e-6)
    np.testing.assert_array_equal(preemphasis(noise, coefficient=0), noise)


def test_dither_is_normal_noise_that_its_generator_decides(noise):
    dither = Dither(1e-2)
    added = dither(noise, np.random.default_rng(1)) - noise
    assert added.std() == pytest.approx(1e-2, rel=0.03) and abs(added.mean()) < 5e-4
    np.testing.assert_array_equal(dither(noise, np.random.default_rng(1)), dither(noise, np.random.default_rng(1)))
    assert not np.array_equal(dither(noise, np.random.default_rng(1)), dither(noise, np.random.default_rng(2)))


def test_dither_gives_a_sample_the_same_noise_in_every_kind_of_worker(noise):
    from dataload import Loader

    options = {"transforms": Dither(), "batch_size": 2, "shuffle": True, "seed": 3}
    here, there = (list(Loader([noise, -noise, noise], num_workers=n, worker="thread", **options)) for n in (0, 2))
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(here[0][0], here[1][0])


@pytest.mark.parametrize("center", [True, False])
def test_zero_crossings_equal_librosa(speech, center):
    for name, x in sounds(8_000, speech, shortest=1 if center else 256).items():
        theirs = librosa.feature.zero_crossing_rate(x, frame_length=256, hop_length=80, center=center)[0]
        np.testing.assert_allclose(
            zero_crossings(x, frame_length=256, hop_length=80, center=center), theirs, atol=1e-7, err_msg=name
        )
        transform = ZeroCrossingRate(8_000, win_length=256, center=center)
        np.testing.assert_allclose(transform(x)[:, 0], theirs, atol=1e-7)


def test_energy_is_the_square_of_librosas_rms_times_the_length(speech):
    for name, x in sounds(8_000, speech).items():
        theirs = librosa.feature.rms(y=x, frame_length=256, hop_length=80)[0] ** 2 * 256
        ours = Energy(8_000, win_length=256, pad_mode="constant", log=None)(x)
        np.testing.assert_allclose(ours[:, 0], theirs, rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("n_chroma", [12, 24])
def test_chroma_filters_equal_librosa(n_chroma):
    for tuning in (0.0, 0.3):
        theirs = librosa.filters.chroma(sr=22_050, n_fft=2048, n_chroma=n_chroma, tuning=tuning)
        ours = chroma_filters(22_050, n_fft=2048, n_chroma=n_chroma, tuning=tuning)
        np.testing.assert_allclose(ours, theirs.T, atol=1e-6)


def test_resample_is_that_of_soxr(noise):
    theirs = soxr.resample(noise, 16_000, 22_050, quality="HQ")
    np.testing.assert_array_equal(resample(noise, orig_rate=16_000, new_rate=22_050), theirs)
