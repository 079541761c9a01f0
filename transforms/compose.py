"""Sometimes, OneOf and SomeOf: transforms of waveforms, features or anything else, chosen anew for every sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from dataload.chain import Chain, RandomTransform, Spec, Transform, apply, name_of, output_spec
from dataload.errors import ChainError, ConfigError
from dataload.registry import register
from dataload.transforms.augment.base import probability
from dataload.transforms.checks import Printed, positive_float, positive_int, store

Option = Transform | Sequence[Transform]


@register
@dataclass(frozen=True, repr=False)
class Sometimes(Printed, RandomTransform):
    """Apply a transform with a probability, and otherwise pass the value on as it is.

    Args:
        transform: a transform, random or not, or a list of them.
        p: how likely, 0 to 1.

    Returns:
        (when called with a generator) what the transform returns, or the value itself.

    Raises:
        ChainError: no transform, or one whose output is of another kind or rate than its input.
        ConfigError: p is no probability.

    >>> [Sometimes(np.negative, 0.5)(1, np.random.default_rng(seed)) for seed in range(4)]
    [1, 1, np.int64(-1), np.int64(-1)]
    """

    transform: Option
    p: float = 0.5

    def __post_init__(self) -> None:
        store(self, transform=_one(self.transform), p=probability("p", self.p))

    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        """Return the value, transformed or not."""
        return apply(_row(self.transform), value, rng) if rng.random() < self.p else value

    def output_spec(self, spec: Spec) -> Spec:
        """Return what is known of the output either way, or raise ChainError if the two do not go together."""
        return _common([spec, _spec_of(self.transform, spec)])


@register
@dataclass(frozen=True, repr=False)
class OneOf(Printed, RandomTransform):
    """Apply one of several transforms.

    Args:
        transforms: two or more, each a transform, random or not, or a list of them.
        weights: how likely each is, relative to the others; None makes them equally likely.

    Returns:
        (when called with a generator) what the chosen one returns.

    Raises:
        ChainError: no transforms, or their outputs differ in kind or rate.
        ConfigError: weights that are not above 0, or not one per transform.

    >>> [OneOf([np.negative, np.square])(3, np.random.default_rng(seed)) for seed in range(4)]
    [np.int64(9), np.int64(9), np.int64(-3), np.int64(-3)]
    """

    transforms: Sequence[Option]
    _: KW_ONLY
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        store(self, transforms=_several(self.transforms))
        if self.weights is not None:
            if not isinstance(self.weights, Sequence | np.ndarray) or len(self.weights) != len(self.transforms):
                raise ConfigError(f"weights={self.weights!r} must be one number for each of the transforms")
            store(self, weights=tuple(positive_float("weights", weight) for weight in self.weights))

    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        """Return the value, transformed by one of them."""
        ends = np.cumsum(self.weights if self.weights is not None else np.ones(len(self.transforms)))
        chosen = int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))
        return apply(_row(self.transforms[min(chosen, len(ends) - 1)]), value, rng)

    def output_spec(self, spec: Spec) -> Spec:
        """Return what is known of the output whichever is chosen, or raise ChainError if they do not go together."""
        return _common([_spec_of(option, spec) for option in self.transforms])


@register
@dataclass(frozen=True, repr=False)
class SomeOf(Printed, RandomTransform):
    """Apply some of several transforms, in the order in which they are given.

    Args:
        transforms: each a transform, random or not, or a list of them.
        count: how many of them; a pair (low, high) draws a number from low to high, both included. All choices of
            that many are equally likely.

    Returns:
        (when called with a generator) what the chosen ones return, one after the other.

    Raises:
        ChainError: no transforms, or one whose output is of another kind or rate than its input.
        ConfigError: a count beyond the number of transforms.

    >>> SomeOf([np.negative, np.square, np.sqrt], 2)(4.0, np.random.default_rng(1))
    np.float64(16.0)
    """

    transforms: Sequence[Option]
    count: int | tuple[int, int]

    def __post_init__(self) -> None:
        store(self, transforms=_several(self.transforms))
        pair = self.count if isinstance(self.count, Sequence) else (self.count, self.count)
        if len(pair) != 2:
            raise ConfigError(f"count={self.count!r} must be a number or a pair (low, high)")
        low, high = (0 if number == 0 else positive_int("count", number) for number in pair)
        if not low <= high <= len(self.transforms) or high == 0:
            raise ConfigError(f"count={self.count!r} must be (low, high), from 0 to {len(self.transforms)} transforms")
        store(self, count=(low, high) if isinstance(self.count, Sequence) else high)

    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        """Return the value, transformed by some of them."""
        count = self.count if isinstance(self.count, int) else int(rng.integers(*self.count, endpoint=True))
        for chosen in sorted(rng.permutation(len(self.transforms))[:count].tolist()):
            value = apply(_row(self.transforms[chosen]), value, rng)
        return value

    def output_spec(self, spec: Spec) -> Spec:
        """Return what is known of the output whichever are chosen, or raise ChainError if they do not go together."""
        for option in self.transforms:
            spec = _common([spec, _spec_of(option, spec)])
        return spec


def _one(option: Any) -> Any:
    """Return a transform, or a tuple of the transforms of a list, having checked that they can stand in a row."""
    if isinstance(option, Chain):
        option = option.transforms
    if not isinstance(option, list | tuple):
        Chain([option])
        return option
    if not option:
        raise ChainError("an empty list of transforms: give at least one")
    Chain(list(option))
    return tuple(option)


def _several(options: Any) -> tuple[Any, ...]:
    if not isinstance(options, list | tuple) or not options:
        raise ChainError(f"transforms={options!r} must be a list of at least one transform")
    return tuple(_one(option) for option in options)


def _row(option: Any) -> tuple[Transform, ...]:
    return option if isinstance(option, tuple) else (option,)


def _spec_of(option: Any, spec: Spec) -> Spec:
    for transform in _row(option):
        try:
            spec = output_spec(transform, spec)
        except ChainError as error:
            raise ChainError(f"its {name_of(transform)}: {error}") from None
    return spec


def _common(specs: Sequence[Spec]) -> Spec:
    """Return what is true of all of the specs, or raise ChainError where two of them contradict each other."""
    for name in ("kind", "sample_rate"):
        known = sorted({str(getattr(spec, name)) for spec in specs if getattr(spec, name) is not None})
        if len(known) > 1:
            raise ChainError(f"its output has {name} {' or '.join(known)}, depending on what is chosen: make it one")
    first = specs[0]
    return Spec(
        first.kind if all(spec.kind == first.kind for spec in specs) else None,
        first.sample_rate if all(spec.sample_rate == first.sample_rate for spec in specs) else None,
        varies=any(spec.varies for spec in specs),
    )
