"""From indices to one batch: fetch, transform, collate.

A pipeline is pure: what it returns depends on (source, transforms, seed, epoch, indices) and on nothing else. It knows
no workers and no policy for samples that fail; every kind of worker runs the same pipeline, so all of them make the
same batches.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from dataload.blas import single_threaded_blas
from dataload.chain import RandomBatchTransform, Spec
from dataload.collate import Collate, Pad, Stack
from dataload.errors import annotate
from dataload.keys import generator
from dataload.laps import READ, laps_here
from dataload.memory import Allocator, aligned_empty
from dataload.passage import Before, Passage
from dataload.samplers.base import IndexArray
from dataload.samples import Field, get_field, replace_field
from dataload.sources.base import fetch, fetch_stacked
from dataload.stages import Stage

Read = Callable[[], list[Any]]


@dataclass(frozen=True)
class Pipeline:
    """Everything that turns indices into a batch.

    Attributes:
        source: the samples.
        stages: what happens to them, in order.
        collate: samples to batch; one with a parameter `alloc` is told where to write.
        seed: of the random transforms.
        read_concurrency: how many samples each worker reads ahead at a time; 0 reads when a batch is made.
        specs: what the transforms say of each field that they work on, None for the whole sample.
    """

    source: Any
    stages: tuple[Stage, ...]
    collate: Collate
    seed: int
    read_concurrency: int = 0
    specs: Mapping[Field | None, Spec] = field(default_factory=dict)

    # Whether samples may be read by other threads before their batch is made.
    may_read_ahead: ClassVar[bool] = True

    def __post_init__(self) -> None:
        # A Cache that cannot work says so when the loader is made.
        _ = self.passage.kept

    def run(self, epoch: int, indices: IndexArray, alloc: Allocator = aligned_empty, read: Read | None = None) -> Any:
        """Return the batch of these samples.

        An exception from the source, a transform or the collate function keeps its type; notes say where it came from.

        Args:
            epoch: of the batch, which random transforms are keyed by.
            indices: of its samples.
            alloc: where it is written.
            read: returns the samples as the source gave them, where they are read ahead.
        """
        if read is None and not self.stages and isinstance(self.collate, Stack):
            batch = fetch_stacked(self.source, indices, alloc)
            if batch is not None:
                laps_here(self.steps).end(READ)
                return batch
        numbers: list[int] = indices.tolist()
        with single_threaded_blas:
            samples = fetch(self.source, numbers) if read is None else read()
            laps_here(self.steps).end(READ)
            samples = self.passage.apply(samples, epoch, numbers)
            return self.finish(samples, epoch, indices, alloc)

    @cached_property
    def passage(self) -> Passage:
        """What happens to samples between reading and collating.

        Raises:
            ChainError, ConfigError: a Cache that cannot work.
        """
        # Our own collate functions copy what they are given; any other one may hand it on.
        copied = isinstance(self.collate, Stack | Pad)
        return Passage(self.stages, self.source, self.seed, self.steps, copied)

    @property
    def steps(self) -> int:
        """How many steps are timed: reading, each stage, collating."""
        return len(self.stages) + 2

    def step_names(self) -> list[str]:
        """Return what each of the steps is called."""
        names = list(map(str, self.stages))
        return ["read", *names[: self._on_samples], "collate", *names[self._on_samples :]]

    @cached_property
    def _on_samples(self) -> int:
        """How many stages work on samples: those on the batch stand behind them, and collating between."""
        return sum(not isinstance(stage.transform, RandomBatchTransform) for stage in self.stages)

    def sample(
        self,
        epoch: int,
        index: int,
        before: Before | None = None,
        read: Read | None = None,
    ) -> Any:
        """Return one sample as it goes into a batch.

        Args:
            epoch: of the batch.
            index: of the sample.
            before: told of each stage before it runs, and of the reading of the source (None).
            read: returns a list of the sample as the source gave it, where it is read ahead.
        """
        with single_threaded_blas:
            if before is not None:
                before(None)
            samples = fetch(self.source, [index]) if read is None else read()
            laps_here(self.steps).end(READ)
            [sample] = self.passage.apply(samples, epoch, [index], before)
        return sample

    def samples(self, epoch: int, indices: IndexArray) -> list[Any]:
        """Return some samples as they go into a batch, transformed in whole batches where that is possible."""
        numbers: list[int] = indices.tolist()
        with single_threaded_blas:
            samples = fetch(self.source, numbers)
            return self.passage.apply(samples, epoch, numbers)

    def finish(self, samples: list[Any], epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        """Return the batch of samples that have been through the transforms, of those asked for."""
        with single_threaded_blas:
            batch = self.collate(samples, alloc=alloc) if self._takes_alloc else self.collate(samples)
            laps_here(self.steps).end(1 + self._on_samples)
            return self._apply_to_batch(batch, epoch, indices, alloc)

    @cached_property
    def _takes_alloc(self) -> bool:
        return _takes_alloc(self.collate)

    @cached_property
    def _batch_stages(self) -> list[tuple[Stage, bool]]:
        """The stages on the whole batch, each with whether it is told where to write."""
        stages = (stage for stage in self.stages if isinstance(stage.transform, RandomBatchTransform))
        return [(stage, _takes_alloc(stage.transform)) for stage in stages]

    def prefetch(self, samples: list[Any]) -> list[Any]:
        """Return samples of the source with the files in them read, for those transforms that can do with that."""
        # Only where samples are read ahead: a worker starts in the time that its imports take.
        from dataload.storage.pool import side_by_side

        samples = list(samples)
        for name, read in self._prefetches:
            # A sample without the field says so when the transforms run.
            with suppress(LookupError):
                values = samples if name is None else [get_field(sample, name) for sample in samples]
                wanted = [place for place, lacks in enumerate(self.passage.lacking(name, values)) if lacks]
                for place, value in zip(wanted, side_by_side(read, [values[at] for at in wanted]), strict=True):
                    sample = samples[place]
                    samples[place] = value if name is None else replace_field(sample, name, value)
        return samples

    @cached_property
    def _prefetches(self) -> list[tuple[Field | None, Callable[[Any], Any]]]:
        """How the files in each field are read, where its first transform says so."""
        found: dict[Field | None, Callable[[Any], Any] | None] = {}
        for name, stages in self.passage.runs:
            if name is None and found:
                break  # It may read what stands in any field.
            found.setdefault(name, getattr(stages[0].transform, "prefetch", None))
            if name is None:
                break  # It may put anything into any field.
        return [(name, read) for name, read in found.items() if read is not None]

    def _apply_to_batch(self, batch: Any, epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        if not self._batch_stages:
            return batch
        # The same samples in another order make another batch.
        digest = hashlib.blake2b(indices.astype("<i8").tobytes(), digest_size=16).hexdigest()
        for stage, takes_alloc in self._batch_stages:
            rng = generator(self.seed, epoch, "batch", digest, stage.position)
            try:
                batch = stage.transform(batch, rng, alloc=alloc) if takes_alloc else stage.transform(batch, rng)
            except Exception as error:
                annotate(error, f"in transform {stage}, on the batch of samples {indices.tolist()}")
                raise
            laps_here(self.steps).end(2 + stage.number)
        return batch


def _takes_alloc(function: Any) -> bool:
    try:
        return "alloc" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # Callables in C have no signature, and no allocator to take.
        return False
