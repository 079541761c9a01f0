"""The features by lhotse, which are Kaldi's."""

from __future__ import annotations

from functools import partial

from lhotse import Fbank, FbankConfig, Mfcc, MfccConfig
from torch import from_numpy

from benchmarks.features import each, on

_EXACT = {"round_to_power_of_two": False}
_CLIPS = Fbank(FbankConfig(8_000, num_filters=40, **_EXACT))

CALLS = {
    "log_mel": on(
        partial(Fbank(FbankConfig(16_000, num_filters=80, **_EXACT)).extract, sampling_rate=16_000), from_numpy
    ),
    "log_mel_clips": on(each(partial(_CLIPS.extract, sampling_rate=8_000)), each(from_numpy)),
    "log_mel_kaldi": on(partial(Fbank(FbankConfig(16_000, num_filters=80)).extract, sampling_rate=16_000), from_numpy),
    "mfcc_kaldi": on(partial(Mfcc(MfccConfig(16_000)).extract, sampling_rate=16_000), from_numpy),
}
