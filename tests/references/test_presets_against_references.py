"""Each preset against the package that it is named after; torchaudio and NeMo by their definitions, in torch."""

import warnings

import librosa
import numpy as np
import pytest
import torch
from sounds import RATES, sounds

from dataload.errors import TransformError
from dataload.transforms import MFCC, Chroma, Energy, LogMel, MelSpectrogram, Spectrogram

pytestmark = pytest.mark.filterwarnings(
    "ignore:Empty filters", "ignore:n_fft=.* is too large", "ignore:mel filters without", "ignore:Trying to estimate"
)


def relative(ours, theirs):
    """The largest difference over the largest value."""
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    return float(np.abs(ours - theirs).max()) / max(float(np.abs(theirs).max()), 1e-20)


def in_nats(ours, theirs, per_nat=1.0, span=12.0, floor=-np.inf):
    """The largest difference in nats among the bins within `span` nats of their frame's maximum and above a floor.

    What is quieter than that is rounding noise of the Fourier transform, in every package another one.
    """
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    ours, theirs = ours.astype(np.float64) / per_nat, theirs.astype(np.float64) / per_nat
    seen = (theirs > theirs.max(axis=1, keepdims=True) - span) & (theirs > floor)
    return float(np.abs(ours - theirs)[seen].max(initial=0.0))


def fills_the_band(name, rate):
    """Tell whether no bin of a sound is so quiet that rounding decides its logarithm, and through it the cepstrum."""
    return "noise" in name or ("speech" in name and rate == 8_000)


DB = 10 / np.log(10)


@pytest.mark.parametrize("rate", RATES)
class TestLibrosa:
    def test_spectrogram(self, rate, speech):
        for power in (1.0, 2.0):
            transform = Spectrogram.preset("librosa", sample_rate=rate, power=power)
            for name, x in sounds(rate, speech).items():
                assert relative(transform(x), np.abs(librosa.stft(x)).T ** power) < 1e-5, name

    def test_mel_spectrogram(self, rate, speech):
        transform = MelSpectrogram.preset("librosa", sample_rate=rate)
        for name, x in sounds(rate, speech).items():
            theirs = librosa.feature.melspectrogram(y=x, sr=rate).T
            assert relative(transform(x), theirs) < 1e-5, name

    def test_log_mel(self, rate, speech):
        transform = LogMel.preset("librosa", sample_rate=rate)
        for name, x in sounds(rate, speech).items():
            theirs = librosa.power_to_db(librosa.feature.melspectrogram(y=x, sr=rate)).T
            assert in_nats(transform(x), theirs, per_nat=DB) < 2e-4, name
            assert relative(transform(x), theirs) < 1e-4, name

    def test_mfcc(self, rate, speech):
        transform = MFCC.preset("librosa", sample_rate=rate)
        for name, x in sounds(rate, speech).items():
            assert relative(transform(x), librosa.feature.mfcc(y=x, sr=rate).T) < 1e-5, name

    def test_chroma(self, rate, speech):
        transform = Chroma.preset("librosa", sample_rate=rate)
        for name, x in sounds(rate, speech).items():
            theirs = librosa.feature.chroma_stft(y=x, sr=rate, tuning=0.0).T
            assert relative(transform(x), theirs) < 1e-5, name


def torchaudio_bank(rate, n_freqs=201, n_mels=128):
    """torchaudio.functional.melscale_fbanks(n_freqs, 0, rate // 2, n_mels, rate) from its documented definition."""
    frequencies = np.linspace(0, rate // 2, n_freqs)
    ends = 2595.0 * np.log10(1.0 + np.array([0.0, rate // 2]) / 700.0)
    points = 700.0 * (10.0 ** (np.linspace(*ends, n_mels + 2) / 2595.0) - 1.0)
    up = (frequencies[:, None] - points[:-2]) / np.diff(points)[:-1]
    down = (points[2:] - frequencies[:, None]) / np.diff(points)[1:]
    return torch.from_numpy(np.maximum(0.0, np.minimum(up, down)).astype(np.float32))


def torchaudio_power(x, n_fft=400, hop_length=200):
    spectrum = torch.stft(
        torch.from_numpy(x), n_fft, hop_length, n_fft, torch.hann_window(n_fft), pad_mode="reflect", return_complex=True
    )
    return spectrum.abs().pow(2.0).T


def torchaudio_db(power, top_db=None):
    db = 10.0 * torch.log10(torch.clamp(power, min=1e-10))
    return db if top_db is None else torch.maximum(db, db.max() - top_db)


@pytest.mark.parametrize("rate", RATES)
class TestTorchaudio:
    def test_spectrogram(self, rate, speech):
        transform = Spectrogram.preset("torchaudio", sample_rate=rate)
        for name, x in sounds(rate, speech, shortest=201).items():
            assert relative(transform(x), torchaudio_power(x).numpy()) < 1e-5, name

    def test_mel_spectrogram(self, rate, speech):
        transform = MelSpectrogram.preset("torchaudio", sample_rate=rate)
        for name, x in sounds(rate, speech, shortest=201).items():
            assert relative(transform(x), (torchaudio_power(x) @ torchaudio_bank(rate)).numpy()) < 1e-5, name

    def test_log_mel(self, rate, speech):
        transform = LogMel.preset("torchaudio", sample_rate=rate)
        for name, x in sounds(rate, speech, shortest=201).items():
            theirs = torchaudio_db(torchaudio_power(x) @ torchaudio_bank(rate)).numpy()
            assert in_nats(transform(x), theirs, per_nat=DB) < 5e-4, name

    def test_mfcc(self, rate, speech):
        transform = MFCC.preset("torchaudio", sample_rate=rate)
        n, k = torch.arange(128.0), torch.arange(40.0)[:, None]
        dct = torch.cos(torch.pi / 128 * (n + 0.5) * k) * (2.0 / 128) ** 0.5
        dct[0] *= 0.5**0.5
        for name, x in sounds(rate, speech, shortest=201).items():
            theirs = torchaudio_db(torchaudio_power(x) @ torchaudio_bank(rate), 80.0) @ dct.T
            assert relative(transform(x), theirs.numpy()) < 1e-4, name

    def test_a_clip_that_cannot_be_reflected_is_refused_by_both(self, rate):
        x = np.ones(200, np.float32)
        with pytest.raises(RuntimeError):
            torchaudio_power(x)
        with pytest.raises(TransformError, match="at least 201"):
            LogMel.preset("torchaudio", sample_rate=rate)(x)


def from_kaldi(extractor, rate, x):
    extractor.accept_waveform(rate, (x * np.float32(32768.0)).tolist())
    extractor.input_finished()
    rows = [extractor.get_frame(i) for i in range(extractor.num_frames_ready)]
    return np.array(rows, np.float32)


def kaldi_options(kind, rate, snip_edges=True, **values):
    import kaldi_native_fbank as knf

    options = getattr(knf, f"{kind}Options")()
    frames = options.frame_opts
    frames.dither, frames.samp_freq, frames.snip_edges = 0.0, rate, snip_edges
    for name, value in values.items():
        setattr(options, name, value)
    return options


WITHOUT_SNIPPING = {"center": "hop", "frame_count": "round"}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("snip_edges", [True, False], ids=["snip_edges", "no snip_edges"])
class TestKaldi:
    def sounds(self, rate, speech, snip_edges):
        """What gives at least one frame; Kaldi gives none for less, and we refuse it."""
        found = sounds(rate, speech, shortest=rate * 25 // 1000 if snip_edges else rate * 10 // 2000 + 1)
        # The difference of a constant from its mean is rounding alone, whose logarithm means nothing.
        return {name: x for name, x in found.items() if name != "constant"}

    def test_mel_spectrogram(self, rate, snip_edges, speech):
        knf = pytest.importorskip("kaldi_native_fbank")
        transform = MelSpectrogram.preset("kaldi", sample_rate=rate, **({} if snip_edges else WITHOUT_SNIPPING))
        for name, x in self.sounds(rate, speech, snip_edges).items():
            options = kaldi_options("Fbank", rate, snip_edges, use_log_fbank=False)
            assert relative(transform(x), from_kaldi(knf.OnlineFbank(options), rate, x)) < 1e-5, name

    @pytest.mark.parametrize("n_mels", [23, 80])
    def test_log_mel(self, rate, snip_edges, n_mels, speech):
        knf = pytest.importorskip("kaldi_native_fbank")
        more = {} if snip_edges else WITHOUT_SNIPPING
        transform = LogMel.preset("kaldi", sample_rate=rate, n_mels=n_mels, **more)
        for name, x in self.sounds(rate, speech, snip_edges).items():
            options = kaldi_options("Fbank", rate, snip_edges)
            options.mel_opts.num_bins = n_mels
            assert in_nats(transform(x), from_kaldi(knf.OnlineFbank(options), rate, x)) < 5e-4, name

    def test_mfcc(self, rate, snip_edges, speech):
        knf = pytest.importorskip("kaldi_native_fbank")
        transform = MFCC.preset("kaldi", sample_rate=rate, **({} if snip_edges else WITHOUT_SNIPPING))
        for name, x in self.sounds(rate, speech, snip_edges).items():
            theirs = from_kaldi(knf.OnlineMfcc(kaldi_options("Mfcc", rate, snip_edges)), rate, x)
            assert relative(transform(x), theirs) < (5e-4 if fills_the_band(name, rate) else 5e-2), name

    def test_energy(self, rate, snip_edges, speech):
        knf = pytest.importorskip("kaldi_native_fbank")
        transform = Energy.preset("kaldi", sample_rate=rate, **({} if snip_edges else WITHOUT_SNIPPING))
        for name, x in self.sounds(rate, speech, snip_edges).items():
            theirs = from_kaldi(knf.OnlineMfcc(kaldi_options("Mfcc", rate, snip_edges)), rate, x)
            np.testing.assert_allclose(transform(x)[:, 0], theirs[:, 0], atol=1e-5, err_msg=name)

    def test_a_clip_without_a_frame_is_refused_where_kaldi_gives_nothing(self, rate, snip_edges):
        knf = pytest.importorskip("kaldi_native_fbank")
        x = np.ones((rate * 25 // 1000 if snip_edges else rate * 10 // 1000 - rate * 10 // 2000) - 1, np.float32)
        extractor = knf.OnlineFbank(kaldi_options("Fbank", rate, snip_edges))
        assert len(from_kaldi(extractor, rate, x)) == 0
        with pytest.raises(TransformError, match=f"got {len(x)} samples .* needs at least"):
            LogMel.preset("kaldi", sample_rate=rate, **({} if snip_edges else WITHOUT_SNIPPING))(x)


def offsets(rate):
    """Sounds far from zero beside their size: what is lost in rounding the offset is lost of them."""
    faint = 1e-3 * np.random.default_rng(rate).standard_normal(rate)
    made = {f"faint noise at {offset}": faint + offset for offset in (0.01, -0.03)}
    made["faint noise on a slow ramp"] = faint + np.linspace(-0.9, 0.9, rate)
    made["slow ramp"] = np.linspace(-0.5, 0.5, 2 * rate)
    return {name: x.astype(np.float32) for name, x in made.items()}


@pytest.mark.parametrize("switch", ["0", "1"], ids=["plain", "fast"])
@pytest.mark.parametrize("rate", RATES)
def test_kaldi_keeps_its_precision_far_from_zero(rate, switch, monkeypatch):
    knf = pytest.importorskip("kaldi_native_fbank")
    monkeypatch.setenv("DATALOAD_FAST", switch)
    transform = LogMel.preset("kaldi", sample_rate=rate, n_mels=80)
    for name, x in offsets(rate).items():
        options = kaldi_options("Fbank", rate)
        options.mel_opts.num_bins = 80
        assert in_nats(transform(x), from_kaldi(knf.OnlineFbank(options), rate, x)) < 1e-3, name


def tf_magnitudes(x, length=1024, hop=256, pad_end=False):
    tf = pytest.importorskip("tensorflow")
    return tf.abs(tf.signal.stft(x, length, hop, pad_end=pad_end))


def tf_mels(x, rate, f_max, **options):
    tf = pytest.importorskip("tensorflow")
    magnitudes = tf_magnitudes(x, **options)
    bank = tf.signal.linear_to_mel_weight_matrix(80, magnitudes.shape[-1], rate, 80.0, f_max)
    return tf.tensordot(magnitudes, bank, 1)


@pytest.mark.parametrize("rate", RATES)
class TestTensorFlow:
    def test_spectrogram(self, rate, speech):
        transform = Spectrogram.preset("tf.signal", sample_rate=rate)
        for name, x in sounds(rate, speech, shortest=1024).items():
            assert relative(transform(x), tf_magnitudes(x).numpy()) < 1e-5, name

    @pytest.mark.parametrize("length", [400, 401])
    def test_spectrogram_of_other_lengths_and_padded_at_the_end(self, rate, length, speech):
        transform = Spectrogram.preset(
            "tf.signal", sample_rate=rate, win_length=length, hop_length=160, frame_count="ceil"
        )
        # TensorFlow computes windows in float32, and too little is left of two samples where they are nearly zero.
        for name, x in sounds(rate, speech, shortest=99).items():
            theirs = tf_magnitudes(x, length, 160, pad_end=True).numpy()
            assert relative(transform(x), theirs) < 1e-5, name

    def test_mel_spectrogram(self, rate, speech):
        f_max = min(7_600.0, rate / 2)
        transform = MelSpectrogram.preset("tf.signal", sample_rate=rate, f_max=f_max)
        for name, x in sounds(rate, speech, shortest=1024).items():
            if name != "constant":  # nothing but rounding above 80 Hz
                assert relative(transform(x), tf_mels(x, rate, f_max).numpy()) < 1e-5, name

    def test_log_mel(self, rate, speech):
        f_max = min(7_600.0, rate / 2)
        transform = LogMel.preset("tf.signal", sample_rate=rate, f_max=f_max)
        for name, x in sounds(rate, speech, shortest=1024).items():
            theirs = np.log(tf_mels(x, rate, f_max).numpy() + 1e-6)
            # Of magnitudes: 8 nats are 70 dB.
            floor = max(np.log(1e-5), theirs.max() - 8.0)
            assert in_nats(transform(x), theirs, floor=floor) < 1e-3, name

    def test_mfcc(self, rate, speech):
        tf = pytest.importorskip("tensorflow")
        f_max = min(7_600.0, rate / 2)
        transform = MFCC.preset("tf.signal", sample_rate=rate, f_max=f_max)
        for name, x in sounds(rate, speech, shortest=1024).items():
            theirs = tf.signal.mfccs_from_log_mel_spectrograms(tf.math.log(tf_mels(x, rate, f_max) + 1e-6))[..., :13]
            assert relative(transform(x), theirs.numpy()) < (1e-4 if fills_the_band(name, rate) else 5e-2), name


@pytest.mark.parametrize("n_mels", [80, 128])
def test_whisper_equals_the_feature_extractor_of_transformers(n_mels, speech):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.WhisperFeatureExtractor(feature_size=n_mels)
    transform = LogMel.preset("whisper", n_mels=n_mels)
    for name, x in sounds(16_000, speech).items():
        padded = np.zeros(480_000, np.float32)
        padded[: len(x)] = x
        expected = theirs(x, sampling_rate=16_000, return_tensors="np").input_features[0].T
        ours = transform(padded)
        assert ours.shape == (3000, n_mels)
        assert np.abs(ours - expected).max() < 1e-4, name


def nemo(x, rate):
    """AudioToMelSpectrogramPreprocessor in evaluation, from its documentation: window_size 0.025, features 80."""
    length, hop = rate * 25 // 1000, rate * 10 // 1000
    n_fft = 1 << (length - 1).bit_length()
    x = torch.from_numpy(x)
    x = torch.cat([x[:1], x[1:] - 0.97 * x[:-1]])
    shape = torch.hann_window(length, periodic=False)
    spectrum = torch.stft(x, n_fft, hop, length, shape, center=True, pad_mode="constant", return_complex=True)
    bank = torch.from_numpy(librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=80))
    logs = torch.log(bank @ spectrum.abs() ** 2 + 2.0**-24)[:, : len(x) // hop]
    centred = logs - logs.mean(dim=1, keepdim=True)
    return (centred / (logs.std(dim=1, keepdim=True) + 1e-5)).T.numpy(), logs.T.numpy()


@pytest.mark.parametrize("rate", RATES)
def test_nemo_equals_its_definition(rate, speech):
    normalized = LogMel.preset("nemo", sample_rate=rate)
    plain = LogMel.preset("nemo", sample_rate=rate, normalize=None)
    for name, x in sounds(rate, speech, shortest=2 * rate * 10 // 1000).items():
        expected, logs = nemo(x, rate)
        assert in_nats(plain(x), logs, floor=np.log(1e-6)) < 5e-4, name
        if "speech" in name or name == "noise":
            np.testing.assert_allclose(normalized(x), expected, atol=5e-3, err_msg=name)


def test_nemo_equals_kaldi_native_fbank_but_for_the_normalization(speech):
    knf = pytest.importorskip("kaldi_native_fbank")
    transform = LogMel.preset("nemo", normalize=None)
    for name, x in sounds(16_000, speech, shortest=800).items():
        theirs = knf.OnlineNemoFbank(knf.NemoFbankOptions())
        theirs.accept_waveform(16_000, x.tolist())
        theirs.input_finished()
        expected = np.asarray(theirs.get_frames(0, len(x) // 160, True)[0])
        assert in_nats(transform(x), expected, floor=np.log(1e-6)) < 5e-4, name


def test_a_preset_makes_no_empty_filters_that_its_reference_has_not():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("librosa", "kaldi", "tf.signal", "whisper", "nemo"):
            LogMel.preset(name)
