"""The Fourier transform of frames by MKL.

Importing this module loads MKL; only `kernels` does so. Measured: each row is transformed by itself, so neither the
other rows nor the number of threads change its bits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import mkl_fft
from threadpoolctl import ThreadpoolController

from dataload.transforms.checks import Float32
from dataload.transforms.spectral.framing import Complex64


def rfft(frames: Float32) -> Complex64:
    """Return the transform of each row, computed by the calling thread alone."""
    before = set_threads(1)
    try:
        spectrum: Complex64 = mkl_fft.rfft(frames)
    finally:
        set_threads(before)
    return spectrum


def _limiter() -> Callable[[int], int]:
    """Return MKL's own function that limits the calling thread and returns the limit before.

    A chunk of frames takes 0.1 ms. OpenMP threads that share it would spin for 200 ms after it, on the cores that other
    workers need.
    """
    for library in ThreadpoolController().select(internal_api="mkl").lib_controllers:
        # PyDLL keeps the GIL: to release it and take it again would cost more than these calls of 0.2 µs.
        limit: Callable[[int], int] = ctypes.PyDLL(library.filepath).MKL_Set_Num_Threads_Local
        return limit
    return lambda number: 0


set_threads = _limiter()
"""Limit the threads of MKL in the calling thread; returns the limit before."""
