"""Framings of all kinds, and what a kernel that fills frames must write: for numpy's and numba's alike."""

import numpy as np
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dataload.transforms.spectral.framing import CENTERS, FRAME_COUNTS, PAD_MODES, Framing

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


def frames_of_any_framing(test):
    """Give a test framings, numbers of samples, and first frames."""
    late = Framing(n_fft=9, win_length=9, hop_length=50, center="hop", pad_mode="edge", frame_count="ceil")
    given_all = given(framing=FRAMINGS, samples=st.integers(1, 200), first=st.integers(0, 3))
    return given_all(example(framing=late, samples=1, first=0)(test))


def check_fill(fill, framing, samples, first):
    """Compare the frames that a kernel writes with those cut out of the padded clip."""
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
    fill(x, framing, framing.analysis_window, first, out)
    np.testing.assert_allclose(out, expected, atol=1e-6 * framing.scale)
