"""Batches with samples that cannot be made: skipped, or replaced by others.

The policy stands above the pipeline: after a batch has failed as a whole, it is made again sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from dataload.errors import BadSamples
from dataload.keys import mix
from dataload.memory import Allocator
from dataload.samplers.base import IndexArray, Sampler
from dataload.sources.base import describe

OnError = Literal["raise", "skip", "replace"]

# How many replacements are tried for one bad sample. Where all of them are bad there is something else wrong.
_MAX_TRIES = 8


@dataclass(frozen=True)
class BadSample:
    """A sample that could not be made.

    Attributes:
        index: in the source.
        sample: what the source calls it.
        epoch: in which it was wanted.
        error: type and message of the exception, and its notes.
        replaced_by: index of the sample that took its place; None where it was left out.
    """

    index: int
    sample: str
    epoch: int
    error: str
    replaced_by: int | None = None

    def __str__(self) -> str:
        end = "left out" if self.replaced_by is None else f"replaced by sample {self.replaced_by}"
        return f"{self.sample}: {self.error} ({end})"


class Empty:
    """Stands for a batch of which every sample was left out."""


EMPTY = Empty()


@dataclass(frozen=True)
class Salvage:
    """What becomes of the samples of a batch that cannot be made.

    Attributes:
        spares: the samples of this epoch, of which replacements are drawn; None leaves bad samples out.
        one_by_one: whether the batch is not tried as a whole, because that has ended its worker.
        fatal: samples known to end a worker, and how it ended: they are not tried.
    """

    spares: Sampler | None = None
    one_by_one: bool = False
    fatal: dict[int, str] = field(default_factory=dict)


class Maker(Protocol):
    """Makes single samples, and a batch of them: a pipeline, keyed or not."""

    @property
    def source(self) -> Any:
        """The source of the samples."""
        ...

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        ...

    def sample(self, epoch: int, index: int) -> Any:
        """Return one sample as it goes into a batch."""
        ...

    def finish(self, samples: list[Any], epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        """Return the batch of samples that have been through the transforms."""
        ...


def _nothing(index: int) -> None:
    pass


def make_from_the_good(
    maker: Maker,
    epoch: int,
    indices: IndexArray,
    alloc: Allocator,
    salvage: Salvage,
    working_on: Callable[[int], None] = _nothing,
) -> tuple[Any, list[BadSample]]:
    """Make a batch sample by sample, and skip or replace those that fail.

    Args:
        maker: makes the samples.
        epoch: of the batch.
        indices: of its samples.
        alloc: where the batch is written.
        salvage: what becomes of those that fail.
        working_on: told the index of each sample before it is tried.

    Returns:
        The batch, or `EMPTY`, and the samples that failed.

    Raises:
        BadSamples: so many in a row failed that it is not the samples' fault.
        Exception: what the collate function raises.
    """
    samples: list[Any] = []
    bad: list[BadSample] = []

    def attempt(index: int) -> bool:
        error = salvage.fatal.get(index)
        if error is None:
            working_on(index)
            try:
                samples.append(maker.sample(epoch, index))
            except Exception as raised:
                error = _text(raised)
            else:
                return True
        bad.append(BadSample(index, describe(maker.source, index), epoch, error))
        return False

    for index in indices.tolist():
        if attempt(index) or salvage.spares is None:
            continue
        first = len(bad) - 1
        for other in replacements(maker.seed, epoch, index, salvage.spares):
            if attempt(other):
                bad[first:] = [replace(sample, replaced_by=other) for sample in bad[first:]]
                break
        else:
            raise BadSamples(
                f"sample {index} could not be made, and neither could the {_MAX_TRIES} others that were tried in its "
                f"place. The last of them: {bad[-1].sample}: {bad[-1].error}"
            )
    return (maker.finish(samples, epoch, indices, alloc) if samples else EMPTY), bad


def replacements(seed: int, epoch: int, index: int, spares: Sampler) -> list[int]:
    """Return which samples to try in place of a bad one, in order: the same in any worker and any run."""
    positions = [mix("replace", seed, epoch, index, i) % len(spares) for i in range(_MAX_TRIES)]
    return [int(spares.indices(epoch, position, position + 1)[0]) for position in positions]


def _text(error: Exception) -> str:
    try:
        message = str(error)
    except Exception as failure:  # A broken __str__ must not hide which sample it was.
        message = f"(its message cannot be had: {type(failure).__name__})"
    return "; ".join([f"{type(error).__name__}: {message}", *map(str, getattr(error, "__notes__", ()))])
