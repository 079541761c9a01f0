"""The functions that transforms are made of, to build other transforms from.

Waveforms are (samples,), features (frames, bins), all float32; numbers are given by name.
"""

from __future__ import annotations

from dataload.transforms.audio.preemphasis import preemphasis
from dataload.transforms.audio.resample import resample
from dataload.transforms.spectral.cepstrum import dct, dct_matrix, lifter_weights
from dataload.transforms.spectral.chroma import chroma_filters
from dataload.transforms.spectral.decibels import amplitude_to_db, db_to_amplitude, db_to_power, power_to_db
from dataload.transforms.spectral.deltas import deltas
from dataload.transforms.spectral.mel import hz_to_mel, mel_filters, mel_to_hz
from dataload.transforms.spectral.pcen import pcen
from dataload.transforms.spectral.stft import frame, istft, stft
from dataload.transforms.spectral.windows import window
from dataload.transforms.spectral.zerocrossing import zero_crossings

__all__ = [
    "amplitude_to_db",
    "chroma_filters",
    "db_to_amplitude",
    "db_to_power",
    "dct",
    "dct_matrix",
    "deltas",
    "frame",
    "hz_to_mel",
    "istft",
    "lifter_weights",
    "mel_filters",
    "mel_to_hz",
    "pcen",
    "power_to_db",
    "preemphasis",
    "resample",
    "stft",
    "window",
    "zero_crossings",
]
