"""The choice of kernels: those of numba and MKL with the `fast` extra, else those of numpy and scipy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from dataload import fast
from dataload.transforms.checks import Float32
from dataload.transforms.spectral import numpy_kernels
from dataload.transforms.spectral.framing import Complex64, Framing
from dataload.transforms.spectral.mel import Bank


class Kernels(NamedTuple):
    """Functions for one chunk of frames, described in `numpy_kernels`."""

    fill: Callable[[Float32, Framing, Float32, int, Float32], None]
    rfft: Callable[[Float32], Complex64]
    weigh: Callable[[Complex64, Bank, float, Float32], None]


_NUMPY = Kernels(numpy_kernels.fill, numpy_kernels.rfft, numpy_kernels.weigh)


def kernels() -> Kernels:
    """Return the fastest kernels that are installed, or numpy's where the extra is switched off."""
    return _fast_kernels() if fast.switched_on() else _NUMPY


@cache
def _fast_kernels() -> Kernels:
    numba = fast.load("numba", "dataload.transforms.spectral.numba_kernels") or numpy_kernels
    fourier = fast.load("mkl_fft", "dataload.transforms.spectral.mkl_kernels") or numpy_kernels
    return Kernels(numba.fill, fourier.rfft, numba.weigh)
