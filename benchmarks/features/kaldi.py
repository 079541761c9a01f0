"""The features by kaldi-native-fbank, whose samples must be a list: it is made beforehand, which is not timed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import kaldi_native_fbank as knf
import numpy as np

Call = Callable[[], Any]


def _options(kind: Any, sample_rate: int, n_mels: int, power_of_two: bool = True) -> Any:
    options = kind()
    options.frame_opts.samp_freq, options.frame_opts.dither = sample_rate, 0.0
    options.frame_opts.round_to_power_of_two = power_of_two
    options.mel_opts.num_bins = n_mels
    return options


def _run(extractor: Any, sample_rate: int, samples: list[float]) -> Any:
    extractor.accept_waveform(sample_rate, samples)
    extractor.input_finished()
    return np.stack([extractor.get_frame(i) for i in range(extractor.num_frames_ready)])


def log_mel(x: Any) -> Call:
    samples, options = (x * 32768.0).tolist(), _options(knf.FbankOptions, 16_000, 80, power_of_two=False)
    return lambda: _run(knf.OnlineFbank(options), 16_000, samples)


def log_mel_clips(x: Any) -> Call:
    clips, options = [(clip * 32768.0).tolist() for clip in x], _options(knf.FbankOptions, 8_000, 40, False)
    return lambda: [_run(knf.OnlineFbank(options), 8_000, clip) for clip in clips]


def log_mel_kaldi(x: Any) -> Call:
    samples, options = (x * 32768.0).tolist(), _options(knf.FbankOptions, 16_000, 80)
    return lambda: _run(knf.OnlineFbank(options), 16_000, samples)


def mfcc_kaldi(x: Any) -> Call:
    samples, options = (x * 32768.0).tolist(), _options(knf.MfccOptions, 16_000, 23)
    return lambda: _run(knf.OnlineMfcc(options), 16_000, samples)


def deltas_kaldi(x: Any) -> Call:
    return partial(knf.compute_deltas, knf.DeltaOptions(), x)


def cmvn(x: Any) -> Call:
    options = knf.CmvnOptions(norm_vars=True)
    return lambda: knf.apply_cmvn(knf.compute_cmvn_stats(x), options, x)
