"""The features by dataload; whoever calls decides whether the `fast` extra is used."""

from __future__ import annotations

from functools import partial

from benchmarks.features import on
from dataload import transforms as t
from dataload.transforms.functional import deltas, istft, power_to_db, stft

CALLS = {
    "spectrogram": on(t.Spectrogram(16_000)),
    "istft": on(partial(istft, hop_length=160), partial(stft, n_fft=400, hop_length=160)),
    "mel": on(t.MelSpectrogram(16_000)),
    "log_mel": on(t.LogMel(16_000)),
    "log_mel_clips": on(t.LogMel(8_000, n_mels=40).batch),
    "log_mel_librosa": on(t.LogMel.preset("librosa")),
    "log_mel_kaldi": on(t.LogMel.preset("kaldi", n_mels=80)),
    "log_mel_tf": on(t.LogMel.preset("tf.signal")),
    "log_mel_whisper": on(t.LogMel.preset("whisper")),
    "mfcc": on(t.MFCC(16_000)),
    "mfcc_kaldi": on(t.MFCC.preset("kaldi")),
    "mfcc_tf": on(t.MFCC.preset("tf.signal")),
    "chroma": on(t.Chroma.preset("librosa")),
    "energy": on(t.Energy(16_000, pad_mode="constant", log=None)),
    "zero_crossings": on(t.ZeroCrossingRate(16_000)),
    "deltas": on(deltas),
    "deltas_kaldi": on(t.Deltas()),
    "pcen": on(t.PCEN(16_000)),
    "decibels": on(power_to_db),
    "cmvn": on(t.Normalize()),
    "pre_emphasis": on(t.PreEmphasis()),
}
