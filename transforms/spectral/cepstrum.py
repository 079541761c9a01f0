"""From log-mel spectrograms to cepstral coefficients: the cosine basis and the lifter.

Each is a small array, made once per set of parameters.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.errors import ConfigError
from dataload.transforms.checks import Float32, as_float32, check_matrix, finite_float, one_of, positive_int

DCT_NORMS = ("ortho", "htk")


def dct_matrix(n_in: int, n_out: int, *, norm: str = "ortho") -> Float32:
    """Return the first `n_out` rows of the DCT-II, transposed for `features @ dct_matrix`.

    Args:
        n_in: length of what is transformed.
        n_out: number of coefficients, at most n_in.
        norm: "ortho" divides the first column by sqrt(2), which makes the columns orthonormal; "htk" does not (the
            HTK Book, and TensorFlow).

    Returns:
        (n_in, n_out) float32, read-only and shared between callers: column k is
        sqrt(2 / n_in)·cos(π·k·(2m + 1) / (2·n_in)) over m, the first column by `norm`.

    Raises:
        ConfigError: lengths that cannot work.

    >>> dct_matrix(4, 2)
    array([[ 0.5       ,  0.6532815 ],
           [ 0.5       ,  0.27059805],
           [ 0.5       , -0.27059805],
           [ 0.5       , -0.6532815 ]], dtype=float32)
    """
    n_in, n_out = positive_int("n_in", n_in), positive_int("n_out", n_out)
    if n_out > n_in:
        raise ConfigError(f"n_out={n_out} must not be above n_in={n_in}")
    one_of("norm", norm, DCT_NORMS)
    check_matrix(n_in=n_in, n_out=n_out)
    return _cached_dct(n_in, n_out, norm)


@lru_cache(maxsize=64)
def _cached_dct(n_in: int, n_out: int, norm: str) -> Float32:
    m, k = np.arange(n_in)[:, None], np.arange(n_out)
    basis = np.sqrt(2.0 / n_in) * np.cos(np.pi * k * (2 * m + 1) / (2 * n_in))
    if norm == "ortho":
        basis[:, 0] /= math.sqrt(2.0)
    array: Float32 = np.ascontiguousarray(basis, dtype=np.float32)
    array.flags.writeable = False
    return array


def dct(features: npt.NDArray[np.floating[Any]], *, n_out: int, norm: str = "ortho") -> Float32:
    """Return the first coefficients of the DCT-II over the last axis.

    Args:
        features: (..., bins) floats, e.g. a log-mel spectrogram.
        n_out: number of coefficients, at most the number of bins.
        norm: "ortho" or "htk", see `dct_matrix`.

    Returns:
        (..., n_out) float32.

    Raises:
        ConfigError: more coefficients than bins, or an unknown norm.
        TransformError: not a float array.

    >>> dct(np.ones((1, 4)), n_out=2).round(3)
    array([[2., 0.]], dtype=float32)
    """
    x = as_float32("dct", features)
    return np.asarray(x @ dct_matrix(x.shape[-1], n_out, norm=norm))


def lifter_weights(n: int, lifter: float) -> Float32:
    """Return what cepstral coefficients are multiplied by to even out their size.

    Args:
        n: number of coefficients.
        lifter: length of the lifter Q; 0 changes nothing.

    Returns:
        (n,) float32: 1 + Q / 2·sin(π·k / Q) for k from 0 (the HTK Book, and Kaldi; librosa counts k from 1).

    Raises:
        ConfigError: a number that cannot work.

    >>> lifter_weights(3, 22.0)
    array([1.       , 2.5654633, 4.099058 ], dtype=float32)
    """
    k, length = np.arange(positive_int("n", n)), finite_float("lifter", lifter)
    if length < 0:
        raise ConfigError(f"lifter={lifter!r} must be at least 0")
    if length == 0:
        return np.ones(len(k), np.float32)
    return np.asarray(1.0 + length / 2 * np.sin(np.pi * k / length), np.float32)
