"""Chains as a few kinds of arithmetic that any framework can do, for models that are served without this library.

A transform says in `graph_steps` which of them it is, and with which numbers; an adapter says how its framework does
each. A transform of your own takes part by composing its steps from these:

>>> @dataclass(frozen=True)
... class Decibels:
...     floor: float = 1e-10
...     def __call__(self, power):
...         return 10 * np.log10(np.maximum(power, self.floor))
...     def graph_steps(self, axis):
...         return [Log(offset=0.0, floor=self.floor, factor=10 / np.log(10))]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dataload.chain import Chain, RandomTransform, Spec, Transform, name_of, output_spec
from dataload.errors import ChainError, ConfigError
from dataload.registry import registered

Float64 = NDArray[np.float64]
# Of the largest value; a wrong window, scale or frame is off by far more, rounding by far less.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class GraphStep:
    """Base of the steps, which all work on (..., samples) or (..., frames, bins) floats."""

    new_axes: ClassVar[int] = 0
    """How many axes the step puts behind those of what comes in."""


@dataclass(frozen=True)
class Frames(GraphStep):
    """Cut a waveform (..., samples) into frames and take a power of their spectra: (..., frames, n_fft // 2 + 1).

    Frame t starts at sample t·hop - pad; there are (samples + more) // hop of them.

    Attributes:
        basis: (length, 2·bins), from a frame to the real parts of its spectrum in the first half of the columns and the
            imaginary ones in the second. All that is done to a frame is linear: its mean, pre-emphasis, window and the
            discrete Fourier transform are one matrix product, in float64 because a float32 product would lose the
            quiet bins, where the logarithm looks.
        pad_mode: what stands outside the waveform: "reflect", "symmetric", "edge" or "constant" for zeros.
        power: of the magnitudes.
    """

    new_axes: ClassVar[int] = 1

    basis: Float64
    hop: int
    pad: int
    more: int
    pad_mode: str
    power: float


@dataclass(frozen=True)
class Emphasize(GraphStep):
    """x[t] - factor·x[t - 1] along the last axis, with the first sample as it is."""

    factor: float


@dataclass(frozen=True)
class Weigh(GraphStep):
    """Multiply the last axis by a matrix (in, out)."""

    matrix: Float64


@dataclass(frozen=True)
class Log(GraphStep):
    """factor·ln(max(x + offset, floor))."""

    offset: float
    floor: float
    factor: float


@dataclass(frozen=True)
class Ceil(GraphStep):
    """Raise what lies more than `span` below the largest value of the clip, over its last two axes."""

    span: float


@dataclass(frozen=True)
class Fit(GraphStep):
    """Cut an axis to a fixed length, or fill it up with `value` at the end."""

    axis: int
    length: int
    value: float


@dataclass(frozen=True)
class Scale(GraphStep):
    """(x - mean) / std, along the last axis or with one number."""

    mean: Float64
    std: Float64


@dataclass(frozen=True)
class Standardize(GraphStep):
    """(x - mean) / (std + eps), measured along an axis, the variance over its length less ddof."""

    axis: int
    eps: float
    ddof: int


@runtime_checkable
class GraphTransform(Protocol):
    """A transform with a counterpart in a graph."""

    def graph_steps(self, axis: int) -> list[GraphStep]:
        """Return the steps that compute what the transform computes on one value.

        Args:
            axis: where the value's leading axis stands in a batch, counted from the end: -1 for a waveform, -2 behind
                a step that made frames.

        Raises:
            ConfigError: a field has a value without a counterpart; see `refuse`.
            ChainError: the transform has none at all as it is.
        """
        ...


def graph_steps(chain: Chain | Sequence[Transform] | Transform) -> list[GraphStep]:
    """Return a chain on waveforms as steps on (..., samples).

    Raises:
        ChainError: a transform has no counterpart; the message names it and says what to do.
        ConfigError: a field of a transform has a value without a counterpart; likewise.
    """
    steps: list[GraphStep] = []
    axis = -1
    for i, transform in enumerate(_transforms(chain)):
        if not isinstance(transform, GraphTransform):
            raise ChainError(f"{name_of(transform)} has no counterpart in a graph{_advice(transform, i)}")
        _refuse_added_fields(transform)
        made = transform.graph_steps(axis)
        for step in made:
            if not isinstance(step, GraphStep):
                raise ChainError(f"graph_steps of {name_of(transform)} gives {step!r:.100}, no step of dataload.graph")
            axis -= step.new_axes
        steps += made
    return steps


def check_equal(chain: Chain | Sequence[Transform] | Transform, run: Callable[[NDArray[np.float32]], Any]) -> None:
    """Compare a counterpart with its chain on noise; `run` takes and returns (1, ...) arrays.

    Raises:
        ConfigError: they differ by more than rounding. What is trained on would not be what is served.
    """
    row = _transforms(chain)
    longest = max((len(step.basis) for step in graph_steps(row) if isinstance(step, Frames)), default=1)
    noise = np.random.default_rng(0).normal(0.0, 0.1, 8 * longest + 1000).astype(np.float32)
    expected = np.asarray(Chain(row)(noise), np.float64)
    got = np.asarray(run(noise[None]), np.float64)[0]
    if got.shape == expected.shape:
        difference = float(np.max(np.abs(got - expected), initial=0.0))
        if difference <= _TOLERANCE * float(np.max(np.abs(expected), initial=0.0)):
            return
        found = f"values that differ by up to {difference:.3g}"
    else:
        found = f"shape {got.shape} where the chain gives {expected.shape}"
    raise ConfigError(f"the counterpart of {', '.join(map(name_of, row))} gives {found}, so it must not be served")


def refuse(transform: object, field: str) -> NoReturn:
    """Raise the ConfigError of a field whose value has no counterpart."""
    raise ConfigError(
        f"{transform!r}: {field}={getattr(transform, field)!r} has no counterpart in a graph: leave it out, or compute "
        "the features before the module"
    )


def _transforms(chain: Chain | Sequence[Transform] | Transform) -> list[Transform]:
    return list((chain if isinstance(chain, Chain) else Chain(chain)).transforms)


def _refuse_added_fields(transform: GraphTransform) -> None:
    """Refuse fields that the inherited `graph_steps` of a subclass cannot know, unless they keep their defaults."""
    kind: Any = type(transform)
    owner: Any = next((base for base in kind.__mro__ if "graph_steps" in vars(base)), kind)
    if not (dataclasses.is_dataclass(kind) and dataclasses.is_dataclass(owner)):
        return
    known = {field.name for field in dataclasses.fields(owner)}
    for field in dataclasses.fields(kind):
        if field.name not in known and getattr(transform, field.name) != field.default:
            refuse(transform, field.name)


def _advice(transform: Any, position: int) -> str:
    if _decodes(transform):
        return f", which starts at the waveform: leave it out, Chain(chain.transforms[{position + 1}:])"
    if isinstance(transform, RandomTransform):
        return ": it is random, and belongs to training only: leave it out"
    names = ", ".join(kind.__name__ for kind in registered() if hasattr(kind, "graph_steps"))
    return (
        f": those that have are {names}. Do it before the module, write it in the framework, or give it graph_steps "
        "(see dataload.graph)"
    )


def _decodes(transform: Any) -> bool:
    """Return whether a transform makes a waveform and takes none."""
    return _spec_kind(transform, None) == "waveform" and _spec_kind(transform, "waveform") is None


def _spec_kind(transform: Any, kind: str | None) -> str | None:
    """Return the kind of value that comes out, None where that is not known or what comes in is refused."""
    try:
        return output_spec(transform, Spec(kind)).kind
    except ChainError:
        return None
