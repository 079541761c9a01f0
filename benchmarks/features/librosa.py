"""The features by librosa."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import librosa
import numpy as np

Call = Callable[[], Any]
FRAMES = {"n_fft": 400, "hop_length": 160, "pad_mode": "reflect"}


def spectrogram(x: Any) -> Call:
    return lambda: np.abs(librosa.stft(x, **FRAMES)) ** 2


def istft(x: Any) -> Call:
    return partial(librosa.istft, librosa.stft(x, n_fft=400, hop_length=160), n_fft=400, hop_length=160)


def mel(x: Any) -> Call:
    return partial(librosa.feature.melspectrogram, y=x, sr=16_000, n_mels=80, **FRAMES)


def log_mel(x: Any) -> Call:
    power = mel(x)
    return lambda: np.log(np.maximum(power(), 1e-10))


def log_mel_clips(x: Any) -> Call:
    numbers = {"sr": 8_000, "n_mels": 40, "n_fft": 200, "hop_length": 80, "pad_mode": "reflect"}
    return lambda: [np.log(np.maximum(librosa.feature.melspectrogram(y=clip, **numbers), 1e-10)) for clip in x]


def log_mel_librosa(x: Any) -> Call:
    return lambda: librosa.power_to_db(librosa.feature.melspectrogram(y=x, sr=22_050))


def mfcc(x: Any) -> Call:
    return partial(librosa.feature.mfcc, y=x, sr=16_000, n_mfcc=13, n_mels=80, **FRAMES)


def chroma(x: Any) -> Call:
    return partial(librosa.feature.chroma_stft, y=x, sr=22_050, tuning=0.0)


def energy(x: Any) -> Call:
    return partial(librosa.feature.rms, y=x, frame_length=400, hop_length=160)


def zero_crossings(x: Any) -> Call:
    return partial(librosa.feature.zero_crossing_rate, x, frame_length=400, hop_length=160)


def deltas(x: Any) -> Call:
    return partial(librosa.feature.delta, np.ascontiguousarray(x.T), width=5, mode="nearest")


def pcen(x: Any) -> Call:
    return partial(librosa.pcen, np.ascontiguousarray(x.T), sr=16_000, hop_length=160)


def decibels(x: Any) -> Call:
    return partial(librosa.power_to_db, x)


def pre_emphasis(x: Any) -> Call:
    return partial(librosa.effects.preemphasis, x)
