"""The features composed from `torch.stft`, as torchaudio composes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dataload.transforms.functional import dct_matrix, mel_filters

Call = Callable[[], Any]


def _power(x: Any, n_fft: int, hop_length: int, window: Any, pad_mode: str = "reflect") -> Any:
    spectrum = torch.stft(x, n_fft, hop_length, n_fft, window, pad_mode=pad_mode, return_complex=True)
    return spectrum.abs().pow(2.0)


def _bank(sample_rate: int, n_fft: int, n_mels: int) -> Any:
    return torch.from_numpy(np.array(mel_filters(sample_rate, n_fft=n_fft, n_mels=n_mels).T))


def spectrogram(x: Any) -> Call:
    wave, window = torch.from_numpy(x), torch.hann_window(400)
    return lambda: _power(wave, 400, 160, window)


def istft(x: Any) -> Call:
    window = torch.hann_window(400)
    spectrum = torch.stft(torch.from_numpy(x), 400, 160, 400, window, return_complex=True)
    return lambda: torch.istft(spectrum, 400, 160, 400, window)


def mel(x: Any) -> Call:
    wave, window, bank = torch.from_numpy(x), torch.hann_window(400), _bank(16_000, 400, 80)
    return lambda: bank @ _power(wave, 400, 160, window)


def log_mel(x: Any) -> Call:
    power = mel(x)
    return lambda: torch.log(torch.clamp(power(), min=1e-10))


def log_mel_clips(x: Any) -> Call:
    waves, window, bank = [torch.from_numpy(clip) for clip in x], torch.hann_window(200), _bank(8_000, 200, 40)
    return lambda: [torch.log(torch.clamp(bank @ _power(wave, 200, 80, window), min=1e-10)) for wave in waves]


def log_mel_librosa(x: Any) -> Call:
    wave, window, bank = torch.from_numpy(x), torch.hann_window(2048), _bank(22_050, 2048, 128)

    def call() -> Any:
        db = 10.0 * torch.log10(torch.clamp(bank @ _power(wave, 2048, 512, window, "constant"), min=1e-10))
        return torch.maximum(db, db.max() - 80.0)

    return call


def log_mel_whisper(x: Any) -> Call:
    power = mel(x)

    def call() -> Any:
        logs = torch.clamp(power()[:, :-1], min=1e-10).log10()
        return (torch.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0

    return call


def mfcc(x: Any) -> Call:
    power, basis = mel(x), torch.from_numpy(np.array(dct_matrix(80, 13).T))

    def call() -> Any:
        db = 10.0 * torch.log10(torch.clamp(power(), min=1e-10))
        return basis @ torch.maximum(db, db.max() - 80.0)

    return call
