"""From indices to one batch: fetch, transform, collate.

A pipeline is pure: what it returns depends on (source, transforms, seed, epoch, indices) and on nothing else. It knows
no workers and no policy for samples that fail; every kind of worker runs the same pipeline, so all of them make the
same batches.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from dataload.blas import single_threaded_blas
from dataload.chain import BatchTransform, RandomBatchTransform, RandomTransform, Spec
from dataload.collate import Collate, Stack
from dataload.errors import ChainError, annotate
from dataload.keys import generator
from dataload.laps import READ, Row, laps_here
from dataload.memory import Allocator, aligned_empty
from dataload.samplers.base import IndexArray
from dataload.samples import Field, get_field, replace_field
from dataload.sources.base import describe, fetch, fetch_stacked
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
            for name, stages in self._runs:
                samples = self._apply(name, stages, samples, epoch, numbers)
            return self.finish(samples, epoch, indices, alloc)

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
        before: Callable[[Stage | None], None] | None = None,
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
            [sample] = fetch(self.source, [index]) if read is None else read()
            laps = laps_here(self.steps)
            laps.end(READ)
            for name, stages in self._runs:
                value = sample if name is None else self._field_values(name, [sample], [index])[0]
                for stage in stages:
                    value = self._one_sample((stage,), value, epoch, index, before)
                    laps.end(1 + stage.number)
                sample = value if name is None else replace_field(sample, name, value)
        return sample

    def samples(self, epoch: int, indices: IndexArray) -> list[Any]:
        """Return some samples as they go into a batch, transformed in whole batches where that is possible."""
        numbers: list[int] = indices.tolist()
        with single_threaded_blas:
            samples = fetch(self.source, numbers)
            for name, stages in self._runs:
                samples = self._apply(name, stages, samples, epoch, numbers)
        return samples

    def finish(self, samples: list[Any], epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        """Return the batch of samples that have been through the transforms, of those asked for."""
        with single_threaded_blas:
            batch = self.collate(samples, alloc=alloc) if self._takes_alloc else self.collate(samples)
            laps_here(self.steps).end(1 + self._on_samples)
            return self._apply_to_batch(batch, epoch, indices, alloc)

    @cached_property
    def _runs(self) -> list[tuple[Field | None, tuple[Stage, ...]]]:
        """Consecutive stages on the same field, which is taken out of the samples once for all of them."""
        stages = (stage for stage in self.stages if not isinstance(stage.transform, RandomBatchTransform))
        return [(name, tuple(group)) for name, group in itertools.groupby(stages, key=lambda stage: stage.field)]

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

        for name, read in self._prefetches:
            # A sample without the field says so when the transforms run.
            with suppress(LookupError):
                if name is None:
                    samples = side_by_side(read, samples)
                else:
                    values = side_by_side(read, [get_field(sample, name) for sample in samples])
                    samples = [
                        replace_field(sample, name, value) for sample, value in zip(samples, values, strict=True)
                    ]
        return samples

    @cached_property
    def _prefetches(self) -> list[tuple[Field | None, Callable[[Any], Any]]]:
        """How the files in each field are read, where its first transform says so."""
        found: dict[Field | None, Callable[[Any], Any] | None] = {}
        for name, stages in self._runs:
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

    def _apply(
        self, name: Field | None, stages: tuple[Stage, ...], samples: list[Any], epoch: int, indices: Sequence[int]
    ) -> list[Any]:
        values = samples if name is None else self._field_values(name, samples, indices)
        for whole_batch, group in itertools.groupby(stages, key=_does_batches):
            if whole_batch:
                for stage in group:
                    values = self._one_call(stage, values, epoch, indices)
                    laps_here(self.steps).end(1 + stage.number)
            else:
                values = self._one_by_one(tuple(group), values, epoch, indices)
        if name is None:
            return values
        return [replace_field(sample, name, value) for sample, value in zip(samples, values, strict=True)]

    def _field_values(self, name: Field, samples: list[Any], indices: Sequence[int]) -> list[Any]:
        values = []
        for sample, index in zip(samples, indices, strict=True):
            try:
                values.append(get_field(sample, name))
            except LookupError as error:
                annotate(error, f"in {describe(self.source, index)}")
                raise
        return values

    def _one_by_one(
        self, stages: tuple[Stage, ...], values: list[Any], epoch: int, indices: Sequence[int]
    ) -> list[Any]:
        """Return the values after all of these stages: a long recording is still in the cache for the next one."""
        row = Row(laps_here(self.steps), [1 + stage.number for stage in stages], len(values))
        made = []
        for number, (value, index) in enumerate(zip(values, indices, strict=True)):
            before = row.before(number)
            made.append(self._one_sample(stages, value, epoch, index, before))
            if before is not None:
                row.after(number, index)
        row.end()
        return made

    def _one_sample(
        self,
        stages: tuple[Stage, ...],
        value: Any,
        epoch: int,
        index: int,
        before: Callable[[Stage | None], None] | None = None,
    ) -> Any:
        for stage in stages:
            if before is not None:
                before(stage)
            try:
                if isinstance(stage.transform, RandomTransform):
                    key = "" if stage.field is None else repr(stage.field)
                    value = stage.transform(value, generator(self.seed, epoch, index, key, stage.position))
                else:
                    value = stage.transform(value)
            except Exception as error:
                annotate(error, f"in transform {stage}, {describe(self.source, index)}")
                raise
        return value

    def _one_call(self, stage: Stage, values: list[Any], epoch: int, indices: Sequence[int]) -> list[Any]:
        assert isinstance(stage.transform, BatchTransform)
        try:
            results = list(stage.transform.batch(values))
        except Exception as error:
            # The sample that is to blame is found by trying them one by one; it raises with its own name.
            for value, index in zip(values, indices, strict=True):
                self._one_sample((stage,), value, epoch, index)
            annotate(error, f"in {stage}.batch, over samples {list(indices)}, each of which passes by itself")
            raise
        if len(results) != len(values):
            raise ChainError(f"{stage}.batch returned {len(results)} values for {len(values)}: it must return one each")
        return results


def _takes_alloc(function: Any) -> bool:
    try:
        return "alloc" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # Callables in C have no signature, and no allocator to take.
        return False


def _does_batches(stage: Stage) -> bool:
    return isinstance(stage.transform, BatchTransform) and not isinstance(stage.transform, RandomTransform)
