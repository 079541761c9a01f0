"""MelSpectrogram, LogMel and MFCC, each the one before it with one step more.

Apart from `mel`, which makes the filters, and from `spectrogram`, which says how a waveform is cut.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dataload.errors import ConfigError
from dataload.transforms import fast
from dataload.transforms.checks import Float32, one_of, positive_float, positive_int, store
from dataload.transforms.framing import Complex64
from dataload.transforms.mel import MEL_NORMS, MEL_SCALES, cached_filters, check_band, dct_matrix
from dataload.transforms.scratch import scratch
from dataload.transforms.spectrogram import Framed, raise_to

# Factors from natural logarithms: numpy's float32 log is vectorised everywhere, its log10 only with AVX-512.
LOGS = {"ln": 1.0, "log10": 1.0 / math.log(10.0), "db": 10.0 / math.log(10.0)}


@dataclass(frozen=True, repr=False)
class _Mel(Framed):
    _: KW_ONLY
    n_mels: int = 80
    f_min: float = 0.0
    f_max: float | None = None
    mel_scale: str = "slaney"
    norm: str | None = "slaney"

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, n_mels=positive_int("n_mels", self.n_mels))
        store(self, f_max=check_band(self.sample_rate, self.f_min, self.f_max), f_min=float(self.f_min))
        one_of("mel_scale", self.mel_scale, MEL_SCALES)
        one_of("norm", self.norm, MEL_NORMS)
        _warn_of_empty(*self._bank())

    def _derived(self) -> dict[str, Any]:
        return {**super()._derived(), "f_max": self.sample_rate / 2}

    def _bank(self) -> tuple[Any, ...]:
        return (self.sample_rate, self.n_fft, self.n_mels, self.f_min, self.f_max, self.mel_scale, self.norm)

    def _width(self) -> int:
        return self.n_mels

    def _mel(self, spectrum: Complex64, out: Float32, power: float) -> None:
        if power == 2.0:
            fast.steps().weigh(spectrum, self._bank(), out)
            return
        magnitudes = scratch("magnitudes", spectrum.shape)
        np.abs(spectrum, out=magnitudes)
        raise_to(magnitudes, power)
        np.matmul(magnitudes, cached_filters(*self._bank()), out=out)


@dataclass(frozen=True, repr=False)
class MelSpectrogram(_Mel):
    """A spectrogram weighed by triangular mel filters.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft, win_length, hop_length, window, center, pad_mode: as in `Spectrogram`.
        n_mels: number of filters.
        f_min: lower edge of the first filter in Hz.
        f_max: upper edge of the last filter in Hz; None is sample_rate / 2.
        mel_scale: "slaney" or "htk", see `dataload.transforms.functional.hz_to_mel`.
        norm: "slaney" gives all filters the same area, None the same height.
        power: what the filters weigh: 2.0 for power, 1.0 for magnitude.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_mels) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, or one too short for a frame.

    Warns:
        UserWarning: filters so narrow that they have no bin of the Fourier transform inside; they give zeros.

    >>> MelSpectrogram(16_000, n_mels=64)(np.zeros(16_000, np.float32)).shape
    (101, 64)
    """

    _: KW_ONLY
    power: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, power=positive_float("power", self.power))

    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        self._mel(spectrum, out, self.power)


@dataclass(frozen=True, repr=False)
class LogMel(_Mel):
    """The logarithm of a mel power spectrogram.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft, win_length, hop_length, window, center, pad_mode: as in `Spectrogram`.
        n_mels, f_min, f_max, mel_scale, norm: as in `MelSpectrogram`.
        log: "ln", "log10", or "db" for 10·log10.
        floor: power below which everything is taken as this; the result is log(max(power, floor)).
        top_db: what lies further than this many dB below the loudest value of the clip is raised to there;
            None leaves it. With it the result depends on the whole clip that is passed in.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_mels) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, or one too short for a frame.

    >>> LogMel(16_000)(np.zeros(16_000, np.float32))[0, :3]
    array([-23.02585, -23.02585, -23.02585], dtype=float32)
    """

    _: KW_ONLY
    log: str = "ln"
    floor: float = 1e-10
    top_db: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("log", self.log, tuple(LOGS))
        store(self, floor=positive_float("floor", self.floor))
        if self.floor < np.finfo(np.float32).tiny:
            raise ConfigError(f"floor={self.floor!r} must be at least {np.finfo(np.float32).tiny} to be a float32")
        if self.top_db is not None:
            store(self, top_db=positive_float("top_db", self.top_db))

    def batch(self, values: list[Any]) -> list[Float32]:
        """Return one (frames, n_mels) float32 array per waveform; the lengths may differ."""
        features = super().batch(values)
        if self.top_db is not None:
            span = self.top_db * LOGS[self.log] / LOGS["db"]
            for x in features:
                np.maximum(x, x.max() - np.float32(span), out=x)
        return features

    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        self._mel(spectrum, out, 2.0)
        np.maximum(out, np.float32(self.floor), out=out)
        np.log(out, out=out)
        if self.log != "ln":
            np.multiply(out, np.float32(LOGS[self.log]), out=out)


@dataclass(frozen=True, repr=False)
class MFCC(LogMel):
    """Mel-frequency cepstral coefficients: the orthonormal DCT-II of a log-mel spectrogram, no lifter.

    The defaults are those of librosa for the logarithm (dB, the quietest 80 dB below the loudest), 80 mels so
    that MFCC and LogMel see the same bank, and the 13 coefficients of HTK and Kaldi. `MFCC(22_050, n_mfcc=20,
    n_mels=128, n_fft=2048, win_length=2048, hop_length=512, pad_mode="constant")` equals
    `librosa.feature.mfcc(y=x).T`.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft, win_length, hop_length, window, center, pad_mode: as in `Spectrogram`.
        n_mels, f_min, f_max, mel_scale, norm: as in `MelSpectrogram`.
        log, floor, top_db: as in `LogMel`.
        n_mfcc: number of coefficients, the one for the mean included; at most n_mels.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_mfcc) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, or one too short for a frame.

    >>> MFCC(16_000)(np.zeros(16_000, np.float32)).shape
    (101, 13)
    """

    _: KW_ONLY
    log: str = "db"
    top_db: float | None = 80.0
    n_mfcc: int = 13

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, n_mfcc=positive_int("n_mfcc", self.n_mfcc))
        if self.n_mfcc > self.n_mels:
            raise ConfigError(f"n_mfcc={self.n_mfcc} must not be above n_mels={self.n_mels}")

    def batch(self, values: list[Any]) -> list[Float32]:
        """Return one (frames, n_mfcc) float32 array per waveform; the lengths may differ."""
        basis = dct_matrix(self.n_mels, self.n_mfcc)
        return [features @ basis for features in super().batch(values)]


@lru_cache(maxsize=64)
def _warn_of_empty(*bank: Any) -> None:
    empty = np.flatnonzero(~cached_filters(*bank).any(axis=0))
    if len(empty):
        warnings.warn(
            f"mel filters without a bin of n_fft={bank[1]} at {bank[0]} Hz inside give zeros: "
            f"{', '.join(map(str, empty))} ({len(empty)} of {bank[2]}); use fewer n_mels or a longer n_fft",
            stacklevel=5,
        )
