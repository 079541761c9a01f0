"""Mel scales, mel filter banks and the cosine basis of the MFCC.

Apart from the framing because these depend on no signal: each is a small matrix, made once per set of
parameters.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.errors import ConfigError
from dataload.transforms.checks import Float32, finite_float, one_of, positive_int

MEL_SCALES = ("slaney", "htk")
MEL_NORMS = ("slaney", None)

# Slaney: linear at 200/3 Hz per mel up to 1 kHz (mel 15), then 27 mels for each factor of 6.4.
_HZ_PER_MEL = 200.0 / 3.0
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def hz_to_mel(hz: npt.ArrayLike, *, mel_scale: str = "slaney") -> npt.NDArray[np.float64]:
    """Convert frequencies to mels.

    Args:
        hz: frequencies in Hz, any shape, at least 0.
        mel_scale: "slaney" (Auditory Toolbox, 1998: 3·f/200 below 1 kHz, logarithmic above) or "htk"
            (2595·log10(1 + f/700), the HTK Book).

    Returns:
        float64 of the same shape.

    Raises:
        ConfigError: an unknown scale.

    >>> hz_to_mel([0, 500, 1000, 6400])
    array([ 0. ,  7.5, 15. , 42. ])
    """
    one_of("mel_scale", mel_scale, MEL_SCALES)
    f = np.asarray(hz, dtype=np.float64)
    if mel_scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + f / 700.0))
    above = _KNEE_MEL + np.log(np.maximum(f, _KNEE_HZ) / _KNEE_HZ) / _LOG_STEP
    return np.where(f < _KNEE_HZ, f / _HZ_PER_MEL, above)


def mel_to_hz(mel: npt.ArrayLike, *, mel_scale: str = "slaney") -> npt.NDArray[np.float64]:
    """Convert mels to frequencies: the inverse of `hz_to_mel`.

    Args:
        mel: mels, any shape.
        mel_scale: "slaney" or "htk".

    Returns:
        Frequencies in Hz, float64 of the same shape.

    Raises:
        ConfigError: an unknown scale.

    >>> mel_to_hz([0, 15, 42])
    array([   0., 1000., 6400.])
    """
    one_of("mel_scale", mel_scale, MEL_SCALES)
    m = np.asarray(mel, dtype=np.float64)
    if mel_scale == "htk":
        return np.asarray(700.0 * (10.0 ** (m / 2595.0) - 1.0))
    above = _KNEE_HZ * np.exp(_LOG_STEP * (np.maximum(m, _KNEE_MEL) - _KNEE_MEL))
    return np.where(m < _KNEE_MEL, m * _HZ_PER_MEL, above)


def mel_filters(
    sample_rate: int,
    *,
    n_fft: int,
    n_mels: int = 80,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: str = "slaney",
    norm: str | None = "slaney",
) -> Float32:
    """Return a bank of triangular mel filters, the same as `librosa.filters.mel`, transposed.

    The triangles are linear in Hz and stand at n_mels + 2 points spaced evenly in mels between f_min and
    f_max.

    Args:
        sample_rate: in Hz.
        n_fft: points of the Fourier transform whose power the filters weigh.
        n_mels: number of filters.
        f_min: lower edge of the first filter in Hz.
        f_max: upper edge of the last filter in Hz; None is sample_rate / 2.
        mel_scale: "slaney" or "htk".
        norm: "slaney" divides each triangle by half its width in Hz, so that all have the same area; None
            leaves their peaks at 1.

    Returns:
        (n_fft // 2 + 1, n_mels) float32, read-only and shared between callers.

    Raises:
        ConfigError: a number that cannot work.

    >>> mel_filters(16_000, n_fft=400, n_mels=40).shape
    (201, 40)
    """
    one_of("mel_scale", mel_scale, MEL_SCALES)
    one_of("norm", norm, MEL_NORMS)
    return cached_filters(
        positive_int("sample_rate", sample_rate),
        positive_int("n_fft", n_fft),
        positive_int("n_mels", n_mels),
        float(f_min),
        check_band(sample_rate, f_min, f_max),
        mel_scale,
        norm,
    )


@lru_cache(maxsize=64)
def cached_filters(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float, mel_scale: str, norm: str | None
) -> Float32:
    """Return `mel_filters` of arguments that were checked before."""
    ends = hz_to_mel([f_min, f_max], mel_scale=mel_scale)
    edges = mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2), mel_scale=mel_scale)
    bins = np.arange(n_fft // 2 + 1)[:, None] * (sample_rate / n_fft)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)))
    if norm == "slaney":
        weights *= 2.0 / (high - low)
    return _read_only(weights)


def dct_matrix(n_in: int, n_out: int) -> Float32:
    """Return the first `n_out` rows of the orthonormal DCT-II, transposed for `features @ dct_matrix`.

    Args:
        n_in: length of what is transformed.
        n_out: number of coefficients, at most n_in.

    Returns:
        (n_in, n_out) float32, read-only and shared between callers: column k is
        sqrt(2 / n_in)·cos(π·k·(2m + 1) / (2·n_in)) over m, the first column divided by sqrt(2).

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
    return _cached_dct(n_in, n_out)


@lru_cache(maxsize=64)
def _cached_dct(n_in: int, n_out: int) -> Float32:
    m, k = np.arange(n_in)[:, None], np.arange(n_out)
    basis = np.sqrt(2.0 / n_in) * np.cos(np.pi * k * (2 * m + 1) / (2 * n_in))
    basis[:, 0] /= math.sqrt(2.0)
    return _read_only(basis)


def check_band(sample_rate: int, f_min: float, f_max: float | None) -> float:
    """Return f_max in Hz, or raise ConfigError unless 0 <= f_min < f_max <= sample_rate / 2."""
    nyquist = sample_rate / 2
    top = nyquist if f_max is None else finite_float("f_max", f_max)
    low = finite_float("f_min", f_min)
    if top > nyquist:
        raise ConfigError(f"f_max={f_max!r} must not be above {nyquist:g} Hz, half of sample_rate={sample_rate}")
    if not 0 <= low < top:
        raise ConfigError(f"f_min={f_min!r} must be at least 0 and below f_max={top:g} Hz")
    return top


def _read_only(matrix: npt.NDArray[Any]) -> Float32:
    array = np.ascontiguousarray(matrix, dtype=np.float32)
    array.flags.writeable = False
    return array
