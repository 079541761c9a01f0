"""What holds for every transform: it compares, prints and pickles by value, and a chain checks it before any data."""

import doctest
import importlib
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dataload.transforms
from dataload.chain import Chain, Spec
from dataload.errors import ChainError
from dataload.transforms import (
    MFCC,
    PCEN,
    AddNoise,
    Chroma,
    Clipping,
    CutMix,
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
    Mixup,
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
    RoomImpulse,
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

REPOSITORY = Path(__file__).resolve().parents[2]

# Each with its repr, and one that differs.
VALUES = [
    (DecodeAudio(8_000), "DecodeAudio(8000)", DecodeAudio(16_000)),
    (DecodeAudio(8_000, mono=False), "DecodeAudio(8000, mono=False)", DecodeAudio(8_000)),
    (Spectrogram(16_000, power=1.0), "Spectrogram(16000, power=1.0)", Spectrogram(16_000)),
    (MelSpectrogram(16_000, f_max=7_600), "MelSpectrogram(16000, f_max=7600.0)", MelSpectrogram(16_000)),
    (LogMel(16_000), "LogMel(16000)", LogMel(8_000)),
    (LogMel(8_000, n_mels=40, log="db"), "LogMel(8000, n_mels=40, log='db')", LogMel(8_000, n_mels=40)),
    (LogMel(16_000, n_fft=512, norm=None), "LogMel(16000, n_fft=512, norm=None)", LogMel(16_000, norm=None)),
    (MFCC(8_000, top_db=None), "MFCC(8000, top_db=None)", MFCC(8_000)),
    (Resample(8_000, 16_000), "Resample(8000, 16000)", Resample(16_000, 8_000)),
    (RandomCrop(100), "RandomCrop(100)", RandomCrop(101)),
    (PadOrTrim(100, value=1.0), "PadOrTrim(100, value=1.0)", PadOrTrim(100)),
    (Normalize(), "Normalize()", Normalize(eps=1e-3)),
    (Normalize([1.0, 2.0], 3.0), "Normalize(mean=(1.0, 2.0), std=3.0)", Normalize(1.0, 3.0)),
    (Normalize(ddof=1), "Normalize(ddof=1)", Normalize()),
    (Chroma(22_050, tuning=0.5), "Chroma(22050, tuning=0.5)", Chroma(22_050)),
    (PCEN(16_000, gain=0.8), "PCEN(16000, gain=0.8)", PCEN(16_000)),
    (Deltas(order=1), "Deltas(order=1)", Deltas()),
    (Dither(0.5), "Dither(amount=0.5)", Dither()),
    (PreEmphasis(), "PreEmphasis()", PreEmphasis(0.9)),
    (PowerToDB(top_db=None), "PowerToDB(top_db=None)", PowerToDB()),
    (Energy(8_000, log=None), "Energy(8000, log=None)", Energy(8_000)),
    (ZeroCrossingRate(8_000, hop_length=100), "ZeroCrossingRate(8000, hop_length=100)", ZeroCrossingRate(8_000)),
    (SpecAugment(fill=0.0), "SpecAugment(fill=0.0)", SpecAugment()),
    (
        SpecAugment.policy("LB"),
        "SpecAugment(n_freq_masks=1, n_time_masks=1, time_share=1.0, time_warp=80)",
        SpecAugment.policy("LD"),
    ),
    (DecodeAudio(8_000, offset=1, duration=2), "DecodeAudio(8000, offset=1.0, duration=2.0)", DecodeAudio(8_000)),
    (RandomSegment(8_000, 2), "RandomSegment(8000, 2.0)", RandomSegment(8_000, 2, mono=False)),
    (RandomCrop(100, axis=-1), "RandomCrop(100, axis=-1)", RandomCrop(100)),
    (TimeShift((-0.5, 0.5), mode="wrap"), "TimeShift(shift=(-0.5, 0.5), mode='wrap')", TimeShift(0.5)),
    (TrimSilence(8_000, top_db=30), "TrimSilence(8000, top_db=30.0)", TrimSilence(8_000)),
    (Gain((-3, 3)), "Gain(gain_db=(-3.0, 3.0))", Gain(3)),
    (Polarity(), "Polarity()", Polarity(1)),
    (Clipping(0.5), "Clipping(level=0.5)", Clipping((0.5, 0.6))),
    (LowPass(8_000, (500, 3_000)), "LowPass(8000, (500.0, 3000.0))", LowPass(8_000, 500)),
    (HighPass(8_000, 50, order=4), "HighPass(8000, 50.0, order=4)", HighPass(8_000, 50)),
    (SpeedPerturb(), "SpeedPerturb()", SpeedPerturb([0.9])),
    (TempoPerturb(8_000, [0.5]), "TempoPerturb(8000, factors=(0.5,))", TempoPerturb(8_000)),
    (PitchShift(8_000, 1), "PitchShift(8000, semitones=1.0)", PitchShift(8_000, (0, 1))),
    (AddNoise((5, 20)), "AddNoise(snr_db=(5.0, 20.0))", AddNoise(5)),
    (
        AddNoise(5, source=["a.wav", "b.wav"], sample_rate=8_000),
        "AddNoise(snr_db=5.0, source=['a.wav', 'b.wav'], sample_rate=8000)",
        AddNoise(5, source=["a.wav"], sample_rate=8_000),
    ),
    (RoomImpulse(["a.wav"], 8_000), "RoomImpulse(['a.wav'], 8000)", RoomImpulse(["b.wav"], 8_000)),
    (Sometimes(Gain(3), 0.1), "Sometimes(Gain(gain_db=3.0), p=0.1)", Sometimes(Gain(4), 0.1)),
    (
        OneOf([Gain(3), [Gain(4), Polarity(1)]]),
        "OneOf((Gain(gain_db=3.0), (Gain(gain_db=4.0), Polarity(p=1.0))))",
        OneOf([Gain(3)]),
    ),
    (OneOf([Gain(3)], weights=[2]), "OneOf((Gain(gain_db=3.0),), weights=(2.0,))", OneOf([Gain(3)])),
    (
        SomeOf([Gain(3), Gain(4)], (0, 2)),
        "SomeOf((Gain(gain_db=3.0), Gain(gain_db=4.0)), (0, 2))",
        SomeOf([Gain(3), Gain(4)], 2),
    ),
    (SelectChannel(1), "SelectChannel(1)", SelectChannel(0)),
    (MixChannels([1, -1]), "MixChannels(weights=(1.0, -1.0))", MixChannels()),
    (PerChannel(LogMel(8_000)), "PerChannel(LogMel(8000))", PerChannel(LogMel(16_000))),
    (Mixup(10, "image", alpha=0.2), "Mixup(10, field='image', alpha=0.2)", Mixup(10, "image")),
    (CutMix(10, 0, 1, axes=(1, 2)), "CutMix(10, field=0, label=1, axes=(1, 2))", CutMix(10, 0, 1)),
]
CLASSES = [getattr(dataload.transforms, name) for name in dataload.transforms.__all__]


@pytest.mark.parametrize(("transform", "text", "other"), VALUES, ids=[text for _, text, _ in VALUES])
def test_it_compares_prints_and_pickles_by_value(transform, text, other):
    assert repr(transform) == text
    again = eval(text)
    assert again == transform
    assert hash(again) == hash(transform)
    assert other != transform
    assert other != text
    data = pickle.dumps(transform)
    assert len(data) < 600
    assert pickle.loads(data) == transform
    with pytest.raises(AttributeError):
        transform.sample_rate = 3


def test_every_public_class_is_among_them():
    assert {type(transform) for transform, _, _ in VALUES} == set(CLASSES)


def test_using_a_transform_does_not_make_its_pickle_larger():
    transform = LogMel(8_000)
    before = pickle.dumps(transform)
    transform(np.ones(8_000, np.float32))
    assert pickle.dumps(transform) == before


def test_a_default_and_the_same_number_are_equal():
    assert LogMel(16_000) == LogMel(16_000, n_fft=400, win_length=400, hop_length=160, f_max=8_000)
    assert LogMel(8_000).hop_length == 80
    assert LogMel(8_000).n_fft == LogMel(8_000).win_length == 200
    assert LogMel(np.int64(8_000)) == LogMel(8_000)


def test_a_subclass_is_another_transform():
    assert MFCC(8_000) != LogMel(8_000, log="db", top_db=80.0)


def test_rates_that_differ_are_found_when_the_chain_is_made():
    with pytest.raises(ChainError) as caught:
        Chain([DecodeAudio(8_000), LogMel(16_000)])
    assert str(caught.value) == (
        "LogMel(16000) cannot follow DecodeAudio(8000): it expects 16000 Hz but gets 8000 Hz: "
        "use DecodeAudio(16000), or add Resample(8000, 16000)"
    )
    Chain([DecodeAudio(8_000), Resample(8_000, 16_000), LogMel(16_000)])


@pytest.mark.parametrize(
    "steps",
    [
        [LogMel(8_000), LogMel(8_000)],
        [LogMel(8_000), Resample(8_000, 16_000)],
        [LogMel(8_000), DecodeAudio(8_000)],
        [DecodeAudio(8_000), DecodeAudio(8_000)],
        [DecodeAudio(8_000), SpecAugment()],
        [DecodeAudio(8_000), PadOrTrim(100), Spectrogram(16_000)],
        [LogMel],
        [RandomCrop],
        [LogMel(8_000), PreEmphasis()],
        [LogMel(8_000), Dither()],
        [LogMel(8_000), Energy(8_000)],
        [LogMel(8_000), ZeroCrossingRate(8_000)],
        [DecodeAudio(8_000), Deltas()],
        [DecodeAudio(8_000), PCEN(8_000)],
    ],
    ids=str,
)
def test_an_order_that_cannot_work_is_found_when_the_chain_is_made(steps):
    with pytest.raises(ChainError):
        Chain(steps)


@pytest.mark.parametrize(
    ("steps", "spec"),
    [
        ([DecodeAudio(8_000)], Spec("waveform", 8_000, True)),
        ([DecodeAudio(8_000), LogMel(8_000)], Spec("features", 8_000, True)),
        ([DecodeAudio(8_000), PadOrTrim(8_000), MFCC(8_000)], Spec("features", 8_000, False)),
        ([DecodeAudio(8_000), RandomCrop(8_000), Spectrogram(8_000)], Spec("features", 8_000, False)),
        ([DecodeAudio(8_000), MelSpectrogram(8_000), Normalize(), SpecAugment()], Spec("features", 8_000, True)),
        ([DecodeAudio(8_000), LogMel(8_000), PadOrTrim(100)], Spec("features", 8_000, False)),
        ([DecodeAudio(8_000), np.negative, LogMel(16_000)], Spec("features", 16_000, True)),
        ([LogMel(8_000)], Spec("features", 8_000, False)),
        ([DecodeAudio(8_000), Dither(), PreEmphasis(), LogMel(8_000), Deltas()], Spec("features", 8_000, True)),
        ([DecodeAudio(8_000), MelSpectrogram(8_000), PCEN(8_000)], Spec("features", 8_000, True)),
        ([DecodeAudio(8_000), MelSpectrogram(8_000), PowerToDB()], Spec("features", 8_000, True)),
        ([DecodeAudio(8_000), PadOrTrim(8_000), Chroma(8_000)], Spec("features", 8_000, False)),
        ([DecodeAudio(8_000), ZeroCrossingRate(8_000)], Spec("features", 8_000, True)),
    ],
    ids=str,
)
def test_a_chain_knows_what_comes_out_of_it(steps, spec):
    assert Chain(steps).spec == spec


def test_a_whole_chain_works_on_a_file(speech_files):
    chain = Chain([DecodeAudio(16_000), RandomCrop(8_000), LogMel(16_000), Normalize(), SpecAugment(), PadOrTrim(60)])
    out = chain(speech_files[0], np.random.default_rng(0))
    assert out.shape == (60, 80)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


PREFIX = "dataload.transforms."
MODULES = [module.name.removeprefix(PREFIX) for module in pkgutil.walk_packages(dataload.transforms.__path__, PREFIX)]
EXTRA = ("numba_kernels", "mkl_kernels")  # need the extra `fast`: tests/extras/


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith(EXTRA)])
def test_the_examples_in_the_docstrings_are_right(name):
    module = importlib.import_module(f"dataload.transforms.{name}")
    assert doctest.testmod(module).failed == 0


def test_every_public_class_and_function_has_an_example():
    finder = doctest.DocTestFinder(exclude_empty=False)
    functional = importlib.import_module("dataload.transforms.functional")
    public = [*CLASSES, *(getattr(functional, name) for name in functional.__all__)]
    without = [item.__name__ for item in public if not any(test.examples for test in finder.find(item))]
    assert without == []


@pytest.mark.parametrize("statement", ["import transforms", "import transforms.spectral.mel"])
def test_the_folder_cannot_be_imported_under_its_short_name(statement):
    run = subprocess.run([sys.executable, "-c", statement], cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 1
    assert "ImportError: this package is `dataload.transforms`, but it was imported as `transforms`" in run.stderr


def test_importing_it_loads_no_framework_and_no_decoder():
    code = (
        "import sys, dataload.transforms\n"
        "names = ('torch', 'tensorflow', 'librosa', 'soundfile', 'soxr', 'scipy.signal',"
        "'numba', 'mkl_fft', 'miniaudio')\n"
        "print([name for name in names if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert run.stdout.strip() == "[]"
