"""Samples to a batch: `Stack` and `Pad`, as values that say what a batch looks like, and as functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dataload.errors import ConfigError
from dataload.gather import Gather, Padded
from dataload.memory import Allocator, aligned_empty
from dataload.samples import Field

Collate = Callable[..., Any]


@dataclass(frozen=True)
class Stack:
    """Puts samples of equal shapes together along a new first axis; see `stack`."""

    def __call__(self, samples: Sequence[Any], *, alloc: Allocator = aligned_empty) -> Any:
        """Return the batch of one or more samples."""
        return Gather(alloc, lambda path: 0, 0.0).gather(samples, ())

    def pads(self, field: Field | None) -> bool:
        """Return whether arrays in a field (None: of a sample that is one array) are padded: never."""
        return False

    def padded_axes(self, field: Field | None) -> int:
        """Return how many leading axes of arrays in a field are padded: none."""
        return 0


@dataclass(frozen=True)
class Pad:
    """Puts samples together and evens out the leading axes of their arrays; see `pad`.

    Args:
        fields: names of the fields to pad; None pads every array that has an axis.
        value: what to fill up with.
        axes: how many leading axes to even out.

    Raises:
        ConfigError: `axes` is no number of axes.
    """

    fields: Collection[Field] | None = None
    value: float = 0.0
    axes: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.axes, int) or isinstance(self.axes, bool) or self.axes < 1:
            raise ConfigError(f"axes={self.axes!r} must be the number of leading axes to pad, from 1 up")
        if self.fields is not None:
            object.__setattr__(self, "fields", frozenset(self.fields))

    def __call__(self, samples: Sequence[Any], *, alloc: Allocator = aligned_empty) -> Any:
        """Return the batch of one or more samples."""
        axes = self.padded_axes
        gathered = Gather(alloc, lambda path: axes(path[0] if path else None), self.value).gather(samples, ())
        return (gathered.array, gathered.lengths) if isinstance(gathered, Padded) else gathered

    def pads(self, field: Field | None) -> bool:
        """Return whether arrays in a field (None: of a sample that is one array) are padded."""
        return self.fields is None or field in self.fields

    def padded_axes(self, field: Field | None) -> int:
        """Return how many leading axes of arrays in a field are padded; arrays of fewer axes are padded in all."""
        return self.axes if self.pads(field) else 0


def stack(samples: Sequence[Any], *, alloc: Allocator = aligned_empty) -> Any:
    """Put samples of equal shapes together along a new first axis.

    Args:
        samples: one or more samples of the same structure.
        alloc: where the arrays are written.

    Returns:
        The structure of one sample, with an array (batch, ...) or a list at each leaf.

    Raises:
        CollateError: shapes, types or fields differ; the message names the field and both samples.

    >>> stack([{"x": [1, 2], "name": "a"}, {"x": [3, 4], "name": "b"}])
    {'x': array([[1, 2],
           [3, 4]]), 'name': ['a', 'b']}
    """
    return Stack()(samples, alloc=alloc)


def pad(
    samples: Sequence[Any],
    *,
    fields: Collection[Field] | None = None,
    value: float = 0.0,
    axes: int = 1,
    alloc: Allocator = aligned_empty,
) -> Any:
    """Put samples together, evening out the leading axes of their arrays.

    A padded field gets its lengths beside it: `<field>_lengths` in a dict, the next element in a tuple. A sample that
    is one bare array becomes (array, lengths). The batch of a dataclass or named tuple is a dict.

    Lengths are (batch,) int64 where one axis is padded. Where k axes are, they are (batch, k): in row i the size of
    sample i along each.

    Args:
        samples: one or more samples of the same structure.
        fields: names of the fields to pad (for tuples their positions), with all arrays inside of them; the rest is
            stacked. None pads every array that has an axis.
        value: what to fill up with; text is filled up with "", times with NaT, objects with None.
        axes: how many leading axes to even out: 2 makes pictures (height, width, 3) of any size one array. Arrays of
            fewer axes are evened out in all of theirs.
        alloc: where the arrays are written.

    Returns:
        The structure of one sample, with arrays (batch, longest, ...) and lengths (batch,) or (batch, k) int64.

    Raises:
        CollateError: types, fields or other axes differ, or an array cannot hold `value`; the message names the field
            and samples.
        ConfigError: `axes` is no number of axes.

    >>> pad([{"x": np.ones(1)}, {"x": np.ones(2)}])
    {'x': array([[1., 0.],
           [1., 1.]]), 'x_lengths': array([1, 2])}
    >>> pad([{"x": np.ones((2, 1))}, {"x": np.ones((1, 3))}], axes=2)["x_lengths"]
    array([[2, 1],
           [1, 3]])
    """
    return Pad(fields, value, axes)(samples, alloc=alloc)


def as_collate(function: Collate) -> Collate:
    """Return a collate function in the form that tells what its batches look like, where it has one.

    `stack`, `pad` and `functools.partial(pad, ...)` become `Stack` and `Pad`; any other function stays itself.
    """
    options: dict[str, Any] = {}
    inner = function
    while isinstance(inner, partial) and not inner.args:
        options = {**inner.keywords, **options}
        inner = inner.func
    if inner is stack and not options:
        return Stack()
    if inner is pad and options.keys() <= {"fields", "value", "axes"}:
        return Pad(**options)
    return function


def default_collate(varying: frozenset[Field] | None) -> Collate:
    """Return the collate function for samples of which these fields vary in length: they are padded, the rest stacked.

    Args:
        varying: names of the fields; None pads every array, because the sample as a whole varies.
    """
    return Stack() if varying is not None and not varying else Pad(varying)
