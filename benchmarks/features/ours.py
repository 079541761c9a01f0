"""The features by dataload; whether the `fast` extra is used is decided by whoever calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dataload.transforms import (
    MFCC,
    PCEN,
    Chroma,
    Deltas,
    Energy,
    LogMel,
    MelSpectrogram,
    Normalize,
    PreEmphasis,
    Spectrogram,
    ZeroCrossingRate,
)
from dataload.transforms.functional import deltas as slopes
from dataload.transforms.functional import istft as inverse
from dataload.transforms.functional import power_to_db, stft

Call = Callable[[], Any]


def spectrogram(x: Any) -> Call:
    return partial(Spectrogram(16_000), x)


def istft(x: Any) -> Call:
    return partial(inverse, stft(x, n_fft=400, hop_length=160), hop_length=160)


def mel(x: Any) -> Call:
    return partial(MelSpectrogram(16_000), x)


def log_mel(x: Any) -> Call:
    return partial(LogMel(16_000), x)


def log_mel_clips(x: Any) -> Call:
    return partial(LogMel(8_000, n_mels=40).batch, x)


def log_mel_librosa(x: Any) -> Call:
    return partial(LogMel.preset("librosa"), x)


def log_mel_kaldi(x: Any) -> Call:
    return partial(LogMel.preset("kaldi", n_mels=80), x)


def log_mel_tf(x: Any) -> Call:
    return partial(LogMel.preset("tf.signal"), x)


def log_mel_whisper(x: Any) -> Call:
    return partial(LogMel.preset("whisper"), x)


def mfcc(x: Any) -> Call:
    return partial(MFCC(16_000), x)


def mfcc_kaldi(x: Any) -> Call:
    return partial(MFCC.preset("kaldi"), x)


def mfcc_tf(x: Any) -> Call:
    return partial(MFCC.preset("tf.signal"), x)


def chroma(x: Any) -> Call:
    return partial(Chroma.preset("librosa"), x)


def energy(x: Any) -> Call:
    return partial(Energy(16_000, pad_mode="constant", log=None), x)


def zero_crossings(x: Any) -> Call:
    return partial(ZeroCrossingRate(16_000), x)


def deltas(x: Any) -> Call:
    return partial(slopes, x)


def deltas_kaldi(x: Any) -> Call:
    return partial(Deltas(), x)


def pcen(x: Any) -> Call:
    return partial(PCEN(16_000), x)


def decibels(x: Any) -> Call:
    return partial(power_to_db, x)


def cmvn(x: Any) -> Call:
    return partial(Normalize(), x)


def pre_emphasis(x: Any) -> Call:
    return partial(PreEmphasis(), x)
