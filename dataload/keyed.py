"""A pipeline whose source and transforms may draw from global generators or from ones that they keep, every draw keyed.

Each stage of each sample finds these seeded by (seed, epoch, sample index, field, position), so what code of
other libraries draws depends on the sample alone: in any process, after any resume. Seeding costs 8 µs each time, so a
pipeline is run as it is until something is seen to draw; looking costs 10 µs a batch.
"""

from __future__ import annotations

import warnings
from functools import partial
from itertools import chain
from typing import Any

from dataload.chain import RandomBatchTransform, name_of
from dataload.draws import needs_no_generator, reseed, seeded, snapshot
from dataload.generators import global_generators, kept_generators, save
from dataload.keys import mix
from dataload.memory import Allocator
from dataload.pipeline import Pipeline, Read
from dataload.samplers.base import IndexArray
from dataload.stages import Stage


def keyed(pipeline: Pipeline) -> Pipeline | KeyedPipeline:
    """Return a pipeline with its draws keyed, or the pipeline itself where nothing in it can draw."""
    called = (pipeline.source, pipeline.collate, *(stage.transform for stage in pipeline.stages))
    return pipeline if all(map(needs_no_generator, called)) else KeyedPipeline(pipeline)


def warn_of_kept_generators(pipeline: Pipeline) -> None:
    """Say of each generator that the source, a transform or the collate function keeps what becomes of it."""
    for holder in (pipeline.source, pipeline.collate, *(stage.transform for stage in pipeline.stages)):
        for place, generator in [] if needs_no_generator(holder) else kept_generators(holder):
            kind = f"{type(generator).__module__}.{type(generator).__name__}"
            warnings.warn(
                f"{name_of(holder)} keeps a {kind} in {place}. Without workers and in processes it is seeded anew for "
                "every sample, by the Loader's seed; threads share it, so what they draw is not repeatable. Draw in a "
                "RandomTransform instead, called as transform(value, rng)",
                stacklevel=3,
            )


class KeyedPipeline:
    """Runs a pipeline, and once a batch was seen to draw from the global generators with these keyed.

    For processes in which one thread makes batches: threads share the generators.

    Args:
        pipeline: makes the batches.

    Attributes:
        source, seed: of the pipeline.
        draws: whether it was seen to draw, or keeps a generator to draw from.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.source = pipeline.source
        self.seed = pipeline.seed
        self._source_may_draw = not needs_no_generator(pipeline.source)
        self._kept_by_source = kept_generators(pipeline.source)
        on_samples = [stage for stage in pipeline.stages if not isinstance(stage.transform, RandomBatchTransform)]
        self._kept_by_stage = {(one.field, one.position): kept_generators(one.transform) for one in on_samples}
        self._kept_by_batch = kept_generators(
            [pipeline.collate, *(stage.transform for stage in pipeline.stages if stage not in on_samples)]
        )
        self._kept = [*self._kept_by_source, *chain.from_iterable(self._kept_by_stage.values()), *self._kept_by_batch]
        self.draws = bool(self._kept)
        self._tried = False

    @property
    def may_read_ahead(self) -> bool:
        """Whether other threads may read samples meanwhile: the source was not seen to draw, or is known not to."""
        return not self._source_may_draw or (self._tried and not self.draws)

    def run(self, epoch: int, indices: IndexArray, alloc: Allocator, read: Read | None) -> Any:
        """Return the batch of these samples; arguments as of `Pipeline.run`."""
        if not self.draws:
            # Only before the first batch, as saving takes longer than looking: pipelines that draw mostly do so there.
            restore = save(global_generators()) if not self._tried else lambda: None
            before = snapshot()
            batch = self._pipeline.run(epoch, indices, alloc, read)
            read = None  # The transforms may have written into these samples.
            after = snapshot()
            if after == before:
                self._tried = True  # Behind the batch: other threads begin to read when they see it.
                return batch
            if before.torch is None and after[:2] == before[:2]:
                # The batch has imported torch, so nothing is known of its generator yet.
                return self.run(epoch, indices, alloc, None)
            self.draws = True
            restore()
        with seeded(0, self._kept):
            if read is None or self._source_may_draw:
                made = [self._keyed_sample(epoch, index) for index in indices.tolist()]
            else:
                each = zip(indices.tolist(), read(), strict=True)
                made = [self._keyed_sample(epoch, index, partial(list, [sample])) for index, sample in each]
            return self._keyed_finish(made, epoch, indices, alloc)

    def sample(self, epoch: int, index: int) -> Any:
        """Return one sample as it goes into a batch."""
        with seeded(0, self._kept):
            return self._keyed_sample(epoch, index)

    def finish(self, samples: list[Any], epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        """Return the batch of samples that have been through the transforms, of those asked for."""
        with seeded(0, self._kept):
            return self._keyed_finish(samples, epoch, indices, alloc)

    def _keyed_sample(self, epoch: int, index: int, read: Read | None = None) -> Any:
        return self._pipeline.sample(epoch, index, partial(self._reseed, epoch, index), read)

    def _keyed_finish(self, samples: list[Any], epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        key = mix("draws of a batch", self._pipeline.seed, epoch, *indices.tolist())
        reseed(key, self._kept_by_batch)
        return self._pipeline.finish(samples, epoch, indices, alloc)

    def _reseed(self, epoch: int, index: int, stage: Stage | None) -> None:
        if stage is None:
            reseed(mix("draws", self._pipeline.seed, epoch, index, "source"), self._kept_by_source)
        elif not needs_no_generator(stage.transform):
            field = "" if stage.field is None else repr(stage.field)
            key = mix("draws", self._pipeline.seed, epoch, index, field, stage.position)
            reseed(key, self._kept_by_stage[stage.field, stage.position])
