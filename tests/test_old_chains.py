"""Chains that version 0.1.0 wrote as JSON are the same chains in this one, and compute what they did.

`tests/data/v0.1.0/chains.json` was written by that version, from the chains below: the JSON, and the shape and some
values of what came out for the inputs below. It is never written again.
"""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

import dataload.transforms
from dataload import Chain
from dataload.transforms import (
    MFCC,
    PCEN,
    AddNoise,
    Chroma,
    Clipping,
    DecodeAudio,
    Deltas,
    Dither,
    Energy,
    Gain,
    HighPass,
    LogMel,
    LowPass,
    MelSpectrogram,
    MixChannels,
    Normalize,
    OneOf,
    PadOrTrim,
    PerChannel,
    PitchShift,
    Polarity,
    PowerToDB,
    PreEmphasis,
    RandomCrop,
    RandomSegment,
    Resample,
    SelectChannel,
    SomeOf,
    Sometimes,
    SpecAugment,
    Spectrogram,
    SpeedPerturb,
    TempoPerturb,
    TimeShift,
    TrimSilence,
    ZeroCrossingRate,
)

ROOT = Path(__file__).resolve().parents[1]
CHAINS_FILE = ROOT / "tests" / "data" / "v0.1.0" / "chains.json"
# From the root of the repository, so that what was written there holds everywhere.
SPEECH = "tests/data/speech/3_lucas_0.wav"
VALUES = 48
# The first holds a source of recordings, the others work on whole batches: 0.1.0 had no JSON for these.
NOT_WRITTEN = {"RoomImpulse", "Mixup", "CutMix"}


def waveform(samples=4_000):
    """A tone, a sweep and noise, (samples,) float32: the same numbers on every machine."""
    t = np.arange(samples) / 8_000
    noise = (np.arange(samples, dtype=np.uint64) * 2_654_435_761 % 4_294_967_296) / 2**31 - 1
    return (0.3 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2e4 * t * t) + 0.05 * noise).astype(np.float32)


def stereo():
    return np.stack([waveform(), waveform()[::-1] * 0.5])


def features():
    return 3 + waveform(2_000).reshape(100, 20)


def power():
    return features() ** 2


def recording():
    return SPEECH


def faded():
    return waveform() * np.clip(np.abs(np.arange(4_000) - 2_000) - 1_000, 0, 1).astype(np.float32)


def preset(kind, name, **parameters):
    return [kind.preset(name, sample_rate=8_000, **parameters)]


# By name: the chain, and what it is given.
CHAINS = {
    "DecodeAudio": ([DecodeAudio(16_000, offset=0.05, duration=0.2)], recording),
    "DecodeAudio, channels": ([DecodeAudio(8_000, mono=False)], recording),
    "RandomSegment": ([RandomSegment(8_000, 0.1, mono=False)], recording),
    "Resample": ([Resample(8_000, 11_025)], waveform),
    "PreEmphasis": ([PreEmphasis(0.9)], waveform),
    "Dither": ([Dither(0.5)], waveform),
    "SelectChannel": ([SelectChannel(1)], stereo),
    "MixChannels": ([MixChannels([1, -1])], stereo),
    "PerChannel": ([PerChannel(LogMel(8_000, n_mels=10))], stereo),
    "Spectrogram": ([Spectrogram(8_000, power=1.0, n_fft=256, hop_length=100, pad_mode="constant")], waveform),
    "MelSpectrogram": ([MelSpectrogram(8_000, n_mels=30, f_min=50.0, f_max=3_500.0, mel_scale="htk")], waveform),
    "LogMel": ([LogMel(8_000, n_mels=40, log="db", top_db=50.0, floor=1e-7, center=False, window="hamming")], waveform),
    "MFCC": ([MFCC(8_000, n_mfcc=10, n_mels=30, top_db=None, lifter=22)], waveform),
    "Chroma": ([Chroma(8_000, tuning=0.5)], waveform),
    "Energy": ([Energy(8_000, log=None)], waveform),
    "ZeroCrossingRate": ([ZeroCrossingRate(8_000, hop_length=100)], waveform),
    "PCEN": ([PCEN(8_000, gain=0.8)], power),
    "PowerToDB": ([PowerToDB(top_db=30)], power),
    "Deltas": ([Deltas(order=1)], features),
    "Normalize": ([Normalize(ddof=1, eps=1e-3)], features),
    "Normalize, fitted": ([Normalize([float(i) for i in range(20)], 2.5)], features),
    "PadOrTrim": ([PadOrTrim(130, value=-1.5)], features),
    "RandomCrop": ([RandomCrop(13, axis=-1)], features),
    "TimeShift": ([TimeShift((-0.5, 0.5), mode="wrap")], waveform),
    "TrimSilence": ([TrimSilence(8_000, top_db=30, margin=0.01)], faded),
    "Gain": ([Gain((-3, 9))], waveform),
    "Polarity": ([Polarity(0.9)], waveform),
    "Clipping": ([Clipping((0.2, 0.3))], waveform),
    "LowPass": ([LowPass(8_000, (500, 3_000))], waveform),
    "HighPass": ([HighPass(8_000, 500, order=4)], waveform),
    "SpeedPerturb": ([SpeedPerturb([0.85, 1.2])], waveform),
    "TempoPerturb": ([TempoPerturb(8_000, [0.8])], waveform),
    "PitchShift": ([PitchShift(8_000, (2, 3))], waveform),
    "AddNoise": ([AddNoise((5, 20))], waveform),
    "SpecAugment": ([SpecAugment(n_freq_masks=1, freq_width=5, n_time_masks=3, time_width=9, fill=0.5)], features),
    "SpecAugment, policy": ([SpecAugment.policy("SM")], features),
    "Sometimes": ([Sometimes(Gain((3, 6)), 0.9)], waveform),
    "OneOf": ([OneOf([Gain((3, 5)), [Gain(4), Polarity(1)]], weights=[1, 2])], waveform),
    "SomeOf": ([SomeOf([Gain((3, 5)), Clipping(0.2), Polarity(1)], (1, 2))], waveform),
    "a whole chain": (
        [DecodeAudio(16_000), RandomCrop(3_000), LogMel(16_000), Normalize(), SpecAugment(), PadOrTrim(60)],
        recording,
    ),
    "nothing": ([], waveform),
    **{
        f"{kind.__name__}, {name}": (preset(kind, name), waveform)
        for kind, names in [
            (Spectrogram, ["librosa", "torchaudio", "tf.signal"]),
            (MelSpectrogram, ["librosa", "torchaudio", "kaldi"]),
            (LogMel, ["librosa", "torchaudio", "kaldi", "whisper", "nemo"]),
            (MFCC, ["librosa", "torchaudio", "kaldi"]),
            (Chroma, ["librosa"]),
            (Energy, ["kaldi"]),
        ]
        for name in names
    },
    "MelSpectrogram, tf.signal": (preset(MelSpectrogram, "tf.signal", f_max=3_800.0), waveform),
    "LogMel, tf.signal": (preset(LogMel, "tf.signal", f_max=3_800.0), waveform),
    "MFCC, tf.signal": (preset(MFCC, "tf.signal", f_max=3_800.0), waveform),
}


def sampled(array):
    """Return values of an array at equal distances."""
    return array.ravel()[:: max(1, array.size // VALUES)]


def read():
    return json.loads(CHAINS_FILE.read_text())


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_of_0_1_0_is_the_same_chain_and_computes_the_same(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    saved, (transforms, given) = read()["chains"][name], CHAINS[name]
    chain = Chain.from_json(json.dumps(saved["json"]))
    assert chain == Chain(transforms)
    array = chain(given(), np.random.default_rng(5))
    assert (str(array.dtype), list(array.shape)) == (saved["dtype"], saved["shape"])
    scale = max(1.0, np.abs(saved["values"]).max())
    np.testing.assert_allclose(sampled(array), saved["values"], rtol=1e-4, atol=1e-4 * scale)


def test_every_chain_that_was_written_is_read():
    assert set(read()["chains"]) == set(CHAINS)


def test_every_transform_of_0_1_0_is_here_and_in_a_chain():
    text = CHAINS_FILE.read_text()
    for name in read()["transforms"]:
        assert inspect.isclass(getattr(dataload.transforms, name))
        assert f'"transform": "{name}"' in text or name in NOT_WRITTEN
