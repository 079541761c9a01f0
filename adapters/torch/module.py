"""A chain of transforms as an `nn.Module`, for a model that is deployed without this library.

It computes on a device what the chain computes in numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

import torch
from torch import Tensor, nn

from dataload import graph
from dataload.chain import Chain, Transform


def to_module(chain: Chain | Sequence[Transform] | Transform) -> ChainModule:
    """Return a chain on waveforms as a module from (..., samples) to what the chain gives, float32.

    `torch.export.export` and `torch.onnx.export(..., dynamo=True)` take it, alone or as a part of a model, with the
    number of samples dynamic. It computes in float64, and equals the chain to 1e-4 in log space; `.float()` makes it
    faster and coarser. All clips of a batch are taken to be as long as the batch. A clip so short that the chain would
    refuse it gives an error or meaningless numbers here: a graph has no words for that.

    Spectrogram, MelSpectrogram, LogMel, MFCC, Normalize and PadOrTrim have a counterpart, Resample between equal rates,
    and transforms of your own with `graph_steps`, see `dataload.graph`.

    Args:
        chain: transforms on one (samples,) waveform, from after DecodeAudio on.

    Raises:
        ChainError: a transform without a counterpart; the message names it and says what to do.
        ConfigError: a parameter without a counterpart, or a counterpart that gives other values than the chain.

    >>> from dataload.transforms import LogMel
    >>> to_module([LogMel(16_000)])(torch.zeros(2, 16_000)).shape
    torch.Size([2, 101, 80])
    """
    module = ChainModule(graph.graph_steps(chain))
    graph.check_equal(chain, lambda noise: module(torch.from_numpy(noise)).numpy())
    return module


class ChainModule(nn.Module):
    """The transforms of a chain, in order; see `to_module`."""

    precision: Tensor

    def __init__(self, chain: Sequence[graph.GraphStep]) -> None:
        super().__init__()
        self.steps = nn.Sequential(*(_module(step) for step in chain))
        # `.to(dtype)` changes it too, so that it holds the dtype in which the steps compute.
        self.register_buffer("precision", torch.zeros((), dtype=torch.float64), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the chain's values for (..., samples) floats."""
        result: Tensor = self.steps(waveform.to(self.precision.dtype))
        return result.to(torch.float32)


class _Numbers(nn.Module):
    """A step with constants: they follow the module to its device, and are no learned parameters."""

    def __init__(self, **arrays: graph.Float64) -> None:
        super().__init__()
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(array.copy()), persistent=False)


@singledispatch
def _module(step: object) -> nn.Module:
    raise TypeError(f"{step!r} is no step that this adapter knows")


class _Frames(_Numbers):
    basis: Tensor

    def __init__(self, step: graph.Frames) -> None:
        super().__init__(basis=step.basis)
        self.hop, self.pad, self.more = step.hop, step.pad, step.more
        self.pad_mode, self.power = step.pad_mode, step.power

    def forward(self, x: Tensor) -> Tensor:
        length, columns = self.basis.shape
        samples = x.shape[-1]
        frames = (samples + self.more) // self.hop
        starts = torch.arange(frames, device=x.device) * self.hop - self.pad
        # Padding is a matter of which sample is read: positions outside are turned back into the waveform.
        wanted = starts[:, None] + torch.arange(length, device=x.device)
        last = samples - 1
        if self.pad_mode == "reflect":
            positions = last - (last - wanted.abs()).abs()
        elif self.pad_mode == "symmetric":  # as above, half a sample further out: -1 is 0, and last + 1 is last
            positions = (2 * samples - (2 * samples - (2 * wanted + 1).abs()).abs()) // 2
        else:
            positions = wanted.clamp(0, last)
        cut = x.index_select(-1, positions.flatten()).reshape(*x.shape[:-1], frames, length)
        if self.pad_mode == "constant":
            cut = cut * (positions == wanted)
        spectrum = torch.matmul(cut, self.basis)
        power = spectrum[..., : columns // 2].square() + spectrum[..., columns // 2 :].square()
        return power if self.power == 2.0 else power.pow(self.power / 2.0)


class _Emphasize(nn.Module):
    def __init__(self, step: graph.Emphasize) -> None:
        super().__init__()
        self.factor = step.factor

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[..., :1], x[..., 1:] - self.factor * x[..., :-1]], -1)


class _Weigh(_Numbers):
    matrix: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x, self.matrix)


class _Log(nn.Module):
    def __init__(self, step: graph.Log) -> None:
        super().__init__()
        self.offset, self.floor, self.factor = step.offset, step.floor, step.factor

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.offset).clamp(min=self.floor).log() * self.factor


class _Ceil(nn.Module):
    def __init__(self, step: graph.Ceil) -> None:
        super().__init__()
        self.span = step.span

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, x.amax((-2, -1), keepdim=True) - self.span)


class _Fit(nn.Module):
    def __init__(self, step: graph.Fit) -> None:
        super().__init__()
        self.axis, self.length, self.value = step.axis, step.length, step.value

    def forward(self, x: Tensor) -> Tensor:
        # More is added than can be missing, so that the graph is the same for any length.
        shape = [*x.shape]
        shape[self.axis] = self.length
        filled = torch.cat([x, x.new_full(shape, self.value)], self.axis)
        return filled.narrow(self.axis, 0, self.length)


class _Scale(_Numbers):
    mean: Tensor
    std: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class _Standardize(nn.Module):
    def __init__(self, step: graph.Standardize) -> None:
        super().__init__()
        self.axis, self.eps, self.ddof = step.axis, step.eps, step.ddof

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(self.axis, keepdim=True)
        count = torch.ones_like(x).sum(self.axis, keepdim=True) - self.ddof
        variance = centred.square().sum(self.axis, keepdim=True) / count.clamp(min=1.0)
        return centred / (variance.sqrt() + self.eps)


_module.register(graph.Frames, _Frames)
_module.register(graph.Emphasize, _Emphasize)
_module.register(graph.Weigh, lambda step: _Weigh(matrix=step.matrix))
_module.register(graph.Log, _Log)
_module.register(graph.Ceil, _Ceil)
_module.register(graph.Fit, _Fit)
_module.register(graph.Scale, lambda step: _Scale(mean=step.mean, std=step.std))
_module.register(graph.Standardize, _Standardize)
