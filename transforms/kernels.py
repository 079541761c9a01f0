"""The steps of a spectral transform as numba kernels: the same functions as in `plain`.

Apart because importing this module imports numba and loads or makes machine code; only `fast` does so. The code is kept
on disk (`__pycache__`, or numba's folder for the user where that cannot be written), so that one process compiles for
all. No kernel uses fastmath or threads of its own, and each frame is computed by itself: a clip gives the same bits
wherever it is computed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import float32, int64, njit, types, void

from dataload.transforms.checks import Float32
from dataload.transforms.framing import PAD_MODES, Complex64, Framing
from dataload.transforms.mel import cached_filters
from dataload.transforms.scratch import scratch

# A user's waveform may be read-only, and may begin anywhere.
_WAVEFORM = types.Array(float32, 1, "C", readonly=True, aligned=False)
_CONSTANT = types.Array(float32, 1, "C", readonly=True)
_NUMBERS = types.Array(types.uint64, 1, "C", readonly=True)
_ROWS = types.Array(float32, 2, "C")
_SPECTRUM = types.Array(types.complex64, 2, "C", readonly=True)
_GROUP = 8
_REFLECT, _CONST = PAD_MODES.index("reflect"), PAD_MODES.index("constant")


def fill(waveform: Float32, framing: Framing, shape: Float32, first: int, out: Float32) -> None:
    """Write windowed frames of a waveform: as `plain.fill`."""
    hop = framing.hop_length
    _fill(waveform, first * hop - framing.pad, hop, PAD_MODES.index(framing.pad_mode), shape, out)


# This one keeps the GIL: it takes a few microseconds, and giving the GIL up for each clip of a batch costs more in a
# process with other threads.
@njit(void(_WAVEFORM, int64, int64, int64, _CONSTANT, _ROWS), cache=True)
def _fill(x: Any, start: int, hop: int, mode: int, shape: Any, out: Any) -> None:
    rows, width = out.shape
    last = len(x) - 1
    for row in range(rows):
        begin = start + row * hop
        if begin >= 0 and begin + width <= len(x):
            inside = x[begin : begin + width]
            for k in range(width):
                out[row, k] = inside[k] * shape[k]
            continue
        for k in range(width):
            i = begin + k
            if 0 <= i <= last:
                value = x[i]
            elif mode == _REFLECT:
                value = x[-i] if i < 0 else x[2 * last - i]
            elif mode == _CONST:
                value = np.float32(0.0)
            else:
                value = x[0] if i < 0 else x[last]
            out[row, k] = value * shape[k]


def weigh(spectrum: Complex64, bank: tuple[Any, ...], out: Float32) -> None:
    """Write the mel power spectrum: as `plain.weigh`, leaving out the zeros of the filters."""
    starts, stops, weights = _bands(*bank)
    power = scratch("power", (_GROUP, spectrum.shape[1]))
    _weigh(np.ascontiguousarray(spectrum, np.complex64), starts, stops, weights, power, out)


@njit
def _square(spectrum: Any, out: Any) -> None:
    for k in range(len(spectrum)):
        out[k] = spectrum[k].real * spectrum[k].real + spectrum[k].imag * spectrum[k].imag


@lru_cache(maxsize=64)
def _bands(*bank: Any) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], Float32]:
    """Return where each filter starts and stops, and the weights in between, one filter after the other."""
    filters = cached_filters(*bank).T
    starts, stops = np.zeros((2, len(filters)), np.uint64)
    for m, weights in enumerate(filters):
        bins = np.flatnonzero(weights)
        if len(bins):
            starts[m], stops[m] = bins[0], bins[-1] + 1
    packed = [weights[start:stop] for weights, start, stop in zip(filters, starts, stops, strict=True)]
    return starts, stops, np.concatenate(packed)


@njit(void(_SPECTRUM, _NUMBERS, _NUMBERS, _CONSTANT, _ROWS, _ROWS), nogil=True, cache=True)
def _weigh(spectrum: Any, starts: Any, stops: Any, weights: Any, power: Any, out: Any) -> None:
    rows = len(spectrum)
    one = np.uint64(1)  # numba would check signed positions for counting from the end
    whole = rows - rows % _GROUP
    # Eight frames at a time, so that eight sums run side by side in the processor.
    for first in range(0, whole, _GROUP):
        for i in range(_GROUP):
            _square(spectrum[first + i], power[i])
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
        _square(spectrum[row], power[0])
        at = np.uint64(0)
        for m in range(out.shape[1]):
            a = np.float32(0.0)
            for k in range(starts[m], stops[m]):
                a += weights[at] * power[0, k]
                at += one
            out[row, m] = a
