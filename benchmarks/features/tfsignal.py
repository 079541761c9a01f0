"""The features by tf.signal, each compiled with `tf.function`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from benchmarks.features import each, on

Graph = Callable[[Any], Any]


def _magnitudes(length: int, hop: int) -> Graph:
    return lambda wave: tf.abs(tf.signal.stft(wave, length, hop, fft_length=length))


def _power(length: int, hop: int) -> Graph:
    return lambda wave: tf.square(_magnitudes(length, hop)(wave))


def _mel(spectrum: Graph, *bank: float) -> Graph:
    weights = tf.signal.linear_to_mel_weight_matrix(*bank)
    return lambda wave: spectrum(wave) @ weights


def _log(mel: Graph, floor: float = 1e-10) -> Graph:
    return lambda wave: tf.math.log(mel(wave) + floor)


def _mfcc(logs: Graph) -> Graph:
    return lambda wave: tf.signal.mfccs_from_log_mel_spectrograms(logs(wave))[..., :13]


def _inverse(spectrum: Any) -> Any:
    return tf.signal.inverse_stft(spectrum, 400, 160, 400, window_fn=tf.signal.inverse_stft_window_fn(160))


_compiled = partial(tf.function, input_signature=[tf.TensorSpec([None], tf.float32)])
_speech = _mel(_power(400, 160), 80, 201, 16_000, 0.0, 8_000.0)
_clips = _log(_mel(_power(200, 80), 40, 101, 8_000, 0.0, 4_000.0))
_recipe = _log(_mel(_magnitudes(1024, 256), 80, 513, 16_000, 80.0, 7_600.0), 1e-6)

CALLS = {
    "spectrogram": on(_compiled(_power(400, 160)), tf.constant),
    "istft": on(tf.function(_inverse), partial(tf.signal.stft, frame_length=400, frame_step=160, fft_length=400)),
    "mel": on(_compiled(_speech), tf.constant),
    "log_mel": on(_compiled(_log(_speech)), tf.constant),
    "log_mel_clips": on(each(_compiled(_clips)), each(tf.constant)),
    "log_mel_tf": on(_compiled(_recipe), tf.constant),
    "mfcc_tf": on(_compiled(_mfcc(_recipe)), tf.constant),
}
