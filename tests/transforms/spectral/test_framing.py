"""Frames are stretches of the padded clip, whatever the lengths, with numba and without."""

import importlib

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dataload.transforms.spectral import numpy_kernels
from dataload.transforms.spectral.framing import CENTERS, FRAME_COUNTS, PAD_MODES, Framing

FRAMINGS = st.builds(
    Framing,
    n_fft=st.integers(1, 70),
    win_length=st.integers(1, 70),
    hop_length=st.integers(1, 50),
    window=st.sampled_from(["hann", "rectangular"]),
    center=st.sampled_from(CENTERS),
    pad_mode=st.sampled_from(PAD_MODES),
    window_align=st.sampled_from(["center", "left"]),
    frame_count=st.sampled_from(FRAME_COUNTS),
    scale=st.sampled_from([1.0, 32768.0]),
    remove_dc=st.booleans(),
    frame_pre_emphasis=st.sampled_from([0.0, 0.97]),
)


@pytest.mark.parametrize("kernels", ["numpy_kernels", "numba_kernels"])
@given(framing=FRAMINGS, samples=st.integers(1, 200), first=st.integers(0, 3))
@example(framing=Framing(9, 9, 50, "hann", center="hop", pad_mode="edge", frame_count="ceil"), samples=1, first=0)
def test_frames_are_those_of_the_padded_clip(kernels, framing, samples, first):
    if kernels == "numba_kernels":
        pytest.importorskip("numba")
    assume(framing.win_length <= framing.n_fft and framing.n_frames(samples) > first)
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
    expected[:, : framing.length] = (frames - framing.frame_pre_emphasis * shifted) * framing.shape
    out = np.full((count, framing.n_fft), np.nan, np.float32)
    importlib.import_module(f"dataload.transforms.spectral.{kernels}").fill(x, framing, framing.shape, first, out)
    np.testing.assert_allclose(out, expected, atol=1e-6 * framing.scale)


@given(framing=FRAMINGS, samples=st.integers(1, 200))
def test_the_overhang_is_what_frames_reach_over_an_end(framing, samples):
    assume(framing.win_length <= framing.n_fft and framing.n_frames(samples) > 0)
    last = (framing.n_frames(samples) - 1) * framing.hop_length - framing.pad + framing.length
    assert framing.overhang(samples) == max(framing.pad, last - samples, 0)
    if framing.frame_count == "whole" and framing.center is False:
        assert framing.overhang(samples) == 0
        assert last + framing.hop_length > samples


def test_frames_that_are_the_waveform_itself_are_a_view_of_it():
    x = np.arange(100, dtype=np.float32)
    frames = numpy_kernels.cut(x, Framing(10, 10, 5, "rectangular", center=False), 0, 3)
    assert np.shares_memory(frames, x)
    np.testing.assert_array_equal(frames[:, 0], [0, 5, 10])
