"""What happens to samples between reading and collating: transforms on fields and on whole samples, in order.

Each sample passes all transforms that take one at a time before the next one does: a long recording is still in the
cache of the processor for the next transform. Those that do a batch in one call are given all. What a `Cache` in the
chain has is not computed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dataload.chain import BatchTransform, CacheTransform, RandomBatchTransform, RandomTransform
from dataload.errors import ChainError, annotate
from dataload.keys import generator
from dataload.laps import Row, laps_here
from dataload.samples import Field, get_field, replace_field
from dataload.sources.base import describe
from dataload.stages import Stage

if TYPE_CHECKING:
    from dataload.kept import Kept

# Consecutive stages on the same field.
Run = tuple[Field | None, Sequence[Stage]]
Before = Callable[[Stage | None], None]


@dataclass(frozen=True)
class Passage:
    """The stages of a pipeline.

    Attributes:
        stages: in order; those on batches are passed over.
        source: of the samples, for messages.
        seed: of the random transforms.
        steps: how many are timed, see `Pipeline.steps`.
        copied: whether what comes out is copied by whoever gets it.
    """

    stages: tuple[Stage, ...]
    source: Any
    seed: int
    steps: int
    copied: bool

    @cached_property
    def kept(self) -> dict[int, Kept]:
        """What each Cache among the stages keeps, by the number of its stage.

        Raises:
            ChainError: what stands before one is random, not known to JSON, or not in its list.
            ConfigError: a folder that cannot be written to.
        """
        on_samples = [stage for stage in self.stages if not isinstance(stage.transform, RandomBatchTransform)]
        found: dict[int, Kept] = {}
        if all(_last_cache([stage]) < 0 for stage in self.stages):
            return found
        # Late: a worker starts in the time that its imports take.
        from dataload.kept import Kept
        from dataload.kept_recipes import make_recipe

        for stage in on_samples:
            if isinstance(stage.transform, CacheTransform):
                behind = [
                    other for other in on_samples[: stage.number] if not isinstance(other.transform, CacheTransform)
                ]
                if stage.field is not None:
                    behind = _in_one_list(stage, behind)
                if not behind:
                    raise ChainError(f"{stage} has no transform before it whose results it could keep")
                # Our own collate functions copy what they are given; any other one may hand it on.
                last = stage is on_samples[-1] and self.copied
                recipe = make_recipe([(other.field, other.transform) for other in behind])
                found[stage.number] = Kept(stage.transform, recipe, copies=not last)
        return found

    @cached_property
    def runs(self) -> list[Run]:
        """The stages on samples; a field is taken out of the samples once for all that follow one another on it."""
        stages = (stage for stage in self.stages if not isinstance(stage.transform, RandomBatchTransform))
        return [(name, tuple(group)) for name, group in itertools.groupby(stages, key=lambda stage: stage.field)]

    def apply(self, samples: list[Any], epoch: int, indices: Sequence[int], before: Before | None = None) -> list[Any]:
        """Return samples of the source after all stages on samples.

        Args:
            samples: as the source gave them.
            epoch: of their batch, which random transforms are keyed by.
            indices: of the samples.
            before: told of each stage before it runs; then samples pass one at a time.
        """
        return self._through(self.runs, samples, epoch, indices, before)

    def _through(
        self, runs: Sequence[Run], samples: list[Any], epoch: int, indices: Sequence[int], before: Before | None
    ) -> list[Any]:
        place, at = _last_cache_on_samples(runs)
        if at >= 0:
            given, stages = samples, runs[place][1]
            earlier = [*runs[:place], (None, stages[:at])]
            samples = self._kept_or_made(
                stages[at],
                given,
                lambda some: self._through(earlier, _at(given, some), epoch, _at(indices, some), before),
            )
            runs = [(None, stages[at + 1 :]), *runs[place + 1 :]]
        for name, stages in runs:
            if name is None:
                samples = self._apply(stages, samples, epoch, indices, before)
            else:
                values = self._apply(stages, self._field_values(name, samples, indices), epoch, indices, before)
                samples = [replace_field(sample, name, value) for sample, value in zip(samples, values, strict=True)]
        return samples

    def lacking(self, name: Field | None, values: list[Any]) -> list[bool]:
        """Return for each value of a field, or whole sample, whether the stages on it will run on it."""
        if name is None:
            place, at = _last_cache_on_samples(self.runs)
            stages = self.runs[place][1] if at >= 0 else ()
        else:
            stages = next(stages for field, stages in self.runs if field == name)
            at = _last_cache(stages)
        return self.kept[stages[at].number].lacks(values) if at >= 0 else [True] * len(values)

    def _kept_or_made(self, stage: Stage, values: list[Any], make: Callable[[list[int]], list[Any]]) -> list[Any]:
        """Return what a Cache has for some values, and makes of the others."""
        laps, step = laps_here(self.steps), 1 + stage.number

        def timed(places: list[int]) -> list[Any]:
            laps.end(step)
            return make(places)

        results = self.kept[stage.number].filled(values, timed)
        laps.end(step)
        return results

    def _apply(
        self,
        stages: Sequence[Stage],
        values: list[Any],
        epoch: int,
        indices: Sequence[int],
        before: Before | None,
    ) -> list[Any]:
        """Return values after stages on one field; what a Cache among them has is not computed."""
        at = _last_cache(stages)
        if at >= 0:
            given, earlier = values, stages[:at]
            values = self._kept_or_made(
                stages[at],
                given,
                lambda some: self._apply(earlier, _at(given, some), epoch, _at(indices, some), before),
            )
            stages = stages[at + 1 :]
        for whole_batch, group in itertools.groupby(stages, key=_does_batches):
            if before is not None:
                values = self._one_at_a_time(tuple(group), values, epoch, indices, before)
            elif whole_batch:
                for stage in group:
                    values = self._one_call(stage, values, epoch, indices)
                    laps_here(self.steps).end(1 + stage.number)
            else:
                values = self._one_by_one(tuple(group), values, epoch, indices)
        return values

    def _one_at_a_time(
        self, stages: tuple[Stage, ...], values: list[Any], epoch: int, indices: Sequence[int], before: Before
    ) -> list[Any]:
        for stage in stages:
            values = [
                self._one_sample((stage,), value, epoch, index, before)
                for value, index in zip(values, indices, strict=True)
            ]
            laps_here(self.steps).end(1 + stage.number)
        return values

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
        for begin, end in row.stretches():
            made.append(self._one_sample(stages, values[begin], epoch, indices[begin], row.begin(begin)))
            row.end(begin, indices[begin])
            for place in range(begin + 1, end):
                made.append(self._one_sample(stages, values[place], epoch, indices[place]))  # noqa: PERF401
        row.finish()
        return made

    def _one_sample(
        self,
        stages: tuple[Stage, ...],
        value: Any,
        epoch: int,
        index: int,
        before: Before | None = None,
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


def _last_cache(stages: Sequence[Stage]) -> int:
    """Return the place of the last Cache among some stages, -1 where there is none."""
    return next(
        (place for place in range(len(stages) - 1, -1, -1) if isinstance(stages[place].transform, CacheTransform)), -1
    )


def _last_cache_on_samples(runs: Sequence[Run]) -> tuple[int, int]:
    """Return which run has the last Cache on whole samples, and its place there; -1 where there is none."""
    for place in range(len(runs) - 1, -1, -1):
        name, stages = runs[place]
        if name is None and (at := _last_cache(stages)) >= 0:
            return place, at
    return -1, -1


def _in_one_list(stage: Stage, before: Sequence[Stage]) -> list[Stage]:
    """Return the stages whose results a Cache on a field keeps, which are all that work on the field before it."""
    touching = [other for other in before if other.field is None or other.field == stage.field]
    row = list(itertools.takewhile(lambda other: other.field == stage.field, reversed(before)))[::-1]
    if len(row) != len(touching):
        raise ChainError(
            f"{stage} must stand in one list with all transforms that work on the field before it, those on whole "
            "samples included: move it to them, or among the transforms on whole samples"
        )
    return row


def _at(values: Sequence[Any], places: Sequence[int]) -> list[Any]:
    return [values[place] for place in places]


def _does_batches(stage: Stage) -> bool:
    return isinstance(stage.transform, BatchTransform) and not isinstance(stage.transform, RandomTransform)
