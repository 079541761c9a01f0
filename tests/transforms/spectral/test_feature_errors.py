"""What the spectral transforms refuse, when they are made and when they are called."""

import warnings

import numpy as np
import pytest

from dataload.errors import ConfigError, TransformError
from dataload.transforms import MFCC, Chroma, Energy, LogMel, MelSpectrogram, Spectrogram, ZeroCrossingRate
from dataload.transforms.functional import dct_matrix, frame, hz_to_mel, mel_filters, stft, window

ALL = [Spectrogram, MelSpectrogram, LogMel, MFCC]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": 0}, "sample_rate=0 must be a positive integer"),
        ({"sample_rate": 8_000.0}, "sample_rate=8000.0 must be a positive integer"),
        ({"sample_rate": True}, "sample_rate=True must be a positive integer"),
        ({"sample_rate": 8_000, "hop_length": 0}, "hop_length=0 must be a positive integer"),
        ({"sample_rate": 8_000, "n_fft": -1}, "n_fft=-1 must be a positive integer"),
        ({"sample_rate": 8_000, "win_length": "x"}, "win_length='x' must be a positive integer"),
        ({"sample_rate": 8_000, "n_fft": 128}, "win_length=200 must not be longer than n_fft=128"),
        ({"sample_rate": 8_000, "window": "hat"}, "window='hat' must be"),
        ({"sample_rate": 8_000, "window": "kaiser"}, "window='kaiser' must be"),
        ({"sample_rate": 8_000, "window": 3}, "window=3 must be"),
        (
            {"sample_rate": 8_000, "pad_mode": "zeros"},
            "pad_mode='zeros' must be one of 'reflect', 'constant', 'edge', 'symmetric'",
        ),
        (
            {"sample_rate": 8_000, "frame_count": "all"},
            "frame_count='all' must be one of 'whole', 'floor', 'round', 'ceil'",
        ),
        ({"sample_rate": 8_000, "window_align": "right"}, "window_align='right' must be one of 'center', 'left'"),
        ({"sample_rate": 8_000, "scale": 0}, "scale=0 must be above 0"),
        ({"sample_rate": 8_000, "pre_emphasis": 1.5}, "pre_emphasis=1.5 must be from 0 to 1"),
        (
            {"sample_rate": 8_000, "pre_emphasis_on": "clip"},
            "pre_emphasis_on='clip' must be one of 'waveform', 'frame'",
        ),
        ({"sample_rate": 8_000, "remove_dc": 1}, "remove_dc=1 must be one of True, False"),
        ({"sample_rate": 8_000, "center": "yes"}, "center='yes' must be one of True, False, 'hop'"),
    ],
)
def test_numbers_that_cannot_work_are_refused_when_it_is_made(kind, arguments, message):
    with pytest.raises(ConfigError) as caught:
        kind(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", [MelSpectrogram, LogMel, MFCC])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_mels": 0}, "n_mels=0 must be a positive integer"),
        ({"f_max": 4_001}, "f_max=4001 must not be above 4000 Hz, half of sample_rate=8000"),
        ({"f_min": -1.0}, "f_min=-1.0 must be at least 0 and below f_max=4000 Hz"),
        ({"f_min": 3_000, "f_max": 2_000}, "f_min=3000 must be at least 0 and below f_max=2000 Hz"),
        ({"f_max": float("nan")}, "f_max=nan must be a finite number"),
        ({"mel_scale": "bark"}, "mel_scale='bark' must be one of 'slaney', 'htk'"),
        ({"norm": "l2"}, "norm='l2' must be one of 'slaney', None"),
        ({"triangles": "bark"}, "triangles='bark' must be one of 'hz', 'mel'"),
        ({"power": 0}, "power=0 must be above 0"),
    ],
)
def test_mel_numbers_that_cannot_work_are_refused_when_it_is_made(kind, arguments, message):
    with pytest.raises(ConfigError) as caught:
        kind(8_000, **arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Spectrogram(8_000, power=0), "power=0 must be above 0"),
        (lambda: MelSpectrogram(8_000, power="2"), "power='2' must be a finite number"),
        (lambda: LogMel(8_000, log="log2"), "log='log2' must be one of 'ln', 'log10', 'db'"),
        (lambda: LogMel(8_000, floor=0.0), "floor=0.0 must be above 0"),
        (lambda: LogMel(8_000, floor=1e-60), "floor=1e-60 must be at least"),
        (lambda: LogMel(8_000, top_db=-80.0), "top_db=-80.0 must be above 0"),
        (lambda: LogMel(8_000, offset=-1e-6), "offset=-1e-06 must be at least 0"),
        (lambda: LogMel(8_000, normalize=np.log), "must be a Normalize or None"),
        (lambda: MFCC(8_000, lifter=-1.0), "lifter=-1.0 must be at least 0"),
        (lambda: MFCC(8_000, dct_norm="slaney"), "dct_norm='slaney' must be one of 'ortho', 'htk'"),
        (lambda: MFCC(8_000, n_mels=20, n_mfcc=21), "n_mfcc=21 must not be above n_mels=20"),
        (lambda: mel_filters(8_000, n_fft=0), "n_fft=0 must be a positive integer"),
        (lambda: mel_filters(8_000, n_fft=200, norm=2), "norm=2 must be one of"),
        (lambda: hz_to_mel(1.0, mel_scale="bark"), "mel_scale='bark' must be one of"),
        (lambda: dct_matrix(3, 4), "n_out=4 must not be above n_in=3"),
        (lambda: window("hann", 0), "length=0 must be a positive integer"),
        (lambda: window("hann", 5, n_fft=4), "length=5 must not be above n_fft=4"),
        (lambda: frame(np.zeros(9), frame_length=3, hop_length=0), "hop_length=0 must be a positive integer"),
        (lambda: stft(np.zeros(9), n_fft=4, hop_length=2, win_length=5), "win_length=5 must not be longer"),
    ],
)
def test_other_numbers_that_cannot_work_are_refused(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (np.zeros(0, np.float32), ["empty waveform", "PadOrTrim"]),
        (np.zeros(100, np.float32), ["100 samples", "at least 101", "PadOrTrim", "pad_mode='constant'"]),
        (np.zeros(8_000, np.int16), ["int16", "DecodeAudio", "astype"]),
        (np.zeros(8_000, bool), ["bool"]),
        (np.zeros(8_000, np.complex64), ["complex64"]),
        (np.zeros((2, 8_000), np.float32), ["(2, 8000)", "mono=True", "x[0]"]),
        (np.float32(1.0), ["numpy array", "float32"]),
        ("a.wav", ["numpy array", "str", "DecodeAudio"]),
        ([0.0] * 8_000, ["numpy array", "list"]),
        (None, ["numpy array", "NoneType"]),
    ],
)
def test_a_value_that_is_no_waveform_is_refused_with_a_way_out(kind, value, parts):
    with pytest.raises(TransformError) as caught:
        kind(8_000)(value)
    for part in [kind.__name__, *parts]:
        assert part in str(caught.value)


@pytest.mark.parametrize("kind", ALL)
def test_uncentred_frames_need_a_whole_one(kind):
    transform = kind(8_000, center=False)
    assert transform(np.zeros(200, np.float32)).shape[0] == 1
    with pytest.raises(TransformError, match=r"199 samples .* n_fft=200: put PadOrTrim\(200\)"):
        transform(np.zeros(199, np.float32))


@pytest.mark.parametrize("kind", ALL)
def test_the_shortest_clip_that_can_be_reflected_is_taken(kind):
    assert kind(8_000)(np.ones(101, np.float32)).shape[0] == 2


def test_frame_takes_one_axis():
    with pytest.raises(TransformError, match=r"shape \(2, 9\)"):
        frame(np.zeros((2, 9)), frame_length=3, hop_length=1)


@pytest.mark.parametrize("kind", [MelSpectrogram, LogMel, MFCC])
def test_the_warning_names_the_line_that_made_the_transform(kind):
    with pytest.warns(UserWarning) as seen:
        kind.preset("torchaudio", n_mels=129 + len(kind.__name__))  # other filters than anybody has made before
    assert [warning.filename for warning in seen] == [__file__]


def test_default_filters_are_not_empty():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sample_rate in (8_000, 11_025, 16_000, 22_050, 44_100, 48_000):
            assert np.all(mel_filters(sample_rate, n_fft=LogMel(sample_rate).n_fft).any(axis=0))


@pytest.mark.parametrize("fast", ["0", "1"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 500, 999])
@pytest.mark.parametrize("kind", [*ALL, Chroma, Energy, ZeroCrossingRate])
def test_a_sample_that_is_not_finite_is_refused_with_its_place(kind, value, place, fast, monkeypatch):
    monkeypatch.setenv("DATALOAD_FAST", fast)
    good = np.random.default_rng(0).standard_normal(1_000).astype(np.float32)
    bad = good.copy()
    bad[place] = value
    transform = kind(8_000)
    with pytest.raises(TransformError, match=rf"{kind.__name__} got {value} at sample {place} \(1 of 1000"):
        transform(bad)
    if hasattr(transform, "batch"):
        with pytest.raises(TransformError, match=rf"got {value} at sample {place}"):
            transform.batch([good, bad, good])
    assert np.isfinite(transform(good)).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("switch", ["0", "1"], ids=["plain", "fast"])
@pytest.mark.parametrize("kind", [*ALL, Chroma, Energy])
@pytest.mark.parametrize("level", [1e12, 1e17, 1e18, 3e18, 1e19, 1e20, 1e30])
def test_samples_whose_power_overflows_are_refused_and_never_give_infinities(kind, level, switch, monkeypatch):
    monkeypatch.setenv("DATALOAD_FAST", switch)
    x = np.float32(level) * np.sin(np.arange(16_000, dtype=np.float32))
    try:
        features = kind(8_000)(x)
    except TransformError as error:
        assert level > 1e16 and f"{kind.__name__} got samples of up to" in str(error) and "too large" in str(error)
    else:
        assert level < 1e19 and np.isfinite(features).all()


def test_samples_that_overflow_are_refused_with_the_loudest():
    with pytest.raises(TransformError, match=r"LogMel got samples of up to 3e\+38, too large for float32: scale"):
        LogMel(8_000, n_mels=40)(np.full(1_000, 3e38, np.float32))


@pytest.mark.parametrize("kind", [*ALL, Chroma, Energy, ZeroCrossingRate])
@pytest.mark.parametrize("level", [0.0, 0.5, -1.0, 1e-30])
def test_a_constant_gives_finite_features(kind, level):
    assert np.isfinite(kind(8_000)(np.full(1_000, level, np.float32))).all()


def test_a_constant_less_its_mean_is_silence():
    transform = LogMel.preset("kaldi", n_mels=40)
    np.testing.assert_array_equal(transform(np.full(1_000, 0.5, np.float32)), transform(np.zeros(1_000, np.float32)))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"frame_count": "floor"}, "79 samples but frame_count='floor' needs at least 80"),
        (
            {"frame_count": "round", "center": "hop", "hop_length": 200},
            "79 samples but frame_count='round' needs at least 100",
        ),
        (
            {"center": False, "window_align": "left", "n_fft": 256},
            "79 samples but center=False needs at least win_length=200",
        ),
        ({"center": "hop"}, "79 samples but center=hop needs at least n_fft=200"),
        ({"pad_mode": "reflect"}, "79 samples but pad_mode='reflect' needs at least 101"),
        ({"center": False, "frame_count": "ceil"}, "79 samples but pad_mode='reflect' needs at least 122"),
    ],
    ids=str,
)
def test_a_clip_that_is_too_short_is_refused_with_what_is_needed(numbers, message):
    with pytest.raises(TransformError, match=message):
        LogMel(
            8_000,
            n_mels=40,
            **{"pad_mode": "constant", **({} if "pad_mode" not in message else {"pad_mode": "reflect"}), **numbers},
        )(np.ones(79, np.float32))
