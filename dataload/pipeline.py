"""From indices to one batch: fetch, transform, collate.

A pipeline is pure: what it returns depends on (source, transforms, seed, epoch, indices) and on nothing else. It knows
no workers; every kind of worker runs the same pipeline, so all of them make the same batches.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from dataload.bad_samples import BadSample, Careful, OnError, make_from_the_good
from dataload.blas import single_threaded_blas
from dataload.chain import BatchTransform, Chain, RandomBatchTransform, RandomTransform, Transform, name_of
from dataload.collate import Collate, pad, stack
from dataload.errors import ChainError
from dataload.keys import generator
from dataload.memory import Allocator, aligned_empty
from dataload.samplers.base import IndexArray, Sampler
from dataload.samples import Field, get_field, replace_field
from dataload.sources.base import describe, fetch, fetch_stacked

Transforms = Transform | Sequence[Any] | Mapping[Any, Any] | None


@dataclass(frozen=True)
class Step:
    """One transform at its place.

    Attributes:
        transform: the callable.
        field: the field it works on; None for the whole sample.
        position: its number among the steps on the same field, which keys its random numbers.
    """

    transform: Transform
    field: Field | None
    position: int

    def __str__(self) -> str:
        return name_of(self.transform) + ("" if self.field is None else f" on field {self.field!r}")


@dataclass(frozen=True)
class Pipeline:
    """Everything that turns indices into a batch.

    Attributes:
        source: the samples.
        steps: what happens to them, in order.
        collate: samples to batch; one with a parameter `alloc` is told where to write.
        seed: of the random transforms.
        read_concurrency: how many samples each worker reads ahead at a time; 0 reads when a batch is made.
        on_error: what becomes of samples that cannot be made; see `Loader`.
        spares: which samples may be put in the place of others; by default any of the source.
    """

    source: Any
    steps: tuple[Step, ...]
    collate: Collate
    seed: int
    read_concurrency: int = 0
    on_error: OnError = "raise"
    spares: Sampler | None = None

    def run(self, epoch: int, indices: IndexArray, alloc: Allocator = aligned_empty) -> Any:
        """Return the batch of these samples.

        An exception from the source, a transform or the collate function keeps its type; notes say where it came from.
        """
        return self.make(epoch, indices, alloc)[0]

    def make(
        self,
        epoch: int,
        indices: IndexArray,
        alloc: Allocator,
        samples: list[Any] | None = None,
        careful: Careful | None = None,
    ) -> tuple[Any, list[BadSample]]:
        """Return the batch of these samples, and those that could not be made.

        Args:
            epoch: of the batch.
            indices: of its samples.
            alloc: where it is written.
            samples: those that have been fetched already.
            careful: given where a batch has ended its worker: what to look out for.
        """
        if careful is None:
            try:
                return self._whole(epoch, indices, alloc, samples), []
            except Exception:
                if self.on_error == "raise":
                    raise
        return make_from_the_good(self, epoch, indices, alloc, careful or Careful())

    def _whole(self, epoch: int, indices: IndexArray, alloc: Allocator, samples: list[Any] | None) -> Any:
        if samples is None and not self.steps and self.collate is stack:
            batch = fetch_stacked(self.source, indices, alloc)
            if batch is not None:
                return batch
        numbers: list[int] = indices.tolist()
        with single_threaded_blas:
            samples = fetch(self.source, numbers) if samples is None else samples
            for field, steps in self._runs:
                samples = self._apply(field, steps, samples, epoch, numbers)
            return self.finish(samples, epoch, indices, alloc)

    def sample(self, epoch: int, index: int) -> Any:
        """Return one sample as it goes into a batch."""
        with single_threaded_blas:
            [sample] = fetch(self.source, [index])
            for field, steps in self._runs:
                if field is None:
                    sample = self._one_sample(steps, sample, epoch, index)
                else:
                    [value] = self._field_values(field, [sample], [index])
                    sample = replace_field(sample, field, self._one_sample(steps, value, epoch, index))
        return sample

    def finish(self, samples: list[Any], epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        """Return the batch of samples that have been through the transforms, of those asked for."""
        with single_threaded_blas:
            batch = self.collate(samples, alloc=alloc) if self._takes_alloc else self.collate(samples)
            return self._apply_to_batch(batch, epoch, indices, alloc)

    @cached_property
    def _runs(self) -> list[tuple[Field | None, tuple[Step, ...]]]:
        """Consecutive steps on the same field, which is taken out of the samples once for all of them."""
        steps = (step for step in self.steps if not isinstance(step.transform, RandomBatchTransform))
        return [(field, tuple(group)) for field, group in itertools.groupby(steps, key=lambda step: step.field)]

    @cached_property
    def _takes_alloc(self) -> bool:
        return _takes_alloc(self.collate)

    @cached_property
    def _batch_steps(self) -> list[tuple[Step, bool]]:
        """The steps on the whole batch, each with whether it is told where to write."""
        steps = (step for step in self.steps if isinstance(step.transform, RandomBatchTransform))
        return [(step, _takes_alloc(step.transform)) for step in steps]

    def _apply_to_batch(self, batch: Any, epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        if not self._batch_steps:
            return batch
        # The same samples in another order make another batch.
        digest = hashlib.blake2b(indices.astype("<i8").tobytes(), digest_size=16).hexdigest()
        for step, takes_alloc in self._batch_steps:
            rng = generator(self.seed, epoch, "batch", digest, step.position)
            try:
                batch = step.transform(batch, rng, alloc=alloc) if takes_alloc else step.transform(batch, rng)
            except Exception as error:
                error.add_note(f"in transform {step}, on the batch of samples {indices.tolist()}")
                raise
        return batch

    def _apply(
        self, field: Field | None, steps: tuple[Step, ...], samples: list[Any], epoch: int, indices: Sequence[int]
    ) -> list[Any]:
        values = samples if field is None else self._field_values(field, samples, indices)
        for whole_batch, group in itertools.groupby(steps, key=_does_batches):
            if whole_batch:
                for step in group:
                    values = self._one_call(step, values, epoch, indices)
            else:
                # Sample by sample through all of these steps: a long recording is still in the cache for the next one.
                row = tuple(group)
                values = [self._one_sample(row, value, epoch, i) for value, i in zip(values, indices, strict=True)]
        if field is None:
            return values
        return [replace_field(sample, field, value) for sample, value in zip(samples, values, strict=True)]

    def _field_values(self, field: Field, samples: list[Any], indices: Sequence[int]) -> list[Any]:
        values = []
        for sample, index in zip(samples, indices, strict=True):
            try:
                values.append(get_field(sample, field))
            except LookupError as error:
                error.add_note(f"in {describe(self.source, index)}")
                raise
        return values

    def _one_sample(self, steps: tuple[Step, ...], value: Any, epoch: int, index: int) -> Any:
        for step in steps:
            try:
                if isinstance(step.transform, RandomTransform):
                    key = "" if step.field is None else repr(step.field)
                    value = step.transform(value, generator(self.seed, epoch, index, key, step.position))
                else:
                    value = step.transform(value)
            except Exception as error:
                error.add_note(f"in transform {step}, {describe(self.source, index)}")
                raise
        return value

    def _one_call(self, step: Step, values: list[Any], epoch: int, indices: Sequence[int]) -> list[Any]:
        assert isinstance(step.transform, BatchTransform)
        try:
            results = list(step.transform.batch(values))
        except Exception as error:
            # The sample that is to blame is found by trying them one by one; it raises with its own name.
            for value, index in zip(values, indices, strict=True):
                self._one_sample((step,), value, epoch, index)
            error.add_note(f"in {step}.batch, over samples {list(indices)}, each of which passes by itself")
            raise
        if len(results) != len(values):
            raise ChainError(f"{step}.batch returned {len(results)} values for {len(values)}: it must return one each")
        return results


def _takes_alloc(function: Any) -> bool:
    try:
        return "alloc" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # Callables in C have no signature, and no allocator to take.
        return False


def _does_batches(step: Step) -> bool:
    return isinstance(step.transform, BatchTransform) and not isinstance(step.transform, RandomTransform)


def make_steps(transforms: Transforms) -> tuple[tuple[Step, ...], frozenset[Field] | None]:
    """Put the transforms of a Loader in a row, and find which fields they leave with varying lengths.

    Args:
        transforms: a callable on the sample, a dict of field to callable or list of them, or a list of these; behind
            them RandomBatchTransforms, which work on the batch.

    Returns:
        The steps, and the fields to be padded (None: every array, because the sample as a whole was made by a chain
        whose output varies).

    Raises:
        ChainError: transforms that do not fit together; the message names the field.
    """
    parts = [] if transforms is None else list(transforms) if isinstance(transforms, list | tuple) else [transforms]
    rows: dict[Field | None, list[Transform]] = {}
    steps: list[Step] = []
    on_batch = 0
    for field, transform in _flatten(parts):
        if field is None and isinstance(transform, RandomBatchTransform):
            steps.append(Step(transform, None, on_batch))
            on_batch += 1
            continue
        if on_batch:
            raise ChainError(
                f"{name_of(transform)} works on samples but stands behind {steps[-1]}, which works on the batch that "
                "was made of them: put it before"
            )
        row = rows.setdefault(field, [])
        steps.append(Step(transform, field, len(row)))
        row.append(transform)
    varying = set()
    for field, row in rows.items():
        try:
            if Chain(row).spec.varies:
                varying.add(field)
        except ChainError as error:
            raise ChainError(str(error) if field is None else f"in the chain of field {field!r}: {error}") from None
    return tuple(steps), None if None in varying else frozenset(field for field in varying if field is not None)


def _flatten(parts: Sequence[Any]) -> Iterator[tuple[Field | None, Transform]]:
    for part in parts:
        if isinstance(part, Chain):
            yield from _flatten(part.transforms)
        elif isinstance(part, Mapping):
            for field, value in part.items():
                row = value if isinstance(value, list | tuple) else [value]
                for inner, transform in _flatten(row):
                    if inner is not None:
                        raise ChainError(f"the chain of field {field!r} holds a dict of fields: nest no further")
                    yield field, transform
        elif isinstance(part, list | tuple):
            yield from _flatten(part)
        else:
            yield None, part


def default_collate(varying: frozenset[Field] | None) -> Callable[..., Any]:
    """Return the collate function for fields of which these vary in length: they are padded, the rest is stacked."""
    if varying is None:
        return pad
    return partial(pad, fields=varying) if varying else stack
