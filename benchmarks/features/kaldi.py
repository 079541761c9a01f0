"""The features by kaldi-native-fbank, whose samples must be a list: it is made beforehand, which is not timed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import kaldi_native_fbank as knf
import numpy as np

from benchmarks.features import each, on


def _features(make: Any, kind: Any, sample_rate: int, n_mels: int, power_of_two: bool = True) -> Callable[[Any], Any]:
    options = kind()
    options.frame_opts.samp_freq, options.frame_opts.dither = sample_rate, 0.0
    options.frame_opts.round_to_power_of_two = power_of_two
    options.mel_opts.num_bins = n_mels

    def run(samples: list[float]) -> Any:
        extractor = make(options)
        extractor.accept_waveform(sample_rate, samples)
        extractor.input_finished()
        return np.stack([extractor.get_frame(i) for i in range(extractor.num_frames_ready)])

    return run


def _samples(x: Any) -> list[float]:
    return (x * 32768.0).tolist()


def _normalise(x: Any) -> Any:
    options = knf.CmvnOptions(norm_vars=True)
    return knf.apply_cmvn(knf.compute_cmvn_stats(x), options, x)


_fbank = partial(_features, knf.OnlineFbank, knf.FbankOptions)
CALLS = {
    "log_mel": on(_fbank(16_000, 80, power_of_two=False), _samples),
    "log_mel_clips": on(each(_fbank(8_000, 40, power_of_two=False)), each(_samples)),
    "log_mel_kaldi": on(_fbank(16_000, 80), _samples),
    "mfcc_kaldi": on(_features(knf.OnlineMfcc, knf.MfccOptions, 16_000, 23), _samples),
    "deltas_kaldi": on(partial(knf.compute_deltas, knf.DeltaOptions())),
    "cmvn": on(_normalise),
}
