"""MFCC: log-mel spectrograms with a cosine transform."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from dataload.errors import ConfigError
from dataload.graph import GraphStep, Weigh, refuse
from dataload.registry import register
from dataload.transforms.checks import Float32, finite_float, one_of, positive_int, store
from dataload.transforms.spectral.cepstrum import DCT_NORMS, dct_matrix, lifter_weights
from dataload.transforms.spectral.energy import frame_energies
from dataload.transforms.spectral.framing import Framing
from dataload.transforms.spectral.logarithm import log_factor, take_log
from dataload.transforms.spectral.logmel import LogMel


@register
@dataclass(frozen=True, repr=False)
class MFCC(LogMel):
    """Mel-frequency cepstral coefficients: the DCT-II of a log-mel spectrogram.

    The defaults are those of librosa for the logarithm (dB, the quietest 80 dB below the loudest), 80 mels so
    that MFCC and LogMel see the same bank, and the 13 coefficients of HTK and Kaldi. `MFCC.preset("librosa")`, and
    "torchaudio", "kaldi" and "tf.signal", give the numbers of these packages.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft to pre_emphasis_on: how the waveform is cut into frames, as in `Spectrogram`.
        n_mels, f_min, f_max, mel_scale, norm, triangles, power: as in `MelSpectrogram`.
        log, offset, floor, top_db: as in `LogMel`.
        normalize: a `Normalize` for the coefficients.
        n_mfcc: number of coefficients, the one for the mean included; at most n_mels.
        dct_norm: "ortho", or "htk" for a first coefficient that is sqrt(2) larger (TensorFlow).
        lifter: length of the lifter that evens out the size of the coefficients, 22 in Kaldi; 0 is none.
        use_energy: whether the logarithm of the energy of each frame, before pre-emphasis and window, replaces the
            first coefficient.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_mfcc) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, one too short for a frame, or one with a sample that is
            not finite.

    >>> MFCC(16_000)(np.zeros(16_000, np.float32)).shape
    (101, 13)
    """

    _: KW_ONLY
    log: str = "db"
    top_db: float | None = 80.0
    n_mfcc: int = 13
    dct_norm: str = "ortho"
    lifter: float = 0.0
    use_energy: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, n_mfcc=positive_int("n_mfcc", self.n_mfcc), lifter=finite_float("lifter", self.lifter))
        if self.n_mfcc > self.n_mels:
            raise ConfigError(f"n_mfcc={self.n_mfcc} must not be above n_mels={self.n_mels}")
        one_of("dct_norm", self.dct_norm, DCT_NORMS)
        one_of("use_energy", self.use_energy, (True, False))
        lifter_weights(self.n_mfcc, self.lifter)

    def graph_steps(self, axis: int) -> list[GraphStep]:
        """Return the coefficients as steps of a graph; use_energy has no counterpart."""
        if self.use_energy:
            refuse(self, "use_energy")
        basis = self._basis().astype(np.float64)
        return self._normalize_steps([*self._log_mel_steps(), Weigh(basis)], axis)

    def _basis(self) -> Float32:
        basis = dct_matrix(self.n_mels, self.n_mfcc, norm=self.dct_norm)
        return basis * lifter_weights(self.n_mfcc, self.lifter) if self.lifter else basis

    def _log_mels(self, waveforms: list[Float32], framing: Framing) -> list[Float32]:
        basis = self._basis()
        cepstra = [features @ basis for features in super()._log_mels(waveforms, framing)]
        if self.use_energy:
            raw = framing.without_window()
            for waveform, x in zip(waveforms, cepstra, strict=True):
                energies = frame_energies(waveform, raw)
                take_log(energies, self.floor, log_factor(self.log, 2.0))
                x[:, 0] = energies
        return cepstra
