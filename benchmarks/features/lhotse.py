"""The features by lhotse, which are Kaldi's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from lhotse import Fbank, FbankConfig, Mfcc, MfccConfig

Call = Callable[[], Any]


def log_mel(x: Any) -> Call:
    config = FbankConfig(16_000, num_filters=80, round_to_power_of_two=False)
    return partial(Fbank(config).extract, torch.from_numpy(x), 16_000)


def log_mel_clips(x: Any) -> Call:
    extractor = Fbank(FbankConfig(8_000, num_filters=40, round_to_power_of_two=False))
    waves = [torch.from_numpy(clip) for clip in x]
    return lambda: [extractor.extract(wave, 8_000) for wave in waves]


def log_mel_kaldi(x: Any) -> Call:
    return partial(Fbank(FbankConfig(16_000, num_filters=80)).extract, torch.from_numpy(x), 16_000)


def mfcc_kaldi(x: Any) -> Call:
    return partial(Mfcc(MfccConfig(16_000)).extract, torch.from_numpy(x), 16_000)
