"""The steps of `dataload.graph` in numpy and float64: a third framework, for tests that need no other."""

from functools import singledispatch

import numpy as np

from dataload import graph


def to_function(chain):
    """Return a chain as a function from (..., samples) to what the chain gives, as an adapter's `to_module` does."""
    steps = graph.graph_steps(chain)

    def run(waveform):
        values = np.asarray(waveform, np.float64)
        for step in steps:
            values = compute(step, values)
        return values.astype(np.float32)

    graph.check_equal(chain, run)
    return run


@singledispatch
def compute(step, x):
    raise TypeError(f"{step!r} is no step that this interpreter knows")


@compute.register
def _(step: graph.Frames, x):
    length, columns = step.basis.shape
    frames = (x.shape[-1] + step.more) // step.hop
    before = max(0, step.pad)
    after = max(0, frames * step.hop + length - x.shape[-1])  # more than enough
    axes = [(0, 0)] * (x.ndim - 1)
    padded = np.pad(x, [*axes, (before, after)], mode=step.pad_mode)
    starts = np.arange(frames) * step.hop - step.pad + before
    spectrum = padded[..., starts[:, None] + np.arange(length)] @ step.basis
    return np.hypot(spectrum[..., : columns // 2], spectrum[..., columns // 2 :]) ** step.power


@compute.register
def _(step: graph.Emphasize, x):
    return x - step.factor * np.concatenate([np.zeros_like(x[..., :1]), x[..., :-1]], axis=-1)


@compute.register
def _(step: graph.Weigh, x):
    return x @ step.matrix


@compute.register
def _(step: graph.Log, x):
    return step.factor * np.log(np.maximum(x + step.offset, step.floor))


@compute.register
def _(step: graph.Ceil, x):
    return np.maximum(x, x.max(axis=(-2, -1), keepdims=True) - step.span)


@compute.register
def _(step: graph.Fit, x):
    missing = max(0, step.length - x.shape[step.axis])
    filled = np.pad(np.moveaxis(x, step.axis, 0), [(0, missing), *[(0, 0)] * (x.ndim - 1)], constant_values=step.value)
    return np.moveaxis(filled[: step.length], 0, step.axis)


@compute.register
def _(step: graph.Scale, x):
    return (x - step.mean) / step.std


@compute.register
def _(step: graph.Standardize, x):
    squares = np.square(x - x.mean(step.axis, keepdims=True)).sum(step.axis, keepdims=True)
    std = np.sqrt(squares / max(1, x.shape[step.axis] - step.ddof))
    return (x - x.mean(step.axis, keepdims=True)) / (std + step.eps)
