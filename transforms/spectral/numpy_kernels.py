"""Kernels of spectral transforms on numpy and scipy alone; they run where the `fast` extra is not installed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from dataload.transforms.checks import Float32
from dataload.transforms.scratch import scratch
from dataload.transforms.spectral.framing import Complex64, Framing
from dataload.transforms.spectral.mel import Bank
from dataload.transforms.spectral.products import ROWS, matmul

_FEW = 32


def fill(waveform: Float32, framing: Framing, window: Float32, first: int, out: Float32) -> None:
    """Write frames of a waveform: mean off, pre-emphasis, window. Only what reaches over an end is padded.

    Args:
        waveform: (samples,), long enough for the padding.
        framing: how to cut.
        window: (framing.length,), `framing.analysis_window`.
        first: number of the first frame to write.
        out: (frames, framing.n_fft), filled up with zeros.
    """
    out[:, framing.length :] = 0.0
    out = out[:, : framing.length]
    segment = _segment(waveform, framing, first, len(out))
    frames = _frames(segment, framing, len(out))
    if not (framing.remove_dc or framing.frame_pre_emphasis):
        np.multiply(frames, window, out=out)
        return
    # Few frames at a time, which stay in the processor's first cache from one step to the next.
    for start in range(0, len(out), _FEW):
        _change(frames[start : start + _FEW], framing, window, out[start : start + _FEW])


def _change(frames: Float32, framing: Framing, window: Float32, out: Float32) -> None:
    """Write frames with their mean off, emphasized and under the window.

    The mean goes first, frame by frame: pre-emphasis makes an offset small, but not the rounding of the samples that
    held it.
    """
    if framing.remove_dc:
        # Several times as fast as frames.mean, which starts anew for each row. A sum is exact for a constant, a mean
        # of weights is not.
        means = np.einsum("ij,j->i", frames, _ones(framing.length)) / np.float32(framing.length)
        np.subtract(frames, means[:, np.newaxis], out=out)
        frames = out
    if framing.frame_pre_emphasis:
        factor = np.float32(framing.frame_pre_emphasis)
        before = scratch("before", (len(out), framing.length - 1))
        np.multiply(frames[:, :-1], factor, out=before)
        np.subtract(frames[:, 1:], before, out=out[:, 1:])
        # What came before the first sample of a frame is not there.
        np.multiply(frames[:, :1], np.float32(1.0 - framing.frame_pre_emphasis), out=out[:, :1])
    out *= window


@lru_cache(maxsize=64)
def _ones(length: int) -> Float32:
    return np.ones(length, np.float32)


def cut(waveform: Float32, framing: Framing, first: int, count: int) -> Float32:
    """Return frames as they are, a view of the waveform or of memory that the next call uses again.

    Args:
        waveform: (samples,), long enough for the padding.
        framing: how to cut.
        first: number of the first frame.
        count: of frames.

    Returns:
        (count, framing.length), to be read only.
    """
    return _frames(_segment(waveform, framing, first, count), framing, count)


def _segment(waveform: Float32, framing: Framing, first: int, count: int) -> Float32:
    """Return the segment that some frames are cut from, padded where it reaches over an end."""
    start = first * framing.hop_length - framing.pad
    stop = start + (count - 1) * framing.hop_length + framing.length
    if start < 0 or stop > len(waveform):
        return _padded(waveform, start, stop, framing.pad_mode)
    return waveform[start:stop]


def _frames(segment: Float32, framing: Framing, count: int) -> Float32:
    # numpy's as_strided and sliding_window_view do the same and take five times as long.
    return np.ndarray((count, framing.length), np.float32, segment, 0, (4 * framing.hop_length, 4))


def _padded(waveform: Float32, start: int, stop: int, mode: str) -> Float32:
    n = len(waveform)
    left, right = max(0, -start), min(max(0, stop - n), stop - start)  # all of a hop may lie behind a clip
    end = stop - start - right
    padded = scratch("padded", (stop - start,))
    padded[left:end] = waveform[max(0, start) : stop]
    if mode == "constant":
        padded[:left] = padded[end:] = 0.0
    else:
        padded[:left] = waveform[_inside(np.arange(start, start + left), n, mode)]
        padded[end:] = waveform[_inside(np.arange(stop - right, stop), n, mode)]
    return padded


def _inside(positions: npt.NDArray[np.int64], n: int, mode: str) -> npt.NDArray[np.int64]:
    """Return where in a clip of n samples the values for positions outside of it are found."""
    if mode == "edge" or n == 1:
        return np.clip(positions, 0, n - 1)
    # Reflected over and over, a clip has a period of twice its length, without the two ends where they stand once.
    repeated = 1 if mode == "symmetric" else 0
    period = 2 * (n - 1 + repeated)
    positions = positions % period
    return np.minimum(positions, period - repeated - positions)


def rfft(frames: Float32) -> Complex64:
    """Return the transform of each row, by whatever backend scipy was told to use."""
    spectrum: npt.NDArray[Any] = scipy.fft.rfft(frames, axis=1)
    return spectrum


def weigh(spectrum: Complex64, bank: Bank, power: float, out: Float32) -> None:
    """Write the mel spectrum.

    Args:
        spectrum: (frames, bins).
        bank: whose filters weigh it.
        power: of the magnitudes that are weighed.
        out: (frames, n_mels).
    """
    matmul(magnitudes(spectrum, power), bank.filters(), out)


def magnitudes(spectrum: Complex64, power: float) -> Float32:
    """Return the magnitudes to a power, in memory that the next call uses again, zeros in the rows `matmul` adds."""
    rows, bins = spectrum.shape
    whole = scratch("magnitudes", (-(-rows // ROWS) * ROWS, bins))
    whole[rows:] = 0.0
    # The magnitude squared is faster than the sum of two squares, whose halves numpy gathers with a stride.
    np.abs(spectrum, out=whole[:rows])
    raise_to(whole[:rows], power)
    return whole


def raise_to(x: Float32, power: float) -> None:
    """Raise magnitudes to a power in place."""
    if power == 2.0:
        np.multiply(x, x, out=x)
    elif power != 1.0:
        np.power(x, power, out=x)
