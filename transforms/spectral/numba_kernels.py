"""Kernels of spectral transforms by numba: the same functions as in `numpy_kernels`.

Importing this module imports numba and loads or makes machine code; only `kernels` does so. The code is kept on disk
(`__pycache__`, or numba's folder for the user where that cannot be written), so that one process compiles for all. No
kernel uses fastmath or threads of its own, and each frame is computed by itself: a clip gives the same bits wherever it
is computed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import boolean, float32, int64, njit, types, void

from dataload.transforms.checks import Float32
from dataload.transforms.scratch import scratch
from dataload.transforms.spectral import numpy_kernels
from dataload.transforms.spectral.framing import PAD_MODES, Complex64, Framing
from dataload.transforms.spectral.mel import Bank

# A user's waveform may be read-only, and may begin anywhere.
_WAVEFORM = types.Array(float32, 1, "C", readonly=True, aligned=False)
_CONSTANT = types.Array(float32, 1, "C", readonly=True)
_NUMBERS = types.Array(types.uint64, 1, "C", readonly=True)
_LINE = types.Array(float32, 1, "C")
_ROWS = types.Array(float32, 2, "C")
_SPECTRUM = types.Array(types.complex64, 2, "C", readonly=True)
_GROUP = 8
_CONSTANT_PAD, _EDGE, _SYMMETRIC = (PAD_MODES.index(mode) for mode in ("constant", "edge", "symmetric"))


def fill(waveform: Float32, framing: Framing, window: Float32, first: int, out: Float32) -> None:
    """Write frames of a waveform: as `numpy_kernels.fill`."""
    hop = framing.hop_length
    start, mode = first * hop - framing.pad, PAD_MODES.index(framing.pad_mode)
    if framing.remove_dc or framing.frame_pre_emphasis:
        line = scratch("line", (framing.length,))
        factor = np.float32(framing.frame_pre_emphasis)
        _fill_changed(waveform, start, hop, mode, framing.remove_dc, factor, window, line, out)
    else:
        _fill(waveform, start, hop, mode, window, out)


@njit
def _value(x: Any, i: int, mode: int) -> Any:
    """Return the sample at a place that may lie outside of the clip."""
    n = len(x)
    if 0 <= i < n:
        return x[i]
    if mode == _CONSTANT_PAD:
        return np.float32(0.0)
    if mode == _EDGE or n == 1:
        return x[0] if i < 0 else x[n - 1]
    repeated = 1 if mode == _SYMMETRIC else 0
    period = 2 * (n - 1 + repeated)
    i %= period
    return x[min(i, period - repeated - i)]


# These two keep the GIL: they take a few microseconds, and giving the GIL up for each clip of a batch costs more in a
# process with other threads.
@njit(void(_WAVEFORM, int64, int64, int64, _CONSTANT, _ROWS), cache=True)
def _fill(x: Any, start: int, hop: int, mode: int, window: Any, out: Any) -> None:
    width = len(window)
    for row in range(len(out)):
        begin = start + row * hop
        if begin >= 0 and begin + width <= len(x):
            inside = x[begin : begin + width]
            for k in range(width):
                out[row, k] = inside[k] * window[k]
        else:
            for k in range(width):
                out[row, k] = _value(x, begin + k, mode) * window[k]
        out[row, width:] = np.float32(0.0)


@njit(void(_WAVEFORM, int64, int64, int64, boolean, float32, _CONSTANT, _LINE, _ROWS), cache=True)
def _fill_changed(
    x: Any, start: int, hop: int, mode: int, remove_dc: bool, factor: Any, window: Any, line: Any, out: Any
) -> None:
    width = len(window)
    whole = width - width % _GROUP
    sums = np.zeros(_GROUP, np.float32)
    for row in range(len(out)):
        begin = start + row * hop
        if begin >= 0 and begin + width <= len(x):
            inside = x[begin : begin + width]
            for k in range(width):
                line[k] = inside[k]
        else:
            for k in range(width):
                line[k] = _value(x, begin + k, mode)
        mean = np.float32(0.0)
        if remove_dc:
            # Eight sums side by side are faster, and more exact, than one.
            sums[:] = np.float32(0.0)
            for k in range(0, whole, _GROUP):
                for i in range(_GROUP):
                    sums[i] += line[k + i]
            for k in range(whole, width):
                sums[k - whole] += line[k]
            mean = sums.sum() / np.float32(width)
            for k in range(width):
                line[k] -= mean
        out[row, 0] = (line[0] - factor * line[0]) * window[0]
        for k in range(1, width):
            out[row, k] = (line[k] - factor * line[k - 1]) * window[k]
        out[row, width:] = np.float32(0.0)


def weigh(spectrum: Complex64, bank: Bank, power: float, out: Float32) -> None:
    """Write the mel spectrum: as `numpy_kernels.weigh`, leaving out the zeros of the filters."""
    if power not in (1.0, 2.0):
        numpy_kernels.weigh(spectrum, bank, power, out)
        return
    starts, stops, weights = _bands(bank)
    row = scratch("power", (_GROUP, spectrum.shape[1]))
    _weigh(np.ascontiguousarray(spectrum, np.complex64), power == 1.0, starts, stops, weights, row, out)


@njit
def _square(spectrum: Any, root: bool, out: Any) -> None:
    for k in range(len(spectrum)):
        out[k] = spectrum[k].real * spectrum[k].real + spectrum[k].imag * spectrum[k].imag
    if root:
        for k in range(len(spectrum)):
            out[k] = np.sqrt(out[k])


@lru_cache(maxsize=64)
def _bands(bank: Bank) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Float32]:
    """Return where each filter starts and stops, and the weights in between, one filter after the other."""
    filters = bank.filters().T
    starts, stops = np.zeros((2, len(filters)), np.uint64)
    for m, weights in enumerate(filters):
        bins = np.flatnonzero(weights)
        if len(bins):
            starts[m], stops[m] = bins[0], bins[-1] + 1
    packed = [weights[start:stop] for weights, start, stop in zip(filters, starts, stops, strict=True)]
    return starts, stops, np.concatenate(packed)


@njit(void(_SPECTRUM, boolean, _NUMBERS, _NUMBERS, _CONSTANT, _ROWS, _ROWS), nogil=True, cache=True)
def _weigh(spectrum: Any, root: bool, starts: Any, stops: Any, weights: Any, power: Any, out: Any) -> None:
    rows = len(spectrum)
    one = np.uint64(1)  # numba would check signed positions for counting from the end
    whole = rows - rows % _GROUP
    # Eight frames at a time, so that eight sums run side by side in the processor.
    for first in range(0, whole, _GROUP):
        for i in range(_GROUP):
            _square(spectrum[first + i], root, power[i])
        at = np.uint64(0)
        for m in range(out.shape[1]):
            a = b = c = d = e = f = g = h = np.float32(0.0)
            for k in range(starts[m], stops[m]):
                w = weights[at]
                at += one
                a += w * power[0, k]
                b += w * power[1, k]
                c += w * power[2, k]
                d += w * power[3, k]
                e += w * power[4, k]
                f += w * power[5, k]
                g += w * power[6, k]
                h += w * power[7, k]
            out[first, m], out[first + 1, m], out[first + 2, m], out[first + 3, m] = a, b, c, d
            out[first + 4, m], out[first + 5, m], out[first + 6, m], out[first + 7, m] = e, f, g, h
    for row in range(whole, rows):
        _square(spectrum[row], root, power[0])
        at = np.uint64(0)
        for m in range(out.shape[1]):
            a = np.float32(0.0)
            for k in range(starts[m], stops[m]):
                a += weights[at] * power[0, k]
                at += one
            out[row, m] = a
