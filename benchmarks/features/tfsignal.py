"""The features by tf.signal, each compiled with `tf.function`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

Call = Callable[[], Any]


def _compiled(function: Callable[[Any], Any], x: Any) -> Call:
    graph = tf.function(function, input_signature=[tf.TensorSpec([None], tf.float32)])
    return partial(graph, tf.constant(x))


def _magnitudes(x: Any, length: int, hop: int) -> Any:
    return tf.abs(tf.signal.stft(x, length, hop, fft_length=length))


def spectrogram(x: Any) -> Call:
    return _compiled(lambda wave: tf.square(_magnitudes(wave, 400, 160)), x)


def istft(x: Any) -> Call:
    spectrum = tf.signal.stft(x, 400, 160, fft_length=400)
    window = tf.signal.inverse_stft_window_fn(160)
    inverse = tf.function(lambda s: tf.signal.inverse_stft(s, 400, 160, 400, window_fn=window))
    return partial(inverse, spectrum)


def mel(x: Any) -> Call:
    bank = tf.signal.linear_to_mel_weight_matrix(80, 201, 16_000, 0.0, 8_000.0)
    return _compiled(lambda wave: tf.square(_magnitudes(wave, 400, 160)) @ bank, x)


def log_mel(x: Any) -> Call:
    bank = tf.signal.linear_to_mel_weight_matrix(80, 201, 16_000, 0.0, 8_000.0)
    return _compiled(lambda wave: tf.math.log(tf.square(_magnitudes(wave, 400, 160)) @ bank + 1e-10), x)


def log_mel_clips(x: Any) -> Call:
    bank = tf.signal.linear_to_mel_weight_matrix(40, 101, 8_000, 0.0, 4_000.0)
    graph = tf.function(
        lambda wave: tf.math.log(tf.square(_magnitudes(wave, 200, 80)) @ bank + 1e-10),
        input_signature=[tf.TensorSpec([None], tf.float32)],
    )
    waves = [tf.constant(clip) for clip in x]
    return lambda: [graph(wave) for wave in waves]


def log_mel_tf(x: Any) -> Call:
    return _compiled(_recipe(), x)


def mfcc_tf(x: Any) -> Call:
    logs = _recipe()
    return _compiled(lambda wave: tf.signal.mfccs_from_log_mel_spectrograms(logs(wave))[..., :13], x)


def _recipe() -> Callable[[Any], Any]:
    bank = tf.signal.linear_to_mel_weight_matrix(80, 513, 16_000, 80.0, 7_600.0)
    return lambda wave: tf.math.log(_magnitudes(wave, 1024, 256) @ bank + 1e-6)
