"""SelectChannel, MixChannels and PerChannel: from several channels to one, and to features of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import BatchTransform, Chain, RandomTransform, Spec, Transform, name_of, output_spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.registry import register
from dataload.transforms.checks import Float32, Printed, as_array, as_float32, finite_float, store


@register
@dataclass(frozen=True, repr=False)
class SelectChannel(Printed):
    """Take one channel.

    Args:
        channel: its number; -1 is the last.

    Returns:
        (when called on (channels, samples) floats) (samples,) float32.

    Raises:
        ConfigError: no integer.
        TransformError: (when called) not a (channels, samples) float array, or one with fewer channels.

    >>> SelectChannel(1)(np.array([[0.0, 0.1], [0.2, 0.3]]))
    array([0.2, 0.3], dtype=float32)
    """

    channel: int

    def __post_init__(self) -> None:
        if isinstance(self.channel, bool) or not isinstance(self.channel, int):
            raise ConfigError(f"channel={self.channel!r} must be an integer")

    def __call__(self, waveform: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return that channel."""
        x = _with_channels("SelectChannel", waveform)
        if not -len(x) <= self.channel < len(x):
            raise TransformError(
                f"SelectChannel({self.channel}) got {len(x)} channels: take one from 0 to {len(x) - 1}"
            )
        chosen: Float32 = x[self.channel]
        return chosen

    def output_spec(self, spec: Spec) -> Spec:
        """Return the spec of one waveform, or raise ChainError if there is but one already."""
        return _one_channel(spec)


@register
@dataclass(frozen=True, repr=False)
class MixChannels(Printed):
    """Add the channels up.

    Args:
        weights: of each channel; None is the mean of them.

    Returns:
        (when called on (channels, samples) floats) (samples,) float32.

    Raises:
        ConfigError: weights that are no numbers.
        TransformError: (when called) not a (channels, samples) float array, or another number of channels.

    >>> MixChannels((1.0, -1.0))(np.array([[0.5, 0.75], [0.25, 0.25]]))
    array([0.25, 0.5 ], dtype=float32)
    """

    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.weights is not None:
            if not isinstance(self.weights, Sequence | np.ndarray) or len(self.weights) == 0:
                raise ConfigError(f"weights={self.weights!r} must be one number for each channel")
            store(self, weights=tuple(finite_float("weights", weight) for weight in self.weights))

    def __call__(self, waveform: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the mixture."""
        x = _with_channels("MixChannels", waveform)
        weights = (1 / len(x),) * len(x) if self.weights is None else self.weights
        if len(weights) != len(x):
            raise TransformError(f"MixChannels has {len(weights)} weights but got {len(x)} channels")
        # Not by a matrix product, whose last bit may depend on the number of samples.
        mixed: Float32 = x[0] * np.float32(weights[0])
        for channel, weight in zip(x[1:], weights[1:], strict=True):
            mixed += channel * np.float32(weight)
        return mixed

    def output_spec(self, spec: Spec) -> Spec:
        """Return the spec of one waveform, or raise ChainError if there is but one already."""
        return _one_channel(spec)


@register
@dataclass(frozen=True, repr=False)
class PerChannel(Printed):
    """Do with each channel what a transform does with one waveform: `PerChannel(LogMel(16_000))`.

    Augmentations of waveforms need no PerChannel: they take (channels, samples) and treat all channels alike.

    Args:
        transform: not random; its outputs must have the same shape for all channels.

    Returns:
        (when called on (channels, ...)) the outputs, stacked: (channels, frames, bins) of `LogMel` and its like.

    Raises:
        ChainError: no transform, or a random one.
        TransformError: (when called) not an array with channels, or outputs that differ in shape.

    >>> from dataload.transforms import LogMel
    >>> PerChannel(LogMel(16_000))(np.zeros((2, 16_000), np.float32)).shape
    (2, 101, 80)
    """

    transform: Transform

    def __post_init__(self) -> None:
        Chain([self.transform])
        if isinstance(self.transform, RandomTransform):
            raise ChainError(
                f"{name_of(self.transform)} is random, and channels changed each in another way are no recording any "
                "more: put it into the chain as it is"
            )

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the output of every channel, stacked."""
        return self.batch([x])[0]

    def batch(self, values: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return one stacked array per value; the channels of all are done in one call where the transform can."""
        arrays = [as_array("PerChannel", value, 2) for value in values]
        channels = [channel for array in arrays for channel in array]
        if isinstance(self.transform, BatchTransform):
            outputs = self.transform.batch(channels)
        else:
            outputs = [self.transform(channel) for channel in channels]
        stacked, start = [], 0
        for array in arrays:
            mine = outputs[start : start + len(array)]
            start += len(array)
            shapes = sorted({np.shape(output) for output in mine})
            if len(shapes) != 1:
                raise TransformError(f"{self!r} got outputs of shapes {shapes}, which cannot be stacked")
            stacked.append(np.stack(mine))
        return stacked

    def output_spec(self, spec: Spec) -> Spec:
        """Return what is known of the stacked output, or raise ChainError as the transform does."""
        if spec.kind is not None:
            raise ChainError(f"it takes several channels but gets one {spec.kind}: use DecodeAudio(..., mono=False)")
        inner = output_spec(self.transform, spec)
        return Spec(None, inner.sample_rate, varies=inner.varies)


def _with_channels(owner: str, value: Any) -> Float32:
    x = as_float32(owner, value)
    if x.ndim != 2 or len(x) == 0:
        raise TransformError(
            f"{owner} takes a (channels, samples) array but got shape {x.shape}: "
            "decode with DecodeAudio(..., mono=False)"
        )
    return x


def _one_channel(spec: Spec) -> Spec:
    if spec.kind is not None:
        raise ChainError(f"it takes (channels, samples) but gets {spec.kind}: use DecodeAudio(..., mono=False)")
    return Spec("waveform", spec.sample_rate, varies=spec.varies)
