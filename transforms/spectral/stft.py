"""The short-time Fourier transform and its inverse as plain functions, and the frames by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from dataload.errors import TransformError
from dataload.transforms.checks import Float32, natural_int, one_of, positive_int
from dataload.transforms.spectral.frames import check_length, transform_frames
from dataload.transforms.spectral.framing import Complex64, Framing, FramingParameters


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
    window: str = FramingParameters.window,
    periodic: bool = FramingParameters.periodic,
    window_align: str = FramingParameters.window_align,
    center: bool | str = FramingParameters.center,
    pad_mode: str = FramingParameters.pad_mode,
    frame_count: str = FramingParameters.frame_count,
) -> Complex64:
    """Return the short-time Fourier transform of one waveform, as `librosa.stft` and `torch.stft` define it.

    With `window_align="left", center=False` it is that of `tf.signal.stft`.

    Args:
        x: (samples,) float waveform.
        n_fft: points of the Fourier transform.
        hop_length: samples from one frame to the next.
        win_length: length of the window; None is n_fft.
        window, periodic: see `window`.
        window_align, center, pad_mode, frame_count: see `dataload.transforms.Spectrogram`.

    Returns:
        (frames, n_fft // 2 + 1) complex64.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: not a float waveform, one too short for a frame, or one with a sample that is not finite.

    >>> stft(np.ones(8, np.float32), n_fft=4, hop_length=4, window="rectangular").real
    array([[4., 0., 0.],
           [4., 0., 0.],
           [4., 0., 0.]], dtype=float32)
    """
    n_fft = positive_int("n_fft", n_fft)
    framing = Framing(
        n_fft=n_fft,
        win_length=n_fft if win_length is None else win_length,
        hop_length=hop_length,
        window=window,
        periodic=periodic,
        window_align=window_align,
        center=center,
        pad_mode=pad_mode,
        frame_count=frame_count,
    )
    waveform = check_length("stft", x, framing)
    return transform_frames("stft", [waveform], framing, framing.n_bins, _copy, np.complex64)[0]


def _copy(spectrum: Complex64, out: npt.NDArray[Any]) -> None:
    out[...] = spectrum


def istft(
    spectrum: npt.NDArray[np.complexfloating[Any, Any]],
    *,
    hop_length: int,
    n_fft: int | None = None,
    win_length: int | None = None,
    window: str = FramingParameters.window,
    periodic: bool = FramingParameters.periodic,
    center: bool = True,
    length: int | None = None,
) -> Float32:
    """Return the waveform whose short-time Fourier transform is nearest to `spectrum`: the inverse of `stft`.

    The frames are windowed again, added up and divided by the sum of the squared windows (Griffin and Lim, 1984). What
    no window reaches is zero.

    Args:
        spectrum: (frames, n_fft // 2 + 1) complex.
        hop_length: samples from one frame to the next.
        n_fft: points of the Fourier transform; None is 2·(bins - 1), the even one.
        win_length: length of the window, in the middle of n_fft; None is n_fft.
        window, periodic: as given to `stft`.
        center: as given to `stft`; True takes n_fft // 2 samples off either end.
        length: samples of the result; None is as many as the frames give.

    Returns:
        (length,) float32, as `librosa.istft` and `torch.istft`.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: not (frames, bins) complex numbers, or another number of bins.

    >>> x = np.sin(np.arange(1_000, dtype=np.float32))
    >>> back = istft(stft(x, n_fft=64, hop_length=16), hop_length=16, length=1_000)
    >>> bool(np.abs(back - x).max() < 1e-5)
    True
    """
    if not isinstance(spectrum, np.ndarray) or spectrum.ndim != 2 or spectrum.dtype.kind != "c" or not spectrum.size:
        found = f"{spectrum.dtype} {spectrum.shape}" if isinstance(spectrum, np.ndarray) else type(spectrum).__name__
        raise TransformError(f"istft takes (frames, bins) complex numbers but got {found}")
    frames, bins = spectrum.shape
    n_fft = max(1, 2 * (bins - 1)) if n_fft is None else positive_int("n_fft", n_fft)
    framing = Framing(
        n_fft=n_fft,
        win_length=n_fft if win_length is None else win_length,
        hop_length=hop_length,
        window=window,
        periodic=periodic,
    )
    if bins != framing.n_bins:
        raise TransformError(f"istft got {bins} bins but n_fft={n_fft} has {framing.n_bins}")
    one_of("center", center, (True, False))
    hop, weights = framing.hop_length, framing.analysis_window
    segments = scipy.fft.irfft(spectrum.astype(np.complex64, copy=False), n_fft, axis=1)
    total = (frames - 1) * hop + n_fft
    summed = _overlap_add(segments * weights, hop)[:total]
    squares = _overlap_add(np.broadcast_to(weights * weights, segments.shape), hop)[:total]
    np.divide(summed, squares, out=summed, where=squares > np.finfo(np.float32).tiny)
    start = n_fft // 2 if center else 0
    end = max(start, total - start) if length is None else start + natural_int("length", length)
    kept = summed[start : min(end, total)]
    return np.concatenate([kept, np.zeros(end - start - len(kept), np.float32)])


def _overlap_add(frames: Float32, hop: int) -> Float32:
    """Return the sum of frames that begin `hop` samples apart, zeros behind them."""
    n, width = frames.shape
    # Every k-th frame: these do not overlap, and are added in one call.
    k = -(-width // hop)
    out = np.zeros((n + 2 * k) * hop, np.float32)
    for first in range(min(k, n)):
        some = frames[first::k]
        rows = out[first * hop : (first + len(some) * k) * hop].reshape(len(some), k * hop)
        rows[:, :width] += some
    return out
