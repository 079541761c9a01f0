"""Mel scales and mel filter banks: small matrices, made once per set of parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dataload.errors import ConfigError
from dataload.transforms.checks import Float32, check_matrix, finite_float, one_of, positive_int

MEL_SCALES = ("slaney", "htk")
MEL_NORMS = ("slaney", None)
TRIANGLES = ("hz", "mel")

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
    triangles: str = "hz",
) -> Float32:
    """Return a bank of triangular mel filters, by default the same as `librosa.filters.mel`, transposed.

    The triangles stand at n_mels + 2 points spaced evenly in mels between f_min and f_max.

    Args:
        sample_rate: in Hz.
        n_fft: points of the Fourier transform whose power the filters weigh.
        n_mels: number of filters.
        f_min: lower edge of the first filter in Hz.
        f_max: upper edge of the last filter in Hz; None is sample_rate / 2.
        mel_scale: "slaney" or "htk".
        norm: "slaney" divides each triangle by half its width in Hz, so that all have the same area; None
            leaves their peaks at 1.
        triangles: whether their sides are straight over "hz" (librosa, torchaudio) or over "mel" (Kaldi, TensorFlow).

    Returns:
        (n_fft // 2 + 1, n_mels) float32, read-only and shared between callers.

    Raises:
        ConfigError: a number that cannot work.

    >>> mel_filters(16_000, n_fft=400, n_mels=40).shape
    (201, 40)
    """
    sample_rate = positive_int("sample_rate", sample_rate)
    top = check_band(sample_rate, f_min, f_max)
    check_bank(mel_scale, norm, triangles)
    n_fft, n_mels = positive_int("n_fft", n_fft), positive_int("n_mels", n_mels)
    return Bank(sample_rate, n_fft, n_mels, float(f_min), top, mel_scale, norm, triangles).filters()


@dataclass(frozen=True)
class Bank:
    """The arguments of `mel_filters`, checked."""

    sample_rate: int
    n_fft: int
    n_mels: int
    f_min: float
    f_max: float
    mel_scale: str
    norm: str | None
    triangles: str

    def __post_init__(self) -> None:
        check_matrix(n_fft=self.n_fft, n_mels=self.n_mels)

    def filters(self) -> Float32:
        """Return (n_fft // 2 + 1, n_mels) float32, read-only and shared between callers."""
        return _cached_filters(self)

    def empty(self) -> list[int]:
        """Return the numbers of the filters that have no bin inside."""
        return [int(i) for i in np.flatnonzero(~self.filters().any(axis=0))]


@lru_cache(maxsize=64)
def _cached_filters(bank: Bank) -> Float32:
    scale = bank.mel_scale
    ends = hz_to_mel([bank.f_min, bank.f_max], mel_scale=scale)
    edges = np.linspace(ends[0], ends[1], bank.n_mels + 2)
    bins = np.arange(bank.n_fft // 2 + 1)[:, None] * (bank.sample_rate / bank.n_fft)
    hz = mel_to_hz(edges, mel_scale=scale)
    if bank.triangles == "mel":
        bins = hz_to_mel(bins, mel_scale=scale)
    else:
        edges = hz
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - low) / (peak - low), (high - bins) / (high - peak)))
    if bank.norm == "slaney":
        weights *= 2.0 / (hz[2:] - hz[:-2])
    array: Float32 = np.ascontiguousarray(weights, dtype=np.float32)
    array.flags.writeable = False
    return array


def check_bank(mel_scale: str, norm: str | None, triangles: str) -> None:
    """Raise ConfigError unless there are such filters."""
    one_of("mel_scale", mel_scale, MEL_SCALES)
    one_of("norm", norm, MEL_NORMS)
    one_of("triangles", triangles, TRIANGLES)


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
