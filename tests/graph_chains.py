"""Chains that have counterparts in graphs, and how near to them these must come."""

from dataclasses import dataclass

import numpy as np

from dataload import Chain
from dataload.graph import GraphStep, Log, Weigh, refuse
from dataload.transforms import MFCC, LogMel, MelSpectrogram, Normalize, PadOrTrim, Resample, Spectrogram
from dataload.transforms.spectral.logarithm import log_factor

CHAINS = {
    "log-mel": [LogMel(8_000, n_mels=40)],
    "librosa's": [LogMel(8_000, n_fft=256, hop_length=100, n_mels=30, pad_mode="constant", log="db", top_db=60.0)],
    "inside": [LogMel(8_000, n_mels=40, center=False, window="hamming", mel_scale="htk", norm=None, log="log10")],
    "short window": [LogMel(8_000, n_fft=400, win_length=199, n_mels=40, f_min=50.0, f_max=3_500.0, pad_mode="edge")],
    "mfcc": [MFCC(8_000, n_mels=40)],
    "normalised": [Resample(8_000, 8_000), LogMel(8_000, n_mels=40), Normalize(), PadOrTrim(64, value=-1.0)],
    "scaled": [PadOrTrim(3_000), LogMel(8_000, n_mels=3, floor=1e-6), Normalize([-8.0, -7.0, -6.0], [2.0, 3.0, 4.0])],
    "waveform": [Normalize(), PadOrTrim(6_000, value=0.5)],
    "mel": [MelSpectrogram(8_000, n_mels=40, power=1.0)],
    "spectrogram": [Spectrogram(8_000, power=1.5)],
    "whisper": [LogMel.preset("whisper", sample_rate=8_000, n_fft=200, win_length=200, hop_length=80, n_mels=40)],
    "kaldi": [LogMel.preset("kaldi", sample_rate=8_000)],
    "kaldi, no snip": [LogMel.preset("kaldi", sample_rate=8_000, center="hop", frame_count="round")],
    "kaldi mfcc": [MFCC.preset("kaldi", sample_rate=8_000, use_energy=False)],
    "tf.signal": [LogMel.preset("tf.signal", sample_rate=8_000, f_max=3_800.0, frame_count="ceil")],
    "nemo": [LogMel.preset("nemo", sample_rate=8_000, n_mels=40, normalize=None)],
}


@dataclass(frozen=True)
class Bands:
    """A transform as a user writes it: decibels of the power below and above a frequency, (frames, 2)."""

    sample_rate: int
    edge: float = 1_000.0
    floor: float = 1e-8
    smooth: bool = False

    def __call__(self, waveform):
        power = self._spectrogram()(waveform) @ self._bands().astype(np.float32)
        decibels = 10.0 * np.log10(np.maximum(power, np.float32(self.floor)))
        return np.cumsum(decibels, axis=0) if self.smooth else decibels

    def graph_steps(self, axis: int) -> list[GraphStep]:
        if self.smooth:
            refuse(self, "smooth")
        logarithm = Log(offset=0.0, floor=self.floor, factor=10.0 / np.log(10.0))
        return [*self._spectrogram().graph_steps(axis), Weigh(self._bands()), logarithm]

    def _spectrogram(self):
        return Spectrogram(self.sample_rate)

    def _bands(self):
        spectrogram = self._spectrogram()
        hz = np.arange(spectrogram.n_fft // 2 + 1) * self.sample_rate / spectrogram.n_fft
        return np.stack([hz < self.edge, hz >= self.edge], axis=1).astype(np.float64)


def apart(got, row, waveform):
    """Return the largest difference from what the chain gives: of logarithms in nats, of powers relative to the top.

    These are the values as they leave the chain, quiet bins included.
    """
    expected = Chain(row)(waveform)
    assert got.shape == expected.shape and got.dtype == np.float32
    difference = float(np.abs(got.astype(np.float64) - expected).max())
    if isinstance(row[-1], MelSpectrogram | Spectrogram):
        return difference / float(expected.max())
    if isinstance(row[-1], MFCC):
        difference /= 1.0 + row[-1].lifter / 2  # A lifter makes coefficients, and their rounding, up to so much larger.
    return difference / (log_factor(row[-1].log, row[-1].power) if isinstance(row[-1], LogMel) else 1.0)
