"""Window functions, each made once per length; scipy.signal (slow to import) makes only the rare ones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dataload.errors import ConfigError
from dataload.transforms.checks import Float32, positive_int


def window(name: str, length: int, *, n_fft: int | None = None, periodic: bool = True, scale: float = 1.0) -> Float32:
    """Return a window, in the middle of `n_fft` zeros where that is longer.

    Args:
        name: "hann", "hamming", "rectangular", "povey" (Kaldi's: a Hann window to the power of 0.85), or any name
            that `scipy.signal.get_window` takes without parameters.
        length: in samples.
        n_fft: length of the result in samples; None is `length`.
        periodic: True makes the next sample the first one of the next period, as for Fourier transforms; False makes
            the first and the last one equal, as in Kaldi.
        scale: factor of all values.

    Returns:
        (n_fft,) float32, read-only and shared between callers.

    Raises:
        ConfigError: an unknown window, or lengths that cannot work.

    >>> window("hann", 4, n_fft=6)
    array([0. , 0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    >>> window("hann", 5, periodic=False)
    array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    length = positive_int("length", length)
    size = length if n_fft is None else positive_int("n_fft", n_fft)
    if size < length:
        raise ConfigError(f"length={length} must not be above n_fft={n_fft}")
    if not isinstance(name, str):
        raise ConfigError(f"window={name!r} must be the name of a window")
    return _cached_window(name, length, size, bool(periodic), float(scale))


@lru_cache(maxsize=64)
def _cached_window(name: str, length: int, size: int, periodic: bool, scale: float) -> Float32:
    phase = 2.0 * np.pi * np.arange(length) / max(1, length if periodic else length - 1)
    if name == "hann":
        values = 0.5 - 0.5 * np.cos(phase)
    elif name == "hamming":
        values = 0.54 - 0.46 * np.cos(phase)
    elif name == "povey":
        values = (0.5 - 0.5 * np.cos(phase)) ** 0.85
    elif name == "rectangular":
        values = np.ones(length)
    else:
        from scipy.signal import get_window  # slow to import, and seldom needed

        try:
            values = get_window(name, length, fftbins=periodic)
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"window={name!r} must be 'hann', 'hamming', 'rectangular', 'povey' or a name that "
                f"scipy.signal.get_window takes ({error})"
            ) from None
    if length == 1:
        values = np.ones(1)  # as in scipy, where the formula would give 0
    whole = np.zeros(size, dtype=np.float32)
    start = (len(whole) - length) // 2
    whole[start : start + length] = scale * values
    whole.flags.writeable = False
    return whole
