"""RandomCrop, TimeShift and TrimSilence: where a clip begins and ends; no sample is changed."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import RandomTransform, Spec
from dataload.errors import ConfigError, TransformError
from dataload.memory import reused_empty
from dataload.registry import register
from dataload.transforms.augment.base import Range, WaveTransform, as_sound, draw, mean_power, number_range
from dataload.transforms.checks import (
    Float32,
    Printed,
    as_array,
    expect_waveform,
    finite_float,
    one_of,
    positive_float,
    positive_int,
    store,
)
from dataload.transforms.length import fit

_FRAME_SECONDS = 0.01


@register
@dataclass(frozen=True, repr=False)
class RandomCrop(Printed, RandomTransform):
    """Take a segment of fixed length from anywhere along an axis.

    Args:
        length: entries of that axis of the output: samples of a waveform, frames of features.
        axis: which; the leading one of a waveform and of features, -1 for the samples of (channels, samples).

    Returns:
        (when called with a generator) a new array of the same dtype, of shape (length, ...) for axis 0, every start
        equally likely; what is shorter is padded with zeros at the end.

    Raises:
        ConfigError: a length that is no positive integer, or an axis that is no integer.
        TransformError: (when called) not an array with such an axis.

    >>> RandomCrop(3)(np.arange(10), np.random.default_rng(0))
    array([6, 7, 8])
    """

    length: int
    _: KW_ONLY
    axis: int = 0

    def __post_init__(self) -> None:
        store(self, length=positive_int("length", self.length))
        if isinstance(self.axis, bool) or not isinstance(self.axis, int):
            raise ConfigError(f"axis={self.axis!r} must be an integer")

    def __call__(self, x: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
        """Return a segment of `x`."""
        x = as_array("RandomCrop", x)
        if not -x.ndim <= self.axis < x.ndim:
            raise TransformError(f"RandomCrop takes an array with axis {self.axis} but got shape {x.shape}")
        leading = np.moveaxis(x, self.axis, 0)
        start = int(rng.integers(0, max(0, len(leading) - self.length), endpoint=True))
        cut = fit(leading[start : start + self.length], self.length, 0)
        return np.ascontiguousarray(np.moveaxis(cut, 0, self.axis))

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec with a fixed length."""
        return Spec(spec.kind, spec.sample_rate, varies=False)


@register
@dataclass(frozen=True, repr=False)
class TimeShift(WaveTransform):
    """Move a waveform in time within its own length.

    Args:
        shift: by which share of the length, -1 to 1, later being positive; a pair (low, high) draws one from it.
        mode: what fills the gap: "constant" (zeros), or "wrap" for what fell off at the other end.

    Returns:
        (when called with a generator on (samples,) or (channels, samples) floats) float32 of the same shape.

    Raises:
        ConfigError: a share that is not from -1 to 1, or an unknown mode.
        TransformError: (when called) not a float waveform with samples.

    >>> TimeShift(0.5)(np.array([1.0, 2.0, 3.0, 4.0]), np.random.default_rng(0))
    array([0., 0., 1., 2.], dtype=float32)
    """

    shift: Range = (-0.1, 0.1)
    _: KW_ONLY
    mode: str = "constant"

    def __post_init__(self) -> None:
        store(self, shift=number_range("shift", self.shift, -1, 1))
        one_of("mode", self.mode, ("constant", "wrap"))

    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        samples = x.shape[-1]
        by = round(draw(rng, self.shift) * samples)
        out = reused_empty(x.shape, np.float32)
        kept = samples - abs(by)
        start, source = max(by, 0), max(-by, 0)
        out[..., start : start + kept] = x[..., source : source + kept]
        gap = out[..., kept:] if by < 0 else out[..., : samples - kept]
        if self.mode == "wrap":
            gap[...] = x[..., : samples - kept] if by < 0 else x[..., kept:]
        else:
            gap[...] = 0.0
        return out


@register
@dataclass(frozen=True, repr=False)
class TrimSilence(Printed):
    """Cut away what is quiet before the first and after the last sound: detection of speech by its energy.

    The energy is taken over frames of 10 ms, over all channels. `librosa.effects.trim` works in the same way on
    frames that overlap.

    Args:
        sample_rate: in Hz, of the waveforms.
        top_db: how far below the loudest frame a frame is silence, in dB.
        margin: how much silence is kept at either end, in seconds.

    Returns:
        (when called on (samples,) or (channels, samples) floats) float32 with as many axes and fewer samples. What is
        silent altogether comes back as it is.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform with samples, or NaN or infinite ones.

    >>> clip = np.concatenate([np.zeros(8_000), np.ones(1_600), np.zeros(8_000)])
    >>> TrimSilence(16_000, margin=0.0)(clip).shape
    (1600,)
    """

    sample_rate: int
    _: KW_ONLY
    top_db: float = 40.0
    margin: float = 0.05

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        store(self, top_db=positive_float("top_db", self.top_db), margin=finite_float("margin", self.margin))
        if self.margin < 0:
            raise ConfigError(f"margin={self.margin!r} must be at least 0 s")

    def __call__(self, waveform: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the waveform without silence at its ends."""
        x = as_sound("TrimSilence", waveform)
        mean_power("TrimSilence", x)
        frame = max(1, round(_FRAME_SECONDS * self.sample_rate))
        rows = np.atleast_2d(x)
        whole = x.shape[-1] - x.shape[-1] % frame
        frames = rows[:, :whole].reshape(len(rows), -1, frame)
        energy = np.einsum("cbs,cbs->b", frames, frames)
        if whole < x.shape[-1]:
            energy = np.append(energy, np.square(rows[:, whole:]).sum())
        heard = np.flatnonzero(energy > energy.max() * 10.0 ** (-self.top_db / 10.0))
        if len(heard) == 0:
            return x
        margin = math.ceil(self.margin * self.sample_rate)
        first, stop = max(0, heard[0] * frame - margin), min(x.shape[-1], (heard[-1] + 1) * frame + margin)
        return np.ascontiguousarray(x[..., first:stop])

    def output_spec(self, spec: Spec) -> Spec:
        """Return the spec of a waveform of any length, or raise ChainError if what comes in is none of this rate."""
        expect_waveform(spec, self.sample_rate)
        return Spec(spec.kind, spec.sample_rate, varies=True)
