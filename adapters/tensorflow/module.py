"""A chain of transforms as a `tf.Module`, for a model that is served without this library and without Python.

It computes in a graph what the chain computes in numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import tensorflow as tf

from dataload import graph
from dataload.chain import Chain, Transform

Compute = Callable[[Any], Any]


def to_module(chain: Chain | Sequence[Transform] | Transform) -> ChainModule:
    """Return a chain on waveforms as a module from (batch, samples) to what the chain gives, float32.

    `tf.saved_model.save(module, folder)` takes it, alone or as a part of a model, with both axes dynamic. It computes
    in float64, and equals the chain to 1e-4 in log space. All clips of a batch are taken to be as long as the batch. A
    clip so short that the chain would refuse it gives an error or meaningless numbers here: a graph has no words for
    that.

    Spectrogram, MelSpectrogram, LogMel, MFCC, Normalize and PadOrTrim have a counterpart, Resample between equal rates,
    and transforms of your own with `graph_steps`, see `dataload.graph`.

    Args:
        chain: transforms on one (samples,) waveform, from after DecodeAudio on.

    Raises:
        ChainError: a transform without a counterpart; the message names it and says what to do.
        ConfigError: a parameter without a counterpart, or a counterpart that gives other values than the chain.

    >>> from dataload.transforms import LogMel
    >>> to_module([LogMel(16_000)])(np.zeros((2, 16_000), np.float32)).shape
    TensorShape([2, 101, 80])
    """
    module = ChainModule(graph.graph_steps(chain))
    graph.check_equal(chain, lambda noise: module(noise).numpy())
    return module


class ChainModule(tf.Module):  # type: ignore[misc]
    """The transforms of a chain, in order; see `to_module`."""

    def __init__(self, chain: Sequence[graph.GraphStep]) -> None:
        super().__init__()
        self._steps = [_compute(step) for step in chain]

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32, name="waveform")])  # type: ignore[untyped-decorator]
    def __call__(self, waveform: Any) -> Any:
        """Return the chain's values for (batch, samples) floats."""
        values = tf.cast(waveform, tf.float64)
        for step in self._steps:
            values = step(values)
        return tf.cast(values, tf.float32)


@singledispatch
def _compute(step: object) -> Compute:
    raise TypeError(f"{step!r} is no step that this adapter knows")


@_compute.register
def _(step: graph.Frames) -> Compute:
    length, columns = step.basis.shape
    basis = tf.constant(step.basis)

    def compute(x: Any) -> Any:
        samples = tf.shape(x)[-1]
        frames = (samples + step.more) // step.hop
        starts = tf.range(frames) * step.hop - step.pad
        # Padding is a matter of which sample is read: positions outside are turned back into the waveform.
        wanted = starts[:, tf.newaxis] + tf.range(length)
        last = samples - 1
        if step.pad_mode == "reflect":
            positions = last - tf.abs(last - tf.abs(wanted))
        elif step.pad_mode == "symmetric":  # as above, half a sample further out: -1 is 0, and last + 1 is last
            positions = (2 * samples - tf.abs(2 * samples - tf.abs(2 * wanted + 1))) // 2
        else:
            positions = tf.clip_by_value(wanted, 0, last)
        cut = tf.gather(x, positions, axis=-1)
        if step.pad_mode == "constant":
            cut *= tf.cast(positions == wanted, x.dtype)
        spectrum = tf.matmul(cut, basis)
        power = tf.square(spectrum[..., : columns // 2]) + tf.square(spectrum[..., columns // 2 :])
        return power if step.power == 2.0 else power ** (step.power / 2.0)

    return compute


@_compute.register
def _(step: graph.Emphasize) -> Compute:
    factor = np.float64(step.factor)
    return lambda x: tf.concat([x[..., :1], x[..., 1:] - factor * x[..., :-1]], axis=-1)


@_compute.register
def _(step: graph.Weigh) -> Compute:
    matrix = tf.constant(step.matrix)
    return lambda x: tf.matmul(x, matrix)


@_compute.register
def _(step: graph.Log) -> Compute:
    offset, floor, factor = np.float64(step.offset), np.float64(step.floor), np.float64(step.factor)
    return lambda x: tf.math.log(tf.maximum(x + offset, floor)) * factor


@_compute.register
def _(step: graph.Ceil) -> Compute:
    span = np.float64(step.span)
    return lambda x: tf.maximum(x, tf.reduce_max(x, axis=(-2, -1), keepdims=True) - span)


@_compute.register
def _(step: graph.Fit) -> Compute:
    def compute(x: Any) -> Any:
        axis = x.shape.rank + step.axis
        kept = tf.gather(x, tf.range(tf.minimum(tf.shape(x)[axis], step.length)), axis=axis)
        missing = step.length - tf.shape(kept)[axis]
        paddings = [[0, missing if i == axis else 0] for i in range(x.shape.rank)]
        fitted = tf.pad(kept, paddings, constant_values=np.float64(step.value))
        shape = x.shape.as_list()
        shape[axis] = step.length
        return tf.ensure_shape(fitted, shape)

    return compute


@_compute.register
def _(step: graph.Scale) -> Compute:
    mean, std = tf.constant(step.mean), tf.constant(step.std)
    return lambda x: (x - mean) / std


@_compute.register
def _(step: graph.Standardize) -> Compute:
    def compute(x: Any) -> Any:
        centred = x - tf.reduce_mean(x, axis=step.axis, keepdims=True)
        count = tf.maximum(tf.shape(x)[x.shape.rank + step.axis] - step.ddof, 1)
        variance = tf.reduce_sum(tf.square(centred), axis=step.axis, keepdims=True) / tf.cast(count, x.dtype)
        return centred / (tf.sqrt(variance) + step.eps)

    return compute
