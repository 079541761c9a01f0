"""Chains of transforms, and what a transform may say of itself.

A transform is any callable from one value to one value. Whether it is random, can do a whole batch, or knows what its
output looks like, a chain asks through the optional abilities defined here, so that a lambda is a transform too.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dataload.errors import ChainError
from dataload.registry import decode, encode
from dataload.registry import name_of as name_of

Transform = Callable[..., Any]
JSON_FORMAT = 1


@dataclass(frozen=True)
class Spec:
    """What is known of a value on its way through a chain before any data is read.

    A transform that knows more says so in `output_spec(spec) -> Spec`, and raises `ChainError` there when what comes
    in cannot be right.

    Attributes:
        kind: "waveform" ((samples,) float32), "features" ((frames, bins) float32), or None where nothing is known.
        sample_rate: in Hz, of the waveform or of the waveform that the features came from; None where not known.
        varies: whether the leading axis may differ from sample to sample, so that a batch must be padded.
    """

    kind: str | None = None
    sample_rate: int | None = None
    varies: bool = False


@runtime_checkable
class SpecTransform(Protocol):
    """A transform that knows what its output looks like."""

    def output_spec(self, spec: Spec) -> Spec:
        """Return what comes out when `spec` goes in, or raise ChainError."""
        ...


@runtime_checkable
class BatchTransform(Protocol):
    """A transform that does a whole batch in one call, with the same result as one by one."""

    def batch(self, values: list[Any]) -> list[Any]:
        """Return one output per value, in order."""
        ...


@runtime_checkable
class CacheTransform(Protocol):
    """A transform that returns its argument, and in a Loader keeps what those before it have made."""

    def place(self) -> tuple[Path, int]:
        """Return the folder where, and how many bytes its files may take."""
        ...


class PrefetchTransform(Protocol):
    """A transform on files that can be read before it runs: side by side, while earlier samples are transformed."""

    def prefetch(self, value: Any) -> Any:
        """Return what to call the transform with in place of `value`: the file, read; or `value` itself.

        Called on any thread, and only where samples are read ahead. The result of the transform must not depend on it.
        """
        ...


class RandomTransform(ABC):
    """Base of the transforms that draw random numbers: called as `transform(value, rng)`.

    `rng` is made anew for every sample from (seed, epoch, sample index, position in the chain). A subclass that takes
    every random number from it, and keeps no state, gives the same result whichever worker runs it.

    >>> class Gain(RandomTransform):
    ...     def __call__(self, value, rng):
    ...         return value * rng.uniform(0.5, 2.0)
    """

    @abstractmethod
    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        """Return the transformed value."""


class RandomBatchTransform(ABC):
    """Base of the random transforms that work on a whole collated batch: called as `transform(batch, rng)`.

    They stand at the top level of a Loader's `transforms`, behind all others, and run after the collate function.
    `rng` is made anew for every batch from (seed, epoch, the indices of the batch in their order, position among the
    transforms of this kind), so a batch is the same whichever worker makes it, and again after a resume. Changes
    in place stay in the memory of the batch; a subclass whose `__call__` has a parameter `alloc` makes new arrays with
    it, in that memory too.

    >>> class Shuffle(RandomBatchTransform):
    ...     def __call__(self, batch, rng):
    ...         return rng.permutation(batch)
    """

    @abstractmethod
    def __call__(self, batch: Any, rng: np.random.Generator) -> Any:
        """Return the transformed batch."""


def output_spec(transform: Transform, spec: Spec) -> Spec:
    """Return what `transform` makes of `spec`.

    A transform without `output_spec` may change anything, except whether the length varies: a gain or a type conversion
    must not turn a padded field into a stacked one.
    """
    if isinstance(transform, SpecTransform):
        return transform.output_spec(spec)
    return Spec(varies=spec.varies)


@dataclass(frozen=True, init=False)
class Chain:
    """A row of transforms, checked when it is made, callable on one value outside any loader.

    Args:
        transforms: callables, applied from left to right.
        rng: (in calls) the generator for random transforms; a chain without any needs none.

    Raises:
        ChainError: something in the row is not callable, or does not fit what comes before it.

    >>> Chain([np.abs, np.sqrt])(np.array([-4.0, 9.0]))
    array([2., 3.])
    """

    transforms: tuple[Transform, ...]
    spec: Spec

    def __init__(self, transforms: Sequence[Transform] | Transform) -> None:
        row = tuple(transforms) if isinstance(transforms, list | tuple) else (transforms,)
        spec = Spec()
        for i, transform in enumerate(row):
            if isinstance(transform, type) and (
                hasattr(transform, "output_spec") or issubclass(transform, RandomTransform | RandomBatchTransform)
            ):
                raise ChainError(f"transform {i} is the class {transform.__name__}: write {transform.__name__}(...)")
            if isinstance(transform, RandomBatchTransform):
                raise ChainError(
                    f"{name_of(transform)} works on whole batches: put it at the end of a Loader's transforms, "
                    "transforms=[{...}, " + f"{type(transform).__name__}(...)]"
                )
            if not callable(transform):
                raise ChainError(f"transform {i} is {transform!r}, which is not callable")
            try:
                spec = output_spec(transform, spec)
            except ChainError as error:
                before = name_of(row[i - 1]) if i else "the start of the chain"
                raise ChainError(f"{name_of(transform)} cannot follow {before}: {error}") from None
        object.__setattr__(self, "transforms", row)
        object.__setattr__(self, "spec", spec)

    def __call__(self, value: Any, rng: np.random.Generator | None = None) -> Any:
        return apply(self.transforms, value, rng)

    def __len__(self) -> int:
        return len(self.transforms)

    def to_json(self) -> str:
        """Return the chain as JSON text, with the value of every parameter in it, defaults included.

        This version of the library and later ones read it.

        Raises:
            ChainError: a transform is not registered (see `dataload.chain_json.register`), such as a lambda, or holds
                something that JSON has no word for; the message names it.
        """
        transforms = [encode(transform, f"transform {i}") for i, transform in enumerate(self.transforms)]
        return json.dumps({"dataload_chain": JSON_FORMAT, "transforms": transforms}, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Chain:
        """Return the chain that was written by `to_json`, by this version or an older one.

        Raises:
            ChainError: no such text, one of a newer version, or one that names a transform or parameter that is not
                known here; the message says which.
        """
        try:
            return cls._from_content(_read_json(text))
        except RecursionError:
            raise ChainError("this is not a chain written by chain.to_json(): it is nested too deeply") from None

    @classmethod
    def _from_content(cls, content: Any) -> Chain:
        if not isinstance(content, dict) or not isinstance(content.get("transforms"), list):
            raise ChainError("this is not a chain written by chain.to_json(): it has no list of transforms")
        written = content.get("dataload_chain")
        if type(written) is not int or written != JSON_FORMAT:
            raise ChainError(
                f"the chain is written in format {written!r:.40}, this dataload reads {JSON_FORMAT}: "
                "install a newer dataload"
            )
        return cls([decode(transform, f"transform {i}") for i, transform in enumerate(content["transforms"])])


def _read_json(text: Any) -> Any:
    """Return what strict JSON text holds, which names nothing twice and has no words for what is not a number."""
    if not isinstance(text, str | bytes | bytearray):
        raise ChainError(f"this is a {type(text).__name__}, not JSON text: a chain is written by chain.to_json()")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except ValueError as error:
        raise ChainError(f"this is no JSON ({error}): a chain is written by chain.to_json()") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"a name stands twice among {[name for name, _ in pairs]!s:.200}")
    return content


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def apply(transforms: Sequence[Transform], value: Any, rng: np.random.Generator | None) -> Any:
    """Return what the transforms make of a value one after the other; the random ones are given `rng`."""
    for transform in transforms:
        if isinstance(transform, RandomTransform):
            if rng is None:
                raise ChainError(
                    f"{name_of(transform)} is random: call the chain with rng=numpy.random.default_rng(seed)"
                )
            value = transform(value, rng)
        else:
            value = transform(value)
    return value
