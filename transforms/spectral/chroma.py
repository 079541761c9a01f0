"""Chroma: the power of each of the twelve notes, whatever the octave."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dataload.registry import register
from dataload.transforms.checks import Float32, check_matrix, finite_float, positive_float, positive_int, store
from dataload.transforms.spectral.features import SpectrumTransform
from dataload.transforms.spectral.framing import Complex64
from dataload.transforms.spectral.numpy_kernels import magnitudes
from dataload.transforms.spectral.products import matmul

_A0 = 27.5  # Hz, the A four octaves below 440
# The weight of the octaves is a bell around this one, counted from A0, and so many octaves wide.
_CENTRE, _WIDTH = 5.0, 2.0


def chroma_filters(sample_rate: int, *, n_fft: int, n_chroma: int = 12, tuning: float = 0.0) -> Float32:
    """Return a bank that adds up the bins of the Fourier transform by note.

    Each bin counts for the notes near it by a bell, bins near octave 5 count most, and the weights of a bin have
    length 1 before that: Ellis, "Chroma feature analysis and synthesis" (2007), with librosa's constants.

    Args:
        sample_rate: in Hz.
        n_fft: points of the Fourier transform.
        n_chroma: notes in an octave; the first is C where there are 12.
        tuning: how far the A lies above 440 Hz, in notes.

    Returns:
        (n_fft // 2 + 1, n_chroma) float32, read-only and shared between callers: `librosa.filters.chroma`, transposed.

    Raises:
        ConfigError: a number that cannot work.

    >>> chroma_filters(8_000, n_fft=256).shape
    (129, 12)
    """
    n_fft, n_chroma = positive_int("n_fft", n_fft), positive_int("n_chroma", n_chroma)
    check_matrix(n_fft=n_fft, n_chroma=n_chroma)
    return _cached_filters(positive_int("sample_rate", sample_rate), n_fft, n_chroma, finite_float("tuning", tuning))


@lru_cache(maxsize=64)
def _cached_filters(sample_rate: int, n_fft: int, n_chroma: int, tuning: float) -> Float32:
    hz = np.arange(1, n_fft) * (sample_rate / n_fft)
    notes = n_chroma * np.log2(hz / (_A0 * 2.0 ** (tuning / n_chroma)))
    # The bin at 0 Hz has no note: it is put one and a half octaves below the next one.
    notes = np.concatenate([[notes[0] - 1.5 * n_chroma], notes])
    widths = np.concatenate([np.maximum(np.diff(notes), 1.0), [1.0]])
    half = np.round(n_chroma / 2)
    distance = np.remainder(notes[:, None] - np.arange(n_chroma) + half + 10 * n_chroma, n_chroma) - half
    weights = np.exp(-0.5 * (2.0 * distance / widths[:, None]) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    weights *= np.exp(-0.5 * ((notes / n_chroma - _CENTRE) / _WIDTH) ** 2)[:, None]
    # Counted from A so far, from C from here on.
    bank: Float32 = np.ascontiguousarray(np.roll(weights, -3 * (n_chroma // 12), axis=1)[: n_fft // 2 + 1], np.float32)
    bank.flags.writeable = False
    return bank


@register
@dataclass(frozen=True, repr=False)
class Chroma(SpectrumTransform):
    """The power of each of the twelve notes, whatever the octave, the loudest of each frame being 1.

    `Chroma.preset("librosa")` gives the numbers of `librosa.feature.chroma_stft(..., tuning=0.0)`.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft to pre_emphasis_on: how the waveform is cut into frames, as in `Spectrogram`.
            25 ms tell low notes apart badly: music takes 0.1 s.
        n_chroma: notes in an octave; the first is C where there are 12.
        tuning: how far the A lies above 440 Hz, in notes.
        power: what is added up: 2.0 for power, 1.0 for magnitude.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_chroma) float32 from 0 to 1; silence gives zeros.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, one too short for a frame, or one with a sample that is
            not finite.

    >>> tone = np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000).astype(np.float32)
    >>> Chroma(8_000, n_fft=1024, win_length=1024)(tone)[50].argmax()  # A
    np.int64(9)
    """

    _: KW_ONLY
    n_chroma: int = 12
    tuning: float = 0.0
    power: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, n_chroma=positive_int("n_chroma", self.n_chroma), tuning=finite_float("tuning", self.tuning))
        store(self, power=positive_float("power", self.power))

    def _width(self) -> int:
        return self.n_chroma

    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        assert self.n_fft is not None
        bank = _cached_filters(self.sample_rate, self.n_fft, self.n_chroma, self.tuning)
        matmul(magnitudes(spectrum, self.power), bank, out)
        loudest: Any = out.max(axis=1, keepdims=True)
        np.divide(out, np.where(loudest < np.finfo(np.float32).tiny, np.float32(1.0), loudest), out=out)
