"""The `fast` extra: whether its packages do the work is decided here, and nowhere else.

    pip install dataload[fast]

gives the same transforms sooner: numba cuts frames and weighs them with the mel filters, mkl_fft transforms them,
miniaudio decodes FLAC. Each is used if it is there, and nothing needs any of them. Decoded sound is the same to the
bit. Features differ from those of numpy and scipy by rounding: up to 1e-5 in the logarithm within 6 nats of a frame's
loudest bin, 1e-4 within 12, more in near silence, where neither is nearer to the exact value. With the same packages
the same clips give the same bits in every batch, thread and process.

    DATALOAD_FAST=0

in the environment switches all of it off. It is read at every call, and processes inherit it: setting
`os.environ["DATALOAD_FAST"] = "0"` in a program works too, before the workers start.

What it costs: the first features in a process import numba and take 0.4 s and 130 MB instead of nothing, the first on a
machine 2 s (the machine code is kept in `__pycache__`, or in numba's folder for the user, or in NUMBA_CACHE_DIR). As
10 s of sound at 16 kHz then take 0.7 ms instead of 1.3, a process that makes features of less than two hours of sound
is done sooner without. An FFT set with `scipy.fft.set_backend` is used where mkl_fft is not.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

from dataload.transforms import plain
from dataload.transforms.checks import Float32
from dataload.transforms.framing import Complex64, Framing
from dataload.transforms.mel import Bank

SWITCH = "DATALOAD_FAST"
FlacReader = Callable[[bytes], tuple[Float32, int] | None]


class Steps(NamedTuple):
    """What is done to each block of frames; the functions are described in `plain`."""

    fill: Callable[[Float32, Framing, Float32, int, Float32], None]
    rfft: Callable[[Float32], Complex64]
    weigh: Callable[[Complex64, Bank, float, Float32], None]


_PLAIN = Steps(plain.fill, plain.rfft, plain.weigh)


def steps() -> Steps:
    """Return the functions that make features, the fastest ones there are unless they are switched off."""
    return _fast_steps() if _switched_on() else _PLAIN


def flac_reader() -> FlacReader | None:
    """Return the function that reads FLAC without libsndfile, described in `flac`, if there is one to be used."""
    return _fast_flac() if _switched_on() else None


def packages() -> list[str]:
    """Return the names of the packages in use, for reports: some of "numba", "mkl_fft" and "miniaudio".

    >>> set(packages()) <= {"numba", "mkl_fft", "miniaudio"}
    True
    """
    chosen = steps()
    found = {
        "numba": chosen.fill is not plain.fill,
        "mkl_fft": chosen.rfft is not plain.rfft,
        "miniaudio": flac_reader() is not None,
    }
    return [name for name, used in found.items() if used]


def _switched_on() -> bool:
    return os.environ.get(SWITCH) != "0"


@cache
def _fast_steps() -> Steps:
    kernels = _load("numba", "dataload.transforms.kernels") or plain
    fourier = _load("mkl_fft", "dataload.transforms.mkl") or plain
    return Steps(kernels.fill, fourier.rfft, kernels.weigh)


@cache
def _fast_flac() -> FlacReader | None:
    module = _load("miniaudio", "dataload.transforms.flac")
    return module.read if module else None


def _load(package: str, module: str) -> ModuleType | None:
    """Import `module`, which needs `package`: None where that is not installed or does not work."""
    try:
        return importlib.import_module(module)
    except Exception as error:
        # numba, for one, raises errors of many kinds where a version of numpy or a folder that cannot be written does
        # not suit it. The work can be done without, but not in silence.
        if not (isinstance(error, ModuleNotFoundError) and error.name == package):
            warnings.warn(
                f"{package} is installed but cannot be used ({type(error).__name__}: {error}): going on without it; "
                f"repair or remove it, or set {SWITCH}=0",
                RuntimeWarning,
                stacklevel=2,
            )
        return None
