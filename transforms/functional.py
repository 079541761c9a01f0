"""The pieces that the transforms are made of, as plain functions.

Apart for those who build something else from them; `stft` runs the same pass over the same frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.errors import ConfigError, TransformError
from dataload.transforms.blocks import transform_frames
from dataload.transforms.checks import one_of, positive_int
from dataload.transforms.framing import PAD_MODES, Complex64, Framing
from dataload.transforms.mel import dct_matrix, hz_to_mel, mel_filters, mel_to_hz
from dataload.transforms.windows import window

__all__ = ["dct_matrix", "frame", "hz_to_mel", "mel_filters", "mel_to_hz", "stft", "window"]


def frame(x: npt.NDArray[Any], *, frame_length: int, hop_length: int) -> npt.NDArray[Any]:
    """Return the overlapping frames of a waveform as a view.

    Args:
        x: (samples,) array of any dtype.
        frame_length: samples in a frame.
        hop_length: samples from one frame to the next.

    Returns:
        (1 + (samples - frame_length) // hop_length, frame_length), a read-only view of `x`; (0, frame_length)
        where `x` is shorter than a frame.

    Raises:
        ConfigError: a length that is no positive integer.
        TransformError: `x` has not one axis.

    >>> frame(np.arange(6), frame_length=3, hop_length=2)
    array([[0, 1, 2],
           [2, 3, 4]])
    """
    frame_length, hop_length = (
        positive_int("frame_length", frame_length),
        positive_int("hop_length", hop_length),
    )
    if x.ndim != 1:
        raise TransformError(f"frame takes a (samples,) array but got shape {x.shape}")
    if len(x) < frame_length:
        return np.empty((0, frame_length), x.dtype)
    return np.lib.stride_tricks.sliding_window_view(x, frame_length)[::hop_length]


def stft(
    x: npt.NDArray[np.floating[Any]],
    *,
    n_fft: int,
    hop_length: int,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    pad_mode: str = "reflect",
) -> Complex64:
    """Return the short-time Fourier transform of one waveform, as `librosa.stft` and `torch.stft` define it.

    Args:
        x: (samples,) float waveform.
        n_fft: points of the Fourier transform.
        hop_length: samples from one frame to the next.
        win_length: length of the window, in the middle of n_fft; None is n_fft.
        window: a periodic window, see `window`.
        center: whether n_fft // 2 samples are padded at either end.
        pad_mode: "reflect", "constant" (zeros) or "edge".

    Returns:
        (frames, n_fft // 2 + 1) complex64.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: not a float waveform, or one too short for a frame.

    >>> stft(np.ones(8, np.float32), n_fft=4, hop_length=4, window="rectangular").real
    array([[4., 0., 0.],
           [4., 0., 0.],
           [4., 0., 0.]], dtype=float32)
    """
    n_fft, hop_length = positive_int("n_fft", n_fft), positive_int("hop_length", hop_length)
    win_length = n_fft if win_length is None else positive_int("win_length", win_length)
    if win_length > n_fft:
        raise ConfigError(f"win_length={win_length} must not be longer than n_fft={n_fft}")
    one_of("pad_mode", pad_mode, PAD_MODES)
    framing = Framing(n_fft, win_length, hop_length, window, center, pad_mode)
    return transform_frames("stft", [x], framing, framing.n_bins, _copy, np.complex64)[0]


def _copy(spectrum: Complex64, out: npt.NDArray[Any]) -> None:
    out[...] = spectrum
