"""What holds for every augmentation: all that is random comes from the generator, and what came in stays as it was."""

import concurrent.futures

import conformance
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from dataload import FileSource, Loader
from dataload.chain import Chain, RandomTransform, Spec
from dataload.errors import ChainError, TransformError
from dataload.keys import generator
from dataload.transforms import (
    AddNoise,
    Clipping,
    DecodeAudio,
    Gain,
    HighPass,
    LogMel,
    LowPass,
    OneOf,
    PitchShift,
    Polarity,
    RandomCrop,
    RandomSegment,
    RoomImpulse,
    SomeOf,
    Sometimes,
    SpecAugment,
    SpeedPerturb,
    TempoPerturb,
    TimeShift,
    TrimSilence,
)

_rng = np.random.default_rng(0)
NOISES = [_rng.standard_normal(n).astype(np.float32) for n in (500, 4_000, 20_000)]
ROOMS = [(_rng.standard_normal(n) * np.exp(-np.arange(n) / n * 7)).astype(np.float32) for n in (300, 1_200)]

# Every augmentation of waveforms, each with how many of 20 generators must give another result than the others.
WAVES = [
    (Gain(), 20),
    (Polarity(), 2),
    (Clipping(), 20),
    (LowPass(8_000, (300, 3_000)), 20),
    (HighPass(8_000, (30, 600)), 20),
    (TimeShift(), 18),
    (SpeedPerturb(), 3),
    (TempoPerturb(8_000), 3),
    (PitchShift(8_000), 20),
    (AddNoise(), 20),
    (AddNoise((5, 20), source=NOISES, sample_rate=8_000), 20),
    (RoomImpulse(ROOMS, 8_000), 2),
    (Sometimes(Gain()), 6),
    (OneOf([Gain(), Polarity(), [TimeShift(), AddNoise()]]), 10),
    (SomeOf([Gain(), AddNoise(), Polarity(1.0)], (1, 3)), 10),
]
FEATURES = [(SpecAugment(), 18), (SpecAugment.policy("LB"), 18)]
CROPS = [(RandomCrop(50), 18)]


@pytest.fixture(scope="module")
def wave():
    rng = np.random.default_rng(1)
    t = np.arange(6_000) / 8_000
    return (0.3 * np.sin(2 * np.pi * 180 * t) + 0.05 * rng.standard_normal(6_000)).astype(np.float32)


@pytest.fixture(scope="module")
def value_for(wave):
    features = np.random.default_rng(2).standard_normal((300, 80)).astype(np.float32)
    return lambda transform: features if isinstance(transform, SpecAugment) else wave


def all_of(cases):
    return pytest.mark.parametrize(
        ("transform", "distinct"), cases, ids=[type(transform).__name__ for transform, _ in cases]
    )


@all_of(WAVES + FEATURES + CROPS)
def test_the_same_key_gives_the_same_bits_and_what_came_in_stays(transform, distinct, value_for):
    assert isinstance(transform, RandomTransform)
    value = value_for(transform)
    before = value.copy()
    results = [transform(value, generator(3, 1, 7, "audio", 0)) for _ in range(2)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(value, before)
    assert results[0].dtype == np.float32 and results[0].flags.c_contiguous


@all_of(WAVES + FEATURES + CROPS)
def test_other_keys_give_other_results(transform, distinct, value_for):
    value = value_for(transform)
    results = {transform(value, generator(3, 1, index, "audio", 0)).tobytes() for index in range(20)}
    assert len(results) >= distinct


@all_of(WAVES)
def test_threads_do_not_disturb_each_other(transform, distinct, wave):
    expected = [transform(wave, generator(0, 0, index)) for index in range(8)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda index: transform(wave, generator(0, 0, index)), list(range(8)) * 3))
    for got, want in zip(again, expected * 3, strict=True):
        np.testing.assert_array_equal(got, want)


@all_of(WAVES)
def test_several_channels_get_the_same_treatment(transform, distinct, wave):
    both = transform(np.stack([wave, wave]), generator(5))
    assert both.ndim == 2 and len(both) == 2 and both.flags.c_contiguous
    if isinstance(transform, AddNoise) or "AddNoise" in repr(transform):
        return  # White noise is another for each channel, as it is in microphones.
    one = transform(wave, generator(5))
    # Sums over two channels round in another order.
    np.testing.assert_allclose(both, np.stack([one, one]), atol=2e-6)


@pytest.mark.slow
@all_of(WAVES)
@given(n=st.integers(1, 400), channels=st.integers(0, 2), seed=st.integers(0, 99))
def test_clips_of_any_length_come_out_finite(transform, distinct, n, channels, seed):
    shape = (channels, n) if channels else (n,)
    x = np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)
    out = transform(x, np.random.default_rng(seed))
    assert out.shape[:-1] == shape[:-1] and out.shape[-1] >= 1
    assert np.isfinite(out).all()
    if not isinstance(transform, SpeedPerturb | TempoPerturb):
        assert out.shape == shape


@all_of(WAVES)
def test_silence_stays_silent(transform, distinct):
    out = transform(np.zeros(3_000, np.float32), np.random.default_rng(0))
    assert not out.any()


@all_of([case for case in WAVES if not isinstance(case[0], Sometimes | OneOf | SomeOf)])
@pytest.mark.parametrize("value", [np.zeros(9, np.int16), np.zeros((2, 3, 4), np.float32), np.zeros(0), "a.wav", [0.0]])
def test_what_is_no_waveform_is_refused(transform, distinct, value):
    with pytest.raises(TransformError, match=f"{type(transform).__name__} takes"):
        transform(value, np.random.default_rng(0))


@all_of(WAVES)
def test_a_waveform_stays_a_waveform_of_its_rate(transform, distinct):
    changes = isinstance(transform, SpeedPerturb | TempoPerturb)
    for varies in (False, True):
        spec = Spec("waveform", 8_000, varies)
        assert transform.output_spec(spec) == Spec("waveform", 8_000, varies or changes)
    with pytest.raises(ChainError):
        transform.output_spec(Spec("features", 8_000))


@pytest.mark.parametrize(
    "transform",
    [
        LowPass(16_000, 3_000),
        HighPass(16_000, 30),
        TempoPerturb(16_000),
        PitchShift(16_000),
        AddNoise(source=NOISES, sample_rate=16_000),
        RoomImpulse(ROOMS, 16_000),
        Sometimes(PitchShift(16_000)),
        OneOf([[Gain(), PitchShift(16_000)], Gain()]),
        SomeOf([Gain(), PitchShift(16_000)], 2),
    ],
    ids=repr,
)
def test_another_rate_is_found_when_the_chain_is_made(transform):
    with pytest.raises(ChainError, match="expects 16000 Hz but gets 8000 Hz"):
        transform.output_spec(Spec("waveform", 8_000))


def test_a_chain_hands_its_generator_to_all_of_them(wave):
    steps = [Gain(), AddNoise(), SpeedPerturb()]
    out = Chain(steps)(wave, np.random.default_rng(4))
    rng, expected = np.random.default_rng(4), wave
    for step in steps:
        expected = step(expected, rng)
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(ChainError, match="is random"):
        Chain(steps)(wave)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("transform", [AddNoise(), RoomImpulse(ROOMS, 8_000)], ids=repr)
def test_samples_that_are_no_numbers_are_refused(transform, bad, wave):
    with pytest.raises(TransformError, match=f"{type(transform).__name__} got samples that are NaN"):
        transform(np.append(wave, np.float32(bad)), np.random.default_rng(0))


def test_random_segments_are_keyed_too(tmp_path, wave):
    soundfile.write(tmp_path / "a.wav", wave, 8_000)
    read = RandomSegment(8_000, 0.1)
    results = [read(tmp_path / "a.wav", generator(0, 0, index)).tobytes() for index in range(20)]
    assert results == [read(tmp_path / "a.wav", generator(0, 0, index)).tobytes() for index in range(20)]
    assert len(set(results)) >= 18


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, wave):
    folder = tmp_path_factory.mktemp("recordings")
    for i in range(11):
        soundfile.write(folder / f"{i:02}.wav", wave[: 6_000 - 300 * i], 8_000, subtype="FLOAT")
    return folder


def loader_of(folder, **options):
    files = FileSource(folder, "*.wav")
    every = [transform for transform, _ in WAVES]
    noise, room = AddNoise(source=files, sample_rate=8_000), RoomImpulse(files, 8_000)
    chains = {
        "all": [DecodeAudio(8_000), *every, noise, room, LogMel(8_000), SpecAugment.policy("SM")],
        "read": [RandomSegment(8_000, 0.3), PitchShift(8_000), LogMel(8_000)],
        "some": [DecodeAudio(8_000), SomeOf(every, (1, 4)), TrimSilence(8_000), RandomCrop(2_000)],
    }
    fields = dict.fromkeys(chains, str)
    return Loader(FileSource(folder, "*.wav", **fields), transforms=chains, batch_size=4, shuffle=True, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 2), ("process", 2)])
def test_a_loader_makes_the_same_bits_with_any_workers(recordings, worker, num_workers):
    alone = loader_of(recordings)
    with loader_of(recordings, worker=worker, num_workers=num_workers) as together:
        for _ in range(2):
            for a, b in zip(alone, together, strict=True):
                assert conformance.equal(a, b)
