"""LogMel, MFCC and the rest against librosa and torch, on real and on made-up sound."""

import librosa
import numpy as np
import pytest
import torch

from dataload.transforms import MFCC, LogMel, MelSpectrogram, Spectrogram
from dataload.transforms.functional import dct_matrix, hz_to_mel, mel_filters, mel_to_hz, stft, window

pytestmark = pytest.mark.filterwarnings("ignore:Empty filters", "ignore:n_fft=2048 is too large")

SETS = [
    {"sample_rate": 8_000, "n_mels": 40},
    {"sample_rate": 8_000, "n_fft": 256, "n_mels": 40, "pad_mode": "constant"},
    {"sample_rate": 16_000},
    {"sample_rate": 16_000, "n_fft": 512, "n_mels": 64, "mel_scale": "htk", "norm": None},
    {
        "sample_rate": 16_000,
        "n_fft": 512,
        "win_length": 301,
        "hop_length": 128,
        "center": False,
        "window": "hamming",
        "n_mels": 40,
    },
    {
        "sample_rate": 22_050,
        "n_fft": 2048,
        "win_length": 2048,
        "hop_length": 512,
        "n_mels": 128,
        "pad_mode": "constant",
    },
    {"sample_rate": 22_050, "n_mels": 60, "f_min": 50.0, "f_max": 9_000.0, "mel_scale": "htk"},
    {"sample_rate": 16_000, "n_mels": 40, "window": "rectangular", "pad_mode": "edge"},
]


def sounds(sample_rate, speech):
    t = np.arange(sample_rate) / sample_rate
    rng = np.random.default_rng(0)
    return [
        *speech[:4],
        np.concatenate(speech),
        (0.5 * np.sin(2 * np.pi * (100 + 1500 * t) * t)).astype(np.float32),
        (0.1 * rng.standard_normal(3 * sample_rate + 17)).astype(np.float32),
    ]


def with_librosa(x, mel, power=2.0):
    spectrum = librosa.stft(
        x,
        n_fft=mel.n_fft,
        hop_length=mel.hop_length,
        win_length=mel.win_length,
        window={"rectangular": "boxcar"}.get(mel.window, mel.window),
        center=mel.center,
        pad_mode=mel.pad_mode,
    )
    return (librosa_bank(mel) @ np.abs(spectrum) ** power).T


def librosa_bank(mel):
    """The mel filters (n_mels, n_fft // 2 + 1) that librosa makes of the transform's parameters."""
    return librosa.filters.mel(
        sr=mel.sample_rate,
        n_fft=mel.n_fft,
        n_mels=mel.n_mels,
        fmin=mel.f_min,
        fmax=mel.f_max,
        htk=mel.mel_scale == "htk",
        norm=mel.norm,
    )


def with_torch(x, mel):
    shape = torch.from_numpy(np.array(window(mel.window, mel.win_length)))
    padded = torch.from_numpy(np.pad(x, mel.n_fft // 2, mode=mel.pad_mode) if mel.center else x)
    spectrum = torch.stft(padded, mel.n_fft, mel.hop_length, mel.win_length, shape, center=False, return_complex=True)
    filters = torch.from_numpy(librosa_bank(mel))
    return torch.log(torch.clamp(filters @ spectrum.abs() ** 2, min=mel.floor)).T.numpy()


def assert_close_above_the_floor(ours, theirs, atol=1e-4, span=16.0):
    """Compare logarithms; bins further than `span` nats below their frame's maximum are rounding noise in both."""
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    loud = theirs > theirs.max(axis=1, keepdims=True) - span
    assert loud.mean() > 0.1
    np.testing.assert_allclose(ours[loud], theirs[loud], rtol=0, atol=atol)


@pytest.mark.parametrize("parameters", SETS, ids=str)
def test_log_mel_equals_librosa_for_equal_parameters(parameters, speech):
    mel = LogMel(**parameters)
    for x in sounds(mel.sample_rate, speech):
        theirs = np.log(np.maximum(with_librosa(x, mel), mel.floor))
        assert_close_above_the_floor(mel(x), theirs, span=12.0)


@pytest.mark.parametrize("parameters", SETS, ids=str)
def test_log_mel_equals_torch_stft_and_a_matrix_product(parameters, speech):
    mel = LogMel(**parameters)
    for x in sounds(mel.sample_rate, speech):
        assert_close_above_the_floor(mel(x), with_torch(x, mel), span=12.0)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_mel_spectrogram_equals_librosa_for_every_power(power, speech):
    mel = MelSpectrogram(8_000, n_mels=40, power=power)
    for x in speech[:4]:
        theirs = with_librosa(x, mel, power)
        np.testing.assert_allclose(mel(x), theirs, rtol=2e-4, atol=1e-6 * theirs.max())


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_spectrogram_is_the_power_of_librosas_stft(power, speech):
    x = np.concatenate(speech)
    theirs = np.abs(librosa.stft(x, n_fft=256, hop_length=80, win_length=200, pad_mode="reflect")).T ** power
    ours = Spectrogram(8_000, n_fft=256, power=power)(x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * theirs.max())


@pytest.mark.parametrize(("n_fft", "win_length", "hop_length"), [(200, 200, 80), (256, 200, 300), (255, 255, 64)])
@pytest.mark.parametrize("length", [129, 400, 8_000])
def test_stft_equals_torch_with_reflection(n_fft, win_length, hop_length, length):
    x = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    theirs = torch.stft(
        torch.from_numpy(x), n_fft, hop_length, win_length, torch.hann_window(win_length), return_complex=True
    )
    ours = stft(x, n_fft=n_fft, hop_length=hop_length, win_length=win_length)
    assert ours.dtype == np.complex64
    np.testing.assert_allclose(ours, theirs.numpy().T, atol=2e-5 * np.sqrt(n_fft))


@pytest.mark.parametrize("log", ["ln", "log10", "db"])
def test_each_logarithm_is_that_of_the_mel_spectrogram(log, speech):
    function = {"ln": np.log, "log10": np.log10, "db": lambda x: 10 * np.log10(x)}[log]
    power = MelSpectrogram(8_000, n_mels=40)(speech[0]).astype(np.float64)
    ours = LogMel(8_000, n_mels=40, log=log, floor=1e-6)(speech[0])
    np.testing.assert_allclose(ours, function(np.maximum(power, 1e-6)), rtol=1e-6, atol=1e-5)


def test_top_db_equals_librosas_power_to_db(speech):
    power = MelSpectrogram(8_000, n_mels=40)(speech[0])
    ours = LogMel(8_000, n_mels=40, log="db", top_db=30.0)(speech[0])
    np.testing.assert_allclose(ours, librosa.power_to_db(power, top_db=30.0), atol=1e-4)
    assert ours.min() == pytest.approx(ours.max() - 30.0, abs=1e-4)


def test_top_db_means_the_same_distance_in_every_logarithm(speech):
    db, ln = (LogMel(8_000, n_mels=40, log=log, top_db=30.0)(speech[0]) for log in ("db", "ln"))
    np.testing.assert_allclose(db, ln * 10 / np.log(10), atol=1e-4)


@pytest.mark.parametrize("sample_rate", [8_000, 22_050])
def test_mfcc_equals_librosa_with_its_defaults(sample_rate, speech):
    transform = MFCC(
        sample_rate,
        n_mfcc=20,
        n_mels=128,
        n_fft=2048,
        win_length=2048,
        hop_length=512,
        pad_mode="constant",
    )
    for x in [*speech[:4], np.concatenate(speech)]:
        theirs = librosa.feature.mfcc(y=x, sr=sample_rate).T
        np.testing.assert_allclose(transform(x), theirs, rtol=1e-4, atol=5e-3)


def test_mfcc_is_the_orthonormal_dct_of_log_mel(speech):
    from scipy.fft import dct

    log_mel = LogMel(8_000, n_mels=40)(speech[0])
    ours = MFCC(8_000, n_mels=40, log="ln", top_db=None, n_mfcc=40)(speech[0])
    np.testing.assert_allclose(ours, dct(log_mel.astype(np.float64), norm="ortho", axis=1), atol=1e-4)


def test_dct_matrix_is_orthonormal():
    np.testing.assert_allclose(dct_matrix(23, 23).T @ dct_matrix(23, 23), np.eye(23), atol=1e-6)


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
def test_mel_scales_equal_librosa_and_invert_each_other(mel_scale):
    hz = np.linspace(0, 20_000, 501)
    mels = hz_to_mel(hz, mel_scale=mel_scale)
    np.testing.assert_allclose(mels, librosa.hz_to_mel(hz, htk=mel_scale == "htk"), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(mels, mel_scale=mel_scale), hz, rtol=1e-9, atol=1e-9)


def test_mel_filters_equal_librosa():
    theirs = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80, fmin=20, fmax=7_600)
    np.testing.assert_allclose(mel_filters(16_000, n_fft=400, f_min=20, f_max=7_600), theirs.T, atol=1e-8)


@pytest.mark.parametrize("name", ["hann", "hamming", "rectangular", "blackman"])
@pytest.mark.parametrize("length", [1, 2, 5, 400])
def test_windows_equal_scipys_periodic_ones(name, length):
    from scipy.signal import get_window

    theirs = get_window({"rectangular": "boxcar"}.get(name, name), length)
    np.testing.assert_allclose(window(name, length), theirs, atol=1e-7)


def test_a_float64_waveform_gives_the_same_features(speech):
    transform = LogMel(8_000, n_mels=40)
    np.testing.assert_array_equal(transform(speech[0].astype(np.float64)), transform(speech[0]))


def test_a_waveform_with_a_stride_gives_the_same_features(speech):
    transform = LogMel(8_000, n_mels=40)
    stereo = np.stack([speech[0], speech[0]], axis=1)
    np.testing.assert_array_equal(transform(stereo[:, 0]), transform(speech[0]))


def test_the_fft_can_be_swapped_through_scipys_backends(speech, monkeypatch):
    import scipy.fft

    monkeypatch.setenv("DATALOAD_FAST", "0")  # mkl_fft would not ask scipy

    class Counting:
        __ua_domain__ = "numpy.scipy.fft"
        calls = 0

        @classmethod
        def __ua_function__(cls, method, args, kwargs):
            cls.calls += 1
            assert method.__name__ == "rfft"
            return np.fft.rfft(*args, **kwargs).astype(np.complex64)

    transform = LogMel(8_000, n_mels=40)
    with scipy.fft.set_backend(Counting):
        swapped = transform(speech[0])
    assert Counting.calls > 0
    assert_close_above_the_floor(swapped, transform(speech[0]))
