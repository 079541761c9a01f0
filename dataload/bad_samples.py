"""Batches with samples that cannot be made: left out, or replaced by others.

Apart from the pipeline, which makes whole batches and knows of no exceptions: this is what happens after it has failed,
when the batch is made again, sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from dataload.errors import BadSamples
from dataload.keys import mix
from dataload.memory import Allocator
from dataload.samplers.base import IndexArray
from dataload.samplers.sequential import SequentialSampler
from dataload.sources.base import describe

if TYPE_CHECKING:
    from dataload.pipeline import Pipeline

OnError = Literal["raise", "skip", "replace"]

# So many others are tried in the place of a bad sample. Where all of them are bad there is something else wrong.
_MOST_TRIES = 8


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


def _nothing(index: int) -> None:
    pass


@dataclass(frozen=True)
class Careful:
    """What to look out for where making a batch has ended the process that made it.

    Attributes:
        fatal: samples known to do that, and how it ended: they are not tried.
        working_on: told the index of each sample before it is tried.
    """

    fatal: Mapping[int, str] = field(default_factory=dict)
    working_on: Callable[[int], None] = _nothing


def make_from_the_good(
    pipeline: Pipeline, epoch: int, indices: IndexArray, alloc: Allocator, careful: Careful
) -> tuple[Any, list[BadSample]]:
    """Make a batch sample by sample, and leave out or replace those that fail.

    Args:
        pipeline: makes the samples; its `on_error` says which of the two.
        epoch: of the batch.
        indices: of its samples.
        alloc: where the batch is written.
        careful: what to look out for.

    Returns:
        The batch, or `EMPTY`, and the samples that failed.

    Raises:
        BadSamples: so many in a row failed that it is not the samples' fault.
        Exception: what the collate function raises.
    """
    samples: list[Any] = []
    bad: list[BadSample] = []

    def attempt(index: int) -> bool:
        error = careful.fatal.get(index)
        if error is None:
            careful.working_on(index)
            try:
                samples.append(pipeline.sample(epoch, index))
            except Exception as raised:
                error = _text(raised)
            else:
                return True
        bad.append(BadSample(index, describe(pipeline.source, index), epoch, error))
        return False

    for index in indices.tolist():
        if attempt(index) or pipeline.on_error == "skip":
            continue
        first = len(bad) - 1
        for other in _others(pipeline, epoch, index):
            if attempt(other):
                bad[first:] = [replace(sample, replaced_by=other) for sample in bad[first:]]
                break
        else:
            raise BadSamples(
                f"sample {index} could not be made, and neither could the {_MOST_TRIES} others that were tried in its "
                f"place. The last of them: {bad[-1].sample}: {bad[-1].error}"
            )
    return (pipeline.finish(samples, epoch, indices, alloc) if samples else EMPTY), bad


def _others(pipeline: Pipeline, epoch: int, index: int) -> list[int]:
    """Return which samples to try in the place of a bad one: the same in any worker and any run."""
    spares = pipeline.spares or SequentialSampler(len(pipeline.source))
    places = [mix("replace", pipeline.seed, epoch, index, i) % len(spares) for i in range(_MOST_TRIES)]
    return [int(spares.indices(epoch, place, place + 1)[0]) for place in places]


def _text(error: Exception) -> str:
    return "; ".join([f"{type(error).__name__}: {error}", *map(str, getattr(error, "__notes__", ()))])
