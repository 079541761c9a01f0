"""The energy of frames, by itself and for MFCC: cut as for spectra, without a Fourier transform."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from dataload.registry import register
from dataload.transforms.checks import Float32, check_finite, one_of, store
from dataload.transforms.scratch import scratch
from dataload.transforms.spectral.features import FrameTransform
from dataload.transforms.spectral.frames import too_large
from dataload.transforms.spectral.framing import Framing
from dataload.transforms.spectral.kernels import kernels
from dataload.transforms.spectral.logarithm import LOGS, log_factor, log_floor, take_log
from dataload.transforms.spectral.numpy_kernels import cut


def frame_energies(waveform: Float32, framing: Framing) -> Float32:
    """Return the sum of the squared samples of each frame: (frames,) float32."""
    energies = np.empty(framing.n_frames(len(waveform)), np.float32)
    frames, window = scratch("frames", (framing.chunk, framing.n_fft)), framing.analysis_window
    fill = kernels().fill
    for start in range(0, len(energies), framing.chunk):
        out = energies[start : start + framing.chunk]
        if framing.changes_nothing:
            rows = cut(waveform, framing, start, len(out))
        else:
            rows = frames[: len(out)]
            fill(waveform, framing, window, start, rows)
        np.einsum("ij,ij->i", rows, rows, out=out)
    return energies


@register
@dataclass(frozen=True, repr=False)
class Energy(FrameTransform):
    """The energy of each frame: the sum of its squared samples.

    `Energy.preset("kaldi")` is the log-energy that Kaldi's MFCC have in the first place (raw_energy).

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft to pre_emphasis_on: how the waveform is cut into frames, as in `Spectrogram`.
        log: "ln", "log10", "db" for 10·log10, or None for the energy itself.
        floor: minimum of the energy under a logarithm.

    Returns:
        (when called on a (samples,) float waveform) (frames, 1) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, one too short for a frame, or one with a sample that is
            not finite.

    >>> Energy(8_000, log=None, center=False)(np.full(200, 0.5, np.float32))
    array([[50.]], dtype=float32)
    """

    _: KW_ONLY
    window: str = "rectangular"
    log: str | None = "ln"
    floor: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("log", self.log, (*LOGS, None))
        store(self, floor=log_floor(self.floor))

    def batch(self, values: list[Any]) -> list[Float32]:
        """Return one (frames, 1) float32 array per waveform; the lengths may differ."""
        found = []
        waveforms, framing = self._cut(values)
        for waveform in waveforms:
            energies = frame_energies(waveform, framing)
            if not np.isfinite(energies).all():
                check_finite("Energy", waveform)
                raise too_large("Energy", [waveform])
            if self.log is not None:
                take_log(energies, self.floor, log_factor(self.log, 2.0))
            found.append(energies[:, None])
        return found
