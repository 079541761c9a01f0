"""Frames are segments of the padded clip, whatever the lengths, with numba and without."""

import importlib
import inspect
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dataload.transforms import MFCC, Chroma, Energy, LogMel, MelSpectrogram, Spectrogram
from dataload.transforms.functional import istft, stft
from dataload.transforms.spectral import numpy_kernels
from dataload.transforms.spectral.framing import (
    CENTERS,
    FRAME_COUNTS,
    PAD_MODES,
    Framing,
    FramingParameters,
    framing_of,
)

LENGTHS = st.tuples(st.integers(1, 70), st.integers(1, 70)).map(sorted)
FRAMINGS = st.builds(
    lambda lengths, **parameters: Framing(win_length=lengths[0], n_fft=lengths[1], **parameters),
    LENGTHS,
    hop_length=st.integers(1, 50),
    window=st.sampled_from(["hann", "rectangular"]),
    center=st.sampled_from(CENTERS),
    pad_mode=st.sampled_from(PAD_MODES),
    window_align=st.sampled_from(["center", "left"]),
    frame_count=st.sampled_from(FRAME_COUNTS),
    scale=st.sampled_from([1.0, 32768.0]),
    remove_dc=st.booleans(),
    pre_emphasis=st.sampled_from([0.0, 0.97]),
    pre_emphasis_on=st.just("frame"),
)


@pytest.mark.parametrize("kernels", ["numpy_kernels", "numba_kernels"])
@given(framing=FRAMINGS, samples=st.integers(1, 200), first=st.integers(0, 3))
@example(
    framing=Framing(n_fft=9, win_length=9, hop_length=50, center="hop", pad_mode="edge", frame_count="ceil"),
    samples=1,
    first=0,
)
def test_frames_are_those_of_the_padded_clip(kernels, framing, samples, first):
    if kernels == "numba_kernels":
        pytest.importorskip("numba")
    assume(framing.n_frames(samples) > first)
    x = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
    count = framing.n_frames(samples) - first
    before = max(0, framing.pad)
    # With more than enough behind: how much is needed follows from the number of frames.
    after = count * framing.hop_length + first * framing.hop_length + framing.length + abs(framing.pad)
    padded = np.pad(x.astype(np.float64), (before, after), mode=framing.pad_mode)
    starts = (np.arange(first, first + count) * framing.hop_length - framing.pad + before)[:, None]
    frames = padded[starts + np.arange(framing.length)]
    if framing.remove_dc:
        frames -= frames.mean(axis=1, keepdims=True)
    shifted = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    expected = np.zeros((count, framing.n_fft))
    expected[:, : framing.length] = (frames - framing.frame_pre_emphasis * shifted) * framing.analysis_window
    out = np.full((count, framing.n_fft), np.nan, np.float32)
    importlib.import_module(f"dataload.transforms.spectral.{kernels}").fill(
        x, framing, framing.analysis_window, first, out
    )
    np.testing.assert_allclose(out, expected, atol=1e-6 * framing.scale)


@given(framing=FRAMINGS, samples=st.integers(1, 200))
def test_the_overhang_is_what_frames_reach_over_an_end(framing, samples):
    assume(framing.n_frames(samples) > 0)
    last = (framing.n_frames(samples) - 1) * framing.hop_length - framing.pad + framing.length
    assert framing.overhang(samples) == max(framing.pad, last - samples, 0)
    if framing.frame_count == "whole" and framing.center is False:
        assert framing.overhang(samples) == 0
        assert last + framing.hop_length > samples


def test_frames_that_are_the_waveform_itself_are_a_view_of_it():
    x = np.arange(100, dtype=np.float32)
    frames = numpy_kernels.cut(
        x, Framing(n_fft=10, win_length=10, hop_length=5, window="rectangular", center=False), 0, 3
    )
    assert np.shares_memory(frames, x)
    np.testing.assert_array_equal(frames[:, 0], [0, 5, 10])


@pytest.mark.parametrize("kind", [Spectrogram, MelSpectrogram, LogMel, MFCC, Chroma, Energy])
def test_a_transform_has_every_parameter_of_framing_behind_its_rate_and_cuts_by_them(kind):
    names = [field.name for field in fields(FramingParameters)]
    assert [field.name for field in fields(kind)][: len(names) + 1] == ["sample_rate", *names]
    transform = kind(8_000, n_fft=256, hop_length=50, window="hamming", pre_emphasis=0.5)
    framing = framing_of(transform)
    assert {name: getattr(framing, name) for name in names} == {name: getattr(transform, name) for name in names}
    assert framing is framing_of(kind(8_000, n_fft=256, hop_length=50, window="hamming", pre_emphasis=0.5))


@pytest.mark.parametrize("function", [stft, istft])
def test_the_functions_have_the_defaults_of_the_transforms(function):
    given = inspect.signature(function).parameters
    shared = [field for field in fields(FramingParameters) if field.name in given and field.default is not None]
    assert len(shared) >= 3
    assert all(given[field.name].default == field.default for field in shared)
