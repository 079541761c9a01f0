"""The `fast` extra: what it brings, what it costs, and which of its packages are in use.

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

from dataload.audio.reader import flac_reader
from dataload.fast import SWITCH as SWITCH
from dataload.transforms.spectral import numpy_kernels
from dataload.transforms.spectral.kernels import kernels


def packages() -> list[str]:
    """Return the names of the packages in use, for reports: some of "numba", "mkl_fft" and "miniaudio".

    >>> set(packages()) <= {"numba", "mkl_fft", "miniaudio"}
    True
    """
    chosen = kernels()
    found = {
        "numba": chosen.fill is not numpy_kernels.fill,
        "mkl_fft": chosen.rfft is not numpy_kernels.rfft,
        "miniaudio": flac_reader() is not None,
    }
    return [name for name, used in found.items() if used]
