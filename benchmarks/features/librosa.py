"""The features by librosa."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import librosa
import numpy as np

from benchmarks.features import each, on

_FRAMES = {"n_fft": 400, "hop_length": 160, "pad_mode": "reflect"}
_RMS = {"frame_length": 400, "hop_length": 160}


def _on_waves(function: Callable[..., Any], **options: Any) -> Callable[[Any], Any]:
    return lambda x: function(y=x, **options)


def _power(x: Any) -> Any:
    return np.abs(librosa.stft(x, **_FRAMES)) ** 2


def _log(mel: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.log(np.maximum(mel(x), 1e-10))


def _bands_first(x: Any) -> Any:
    return np.ascontiguousarray(x.T)


_melspectrogram = partial(_on_waves, librosa.feature.melspectrogram)
_speech = _melspectrogram(sr=16_000, n_mels=80, **_FRAMES)
_clips = _log(_melspectrogram(sr=8_000, n_mels=40, n_fft=200, hop_length=80, pad_mode="reflect"))
_music = _melspectrogram(sr=22_050)

CALLS = {
    "spectrogram": on(_power),
    "istft": on(partial(librosa.istft, n_fft=400, hop_length=160), partial(librosa.stft, n_fft=400, hop_length=160)),
    "mel": on(_speech),
    "log_mel": on(_log(_speech)),
    "log_mel_clips": on(each(_clips)),
    "log_mel_librosa": on(lambda x: librosa.power_to_db(_music(x))),
    "mfcc": on(_on_waves(librosa.feature.mfcc, sr=16_000, n_mfcc=13, n_mels=80, **_FRAMES)),
    "chroma": on(_on_waves(librosa.feature.chroma_stft, sr=22_050, tuning=0.0)),
    "energy": on(_on_waves(librosa.feature.rms, **_RMS)),
    "zero_crossings": on(partial(librosa.feature.zero_crossing_rate, **_RMS)),
    "deltas": on(partial(librosa.feature.delta, width=5, mode="nearest"), _bands_first),
    "pcen": on(partial(librosa.pcen, sr=16_000, hop_length=160), _bands_first),
    "decibels": on(librosa.power_to_db),
    "pre_emphasis": on(librosa.effects.preemphasis),
}
