"""A batch of waveforms in one pass must give what they give one by one, in memory of their own."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload.errors import TransformError
from dataload.transforms import MFCC, Chroma, Energy, LogMel, MelSpectrogram, Spectrogram

TRANSFORMS = [
    Spectrogram(8_000),
    MelSpectrogram(8_000, n_mels=40, power=1.0),
    LogMel(8_000, n_mels=40),
    LogMel(16_000, n_fft=512, pad_mode="constant", log="log10", top_db=80.0),
    LogMel(8_000, n_mels=20, n_fft=256, center=False),
    MFCC(8_000, n_mels=40),
    LogMel.preset("kaldi", sample_rate=8_000),
    LogMel.preset("nemo", sample_rate=8_000),
    LogMel.preset("whisper", sample_rate=8_000, n_mels=40),
    MFCC.preset("kaldi", sample_rate=8_000, center="hop", frame_count="round"),
    Chroma(8_000, n_fft=256),
    Energy(8_000),
]


def clips(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [(0.1 * rng.standard_normal(n)).astype(np.float32) for n in lengths]


def assert_same(together, apart):
    assert len(together) == len(apart)
    for a, b in zip(together, apart, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(300, 6_000), max_size=12), seed=st.integers(0, 1000))
def test_a_batch_equals_its_clips_one_by_one(transform, lengths, seed):
    values = clips(lengths, seed)
    assert_same(transform.batch(values), [transform(x) for x in values])


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_long_and_short_clips_mix(transform):
    values = clips([100_000, 300, 41_000, 301, 302, 90_000, 300])
    assert_same(transform.batch(values), [transform(x) for x in values])


def test_a_batch_of_speech_equals_its_clips_one_by_one(speech):
    transform = LogMel(8_000)
    assert_same(transform.batch(speech), [transform(x) for x in speech])


def test_an_empty_batch_gives_an_empty_list():
    assert LogMel(8_000).batch([]) == []


def test_results_have_memory_of_their_own():
    transform = LogMel(8_000, n_mels=40)
    values = clips([4_000, 3_000, 500])
    first = transform.batch(values)
    kept = [x.copy() for x in first]
    transform.batch(clips([4_000, 3_000, 500], seed=1))
    for i, x in enumerate(first):
        np.testing.assert_array_equal(x, kept[i])
        assert x.base is None
        assert x.flags.writeable
        x += 1.0
        np.testing.assert_array_equal(values[i], clips([4_000, 3_000, 500])[i])
    assert_same(transform.batch(values), kept)


def test_the_input_is_left_as_it_was():
    values = clips([4_000, 3_000])
    before = [x.copy() for x in values]
    for x in values:
        x.flags.writeable = False
    MFCC(8_000, n_mels=40).batch(values)
    for x, y in zip(values, before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_every_thread_gives_the_same_bits():
    transform = LogMel(8_000)
    values = clips([4_000, 300, 70_000, 999, 2_000])
    here = transform.batch(values)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append([transform.batch(values) for _ in range(5)])) for _ in "abc"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for runs in found:
        for run in runs:
            for x, y in zip(run, here, strict=True):
                np.testing.assert_array_equal(x, y)


def test_another_process_gives_the_same_bits():
    code = (
        "import sys, numpy as np\n"
        "from dataload.transforms import MFCC\n"
        "rng = np.random.default_rng(0)\n"
        "values = [(0.1 * rng.standard_normal(n)).astype(np.float32) for n in (4_000, 300, 70_000, 999)]\n"
        "sys.stdout.buffer.write(b''.join(x.tobytes() for x in MFCC(8_000).batch(values)))"
    )
    there = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
    here = b"".join(x.tobytes() for x in MFCC(8_000).batch(clips([4_000, 300, 70_000, 999])))
    assert there == here


def test_many_clips_of_one_frame_each_go_through():
    transform = Spectrogram(8_000, center=False)
    values = clips([200] * 1000)
    assert_same(transform.batch(values), [transform(x) for x in values])


@pytest.mark.parametrize("length", [1, 2, 99, 100, 101, 199, 200, 201])
@pytest.mark.parametrize("pad_mode", ["constant", "edge"])
def test_a_clip_shorter_than_the_window_is_padded(length, pad_mode):
    [x] = clips([length])
    ours = Spectrogram(8_000, pad_mode=pad_mode, window="rectangular")(x)
    padded = np.pad(x, 100, mode=pad_mode)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 200)[::80]
    np.testing.assert_allclose(ours, np.abs(np.fft.rfft(frames)) ** 2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bad", [np.zeros(0, np.float32), np.zeros(50, np.float32), np.zeros(500, np.int16)])
def test_a_bad_clip_in_a_batch_raises_what_it_raises_alone(bad):
    transform = LogMel(8_000, n_mels=40)
    with pytest.raises(TransformError) as alone:
        transform(bad)
    with pytest.raises(TransformError) as together:
        transform.batch([*clips([4_000, 3_000]), bad])
    assert str(together.value) == str(alone.value)
