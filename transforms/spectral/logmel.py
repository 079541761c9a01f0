"""MelSpectrogram and LogMel: spectra of frames weighed by mel filters, and the logarithm of that."""

from __future__ import annotations

import sys
import warnings
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dataload.errors import ConfigError
from dataload.graph import Ceil, GraphStep, Log, Weigh
from dataload.registry import register
from dataload.transforms.checks import Float32, finite_float, one_of, positive_float, positive_int, store
from dataload.transforms.normalize import Normalize
from dataload.transforms.spectral.features import SpectrumTransform
from dataload.transforms.spectral.framing import Complex64, Framing, framing_of
from dataload.transforms.spectral.kernels import kernels
from dataload.transforms.spectral.logarithm import LOGS, log_factor, log_floor, take_log
from dataload.transforms.spectral.mel import Bank, check_band, check_bank


@dataclass(frozen=True, repr=False)
class _Mel(SpectrumTransform):
    _: KW_ONLY
    n_mels: int = 80
    f_min: float = 0.0
    f_max: float | None = None
    mel_scale: str = "slaney"
    norm: str | None = "slaney"
    triangles: str = "hz"
    power: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, n_mels=positive_int("n_mels", self.n_mels))
        store(self, f_max=check_band(self.sample_rate, self.f_min, self.f_max), f_min=float(self.f_min))
        check_bank(self.mel_scale, self.norm, self.triangles)
        store(self, power=positive_float("power", self.power))
        _warn_of_empty(self._bank())

    def _derived(self) -> dict[str, Any]:
        return {**super()._derived(), "f_max": self.sample_rate / 2}

    def _bank(self) -> Bank:
        assert self.n_fft is not None and self.f_max is not None
        return Bank(
            self.sample_rate,
            self.n_fft,
            self.n_mels,
            self.f_min,
            self.f_max,
            self.mel_scale,
            self.norm,
            self.triangles,
        )

    def _width(self) -> int:
        return self.n_mels

    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        kernels().weigh(spectrum, self._bank(), self.power, out)

    def _mel_steps(self) -> list[GraphStep]:
        return [*framing_of(self).graph_steps(self.power), Weigh(self._bank().filters().astype(np.float64))]


@register
@dataclass(frozen=True, repr=False)
class MelSpectrogram(_Mel):
    """A spectrogram weighed by triangular mel filters.

    `MelSpectrogram.preset("librosa")`, and "torchaudio", "kaldi" and "tf.signal", give the numbers of these packages.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft to pre_emphasis_on: how the waveform is cut into frames, as in `Spectrogram`.
        n_mels: number of filters.
        f_min: lower edge of the first filter in Hz.
        f_max: upper edge of the last filter in Hz; None is sample_rate / 2.
        mel_scale: "slaney" or "htk", see `dataload.transforms.functional.hz_to_mel`.
        norm: "slaney" gives all filters the same area, None the same height.
        triangles: whether the sides of the filters are straight over "hz" or over "mel".
        power: what the filters weigh: 2.0 for power, 1.0 for magnitude.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_mels) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, one too short for a frame, or one with a sample that is
            not finite.

    Warns:
        UserWarning: filters so narrow that they have no bin of the Fourier transform inside; they give zeros.

    >>> MelSpectrogram(16_000, n_mels=64)(np.zeros(16_000, np.float32)).shape
    (101, 64)
    """

    def graph_steps(self, axis: int) -> list[GraphStep]:
        """Return the mel spectrogram as steps of a graph."""
        return self._mel_steps()


@register
@dataclass(frozen=True, repr=False)
class LogMel(_Mel):
    """The logarithm of a mel spectrogram.

    `LogMel.preset("whisper")`, and "librosa", "torchaudio", "kaldi", "tf.signal" and "nemo", give the numbers of these
    packages; any parameter can be given too: `LogMel.preset("kaldi", n_mels=80)`.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft to pre_emphasis_on: how the waveform is cut into frames, as in `Spectrogram`.
        n_mels, f_min, f_max, mel_scale, norm, triangles, power: as in `MelSpectrogram`.
        log: "ln", "log10", or "db" for 10·log10 of power and 20·log10 of magnitude.
        offset: added before the logarithm.
        floor: minimum under the logarithm; the result is log(max(mel + offset, floor)).
        top_db: range in dB: values further below the loudest one of the clip are raised to that level, so that the
            result depends on the whole clip; None raises none.
        normalize: a `Normalize` for the end: with numbers, or measuring each clip.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_mels) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, one too short for a frame, or one with a sample that is
            not finite.

    >>> LogMel(16_000)(np.zeros(16_000, np.float32))[0, :3]
    array([-23.02585, -23.02585, -23.02585], dtype=float32)
    >>> LogMel.preset("whisper", n_mels=128)
    LogMel(16000, frame_count='floor', n_mels=128, log='log10', top_db=80.0, normalize=Normalize(mean=-4.0, std=4.0))
    """

    _: KW_ONLY
    log: str = "ln"
    offset: float = 0.0
    floor: float = 1e-10
    top_db: float | None = None
    normalize: Normalize | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("log", self.log, LOGS)
        store(self, floor=log_floor(self.floor), offset=finite_float("offset", self.offset))
        if self.offset < 0:
            raise ConfigError(f"offset={self.offset!r} must be at least 0")
        if self.top_db is not None:
            store(self, top_db=positive_float("top_db", self.top_db))
        if not isinstance(self.normalize, Normalize | None):
            raise ConfigError(f"normalize={self.normalize!r} must be a Normalize or None")

    def graph_steps(self, axis: int) -> list[GraphStep]:
        """Return the log-mel spectrogram as steps of a graph."""
        return self._normalize_steps(self._log_mel_steps(), axis)

    def _log_mel_steps(self) -> list[GraphStep]:
        factor = log_factor(self.log, self.power)
        # The floor as float32 has it, as in the chain: below that, another value would be raised to another floor.
        steps = [*self._mel_steps(), Log(self.offset, float(np.float32(self.floor)), factor)]
        return steps if self.top_db is None else [*steps, Ceil(self.top_db * factor / log_factor("db", self.power))]

    def _normalize_steps(self, steps: list[GraphStep], axis: int) -> list[GraphStep]:
        if self.normalize is None:
            return steps
        return [*steps, *self.normalize.graph_steps(axis - sum(step.new_axes for step in steps))]

    def _transform(self, waveforms: list[Float32], framing: Framing) -> list[Float32]:
        features = self._log_mels(waveforms, framing)
        return features if self.normalize is None else [self.normalize(x) for x in features]

    def _log_mels(self, waveforms: list[Float32], framing: Framing) -> list[Float32]:
        features = super()._transform(waveforms, framing)
        if self.top_db is not None:
            span = np.float32(self.top_db * log_factor(self.log, self.power) / log_factor("db", self.power))
            for x in features:
                np.maximum(x, x.max() - span, out=x)
        return features

    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        super()._reduce(spectrum, out)
        if self.offset:
            np.add(out, np.float32(self.offset), out=out)
        take_log(out, self.floor, log_factor(self.log, self.power))


@lru_cache(maxsize=64)
def _warn_of_empty(bank: Bank) -> None:
    if empty := bank.empty():
        warnings.warn(
            f"mel filters without a bin of n_fft={bank.n_fft} at {bank.sample_rate} Hz inside give zeros: "
            f"{', '.join(map(str, empty))} ({len(empty)} of {bank.n_mels}); use fewer n_mels or a longer n_fft",
            stacklevel=_outside(),
        )


def _outside() -> int:
    """Return the stack level of the code that made the transform, by its constructor or by a preset."""
    level, frame = 0, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("dataload.transforms."):
        level, frame = level + 1, frame.f_back
    return level
