"""Frames are segments of the padded clip, whatever the lengths."""

import inspect
from dataclasses import fields

import numpy as np
import pytest
from framings import FRAMINGS, check_fill, frames_of_any_framing
from hypothesis import assume, given
from hypothesis import strategies as st

from dataload.transforms import MFCC, Chroma, Energy, LogMel, MelSpectrogram, Spectrogram
from dataload.transforms.functional import istft, stft
from dataload.transforms.spectral import numpy_kernels
from dataload.transforms.spectral.framing import (
    Framing,
    FramingParameters,
    framing_of,
)


@frames_of_any_framing
def test_frames_are_those_of_the_padded_clip(framing, samples, first):
    check_fill(numpy_kernels.fill, framing, samples, first)


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
