"""The features composed from `torch.stft`, as torchaudio composes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.features import each, on
from dataload.transforms.functional import dct_matrix, mel_filters

Function = Callable[[Any], Any]


def _power(n_fft: int, hop_length: int, pad_mode: str = "reflect") -> Function:
    window = torch.hann_window(n_fft)
    stft = partial(
        torch.stft, n_fft=n_fft, hop_length=hop_length, window=window, pad_mode=pad_mode, return_complex=True
    )
    return lambda wave: stft(wave).abs().pow(2.0)


def _mel(sample_rate: int, n_fft: int, hop_length: int, n_mels: int, pad_mode: str = "reflect") -> Function:
    power = _power(n_fft, hop_length, pad_mode)
    bank = torch.from_numpy(np.array(mel_filters(sample_rate, n_fft=n_fft, n_mels=n_mels).T))
    return lambda wave: bank @ power(wave)


def _log(mel: Function) -> Function:
    return lambda wave: torch.log(torch.clamp(mel(wave), min=1e-10))


def _decibels(mel: Function) -> Function:
    def call(wave: Any) -> Any:
        db = 10.0 * torch.log10(torch.clamp(mel(wave), min=1e-10))
        return torch.maximum(db, db.max() - 80.0)

    return call


def _whisper(mel: Function) -> Function:
    def call(wave: Any) -> Any:
        logs = torch.clamp(mel(wave)[:, :-1], min=1e-10).log10()
        return (torch.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0

    return call


def _mfcc(decibels: Function) -> Function:
    basis = torch.from_numpy(np.array(dct_matrix(80, 13).T))
    return lambda wave: basis @ decibels(wave)


_tensor, _speech = torch.from_numpy, _mel(16_000, 400, 160, 80)
_frames = {"n_fft": 400, "hop_length": 160, "window": torch.hann_window(400)}


def _spectrum(x: Any) -> Any:
    return torch.stft(_tensor(x), **_frames, return_complex=True)


CALLS = {
    "spectrogram": on(_power(400, 160), _tensor),
    "istft": on(partial(torch.istft, **_frames), _spectrum),
    "mel": on(_speech, _tensor),
    "log_mel": on(_log(_speech), _tensor),
    "log_mel_clips": on(each(_log(_mel(8_000, 200, 80, 40))), each(_tensor)),
    "log_mel_librosa": on(_decibels(_mel(22_050, 2048, 512, 128, "constant")), _tensor),
    "log_mel_whisper": on(_whisper(_speech), _tensor),
    "mfcc": on(_mfcc(_decibels(_speech)), _tensor),
}
