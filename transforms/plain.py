"""The steps of a spectral transform on numpy and scipy alone: what runs unless the `fast` extra is installed.

Apart from the pass over the frames, which is the same whichever steps it runs; `kernels` has the same functions with
numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from dataload.transforms.checks import Float32
from dataload.transforms.framing import Complex64, Framing
from dataload.transforms.mel import cached_filters
from dataload.transforms.scratch import scratch


def fill(waveform: Float32, framing: Framing, shape: Float32, first: int, out: Float32) -> None:
    """Write windowed frames of a waveform, padding only where they reach over an end.

    Args:
        waveform: (samples,), long enough for the padding.
        framing: how to cut.
        shape: (n_fft,) window.
        first: number of the first frame to write.
        out: (frames, n_fft).
    """
    hop, n_fft = framing.hop_length, framing.n_fft
    start = first * hop - framing.pad
    stop = start + (len(out) - 1) * hop + n_fft
    if start < 0 or stop > len(waveform):
        waveform = _padded(waveform, start, stop, framing.pad_mode)
        start = 0
    # numpy's as_strided and sliding_window_view do the same and take five times as long.
    frames = np.ndarray(out.shape, np.float32, waveform, 4 * start, (4 * hop, 4))
    np.multiply(frames, shape, out=out)


def _padded(waveform: Float32, start: int, stop: int, mode: str) -> Float32:
    left, right = max(0, -start), max(0, stop - len(waveform))
    end = stop - start - right
    padded = scratch("padded", (stop - start,))
    padded[left:end] = waveform[max(0, start) : stop]
    if mode == "reflect":
        padded[:left] = waveform[left:0:-1]
        padded[end:] = waveform[-2 : -2 - right : -1]
    else:
        edge = mode == "edge"
        padded[:left] = waveform[0] if edge else 0.0
        padded[end:] = waveform[-1] if edge else 0.0
    return padded


def rfft(frames: Float32) -> Complex64:
    """Return the transform of each row, by whatever backend scipy was told to use."""
    spectrum: npt.NDArray[Any] = scipy.fft.rfft(frames, axis=1)
    return spectrum


def weigh(spectrum: Complex64, bank: tuple[Any, ...], out: Float32) -> None:
    """Write the mel power spectrum.

    Args:
        spectrum: (frames, bins).
        bank: arguments of `cached_filters`.
        out: (frames, n_mels).
    """
    # The magnitude squared is faster than the sum of two squares, whose halves numpy gathers with a stride.
    power = scratch("magnitudes", spectrum.shape)
    np.abs(spectrum, out=power)
    np.multiply(power, power, out=power)
    np.matmul(power, cached_filters(*bank), out=out)
