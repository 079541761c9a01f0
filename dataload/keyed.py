"""A pipeline whose source and transforms may draw from the global generators, with every draw keyed.

Each stage of each sample finds the generators seeded by (seed, epoch, sample index, field, position), so what code of
other libraries draws depends on the sample alone: in any process, after any resume. Seeding costs 8 µs each time, so a
pipeline is run as it is until something is seen to draw; looking costs 10 µs a batch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dataload.draws import needs_no_generator, reseed, save, seeded, snapshot
from dataload.keys import mix
from dataload.memory import Allocator
from dataload.pipeline import Pipeline
from dataload.samplers.base import IndexArray
from dataload.stages import Stage


def keyed(pipeline: Pipeline) -> Pipeline | KeyedPipeline:
    """Return a pipeline with its draws keyed, or the pipeline itself where nothing in it can draw."""
    called = (pipeline.source, pipeline.collate, *(stage.transform for stage in pipeline.stages))
    return pipeline if all(map(needs_no_generator, called)) else KeyedPipeline(pipeline)


class KeyedPipeline:
    """Runs a pipeline, and once a batch was seen to draw from the global generators with these keyed.

    For processes in which one thread makes batches: threads share the global generators.

    Args:
        pipeline: makes the batches.

    Attributes:
        source, seed: of the pipeline.
        draws: whether it was seen to draw.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.source = pipeline.source
        self.seed = pipeline.seed
        self.draws = False
        self._tried = False

    def run(self, epoch: int, indices: IndexArray, alloc: Allocator, samples: list[Any] | None) -> Any:
        """Return the batch of these samples; arguments as of `Pipeline.run`."""
        if not self.draws:
            # Only before the first batch, as saving takes longer than looking: pipelines that draw mostly do so there.
            restore = save() if not self._tried else lambda: None
            self._tried = True
            before = snapshot()
            batch = self._pipeline.run(epoch, indices, alloc, samples)
            after = snapshot()
            if after == before:
                return batch
            if before.torch is None and after[:2] == before[:2]:
                # The batch has imported torch, so nothing is known of its generator yet.
                return self.run(epoch, indices, alloc, None)
            self.draws = True
            restore()
        with seeded(0):
            made = [self._keyed_sample(epoch, index) for index in indices.tolist()]
            return self._keyed_finish(made, epoch, indices, alloc)

    def sample(self, epoch: int, index: int) -> Any:
        """Return one sample as it goes into a batch."""
        with seeded(0):
            return self._keyed_sample(epoch, index)

    def finish(self, samples: list[Any], epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        """Return the batch of samples that have been through the transforms, of those asked for."""
        with seeded(0):
            return self._keyed_finish(samples, epoch, indices, alloc)

    def _keyed_sample(self, epoch: int, index: int) -> Any:
        return self._pipeline.sample(epoch, index, partial(self._reseed, epoch, index))

    def _keyed_finish(self, samples: list[Any], epoch: int, indices: IndexArray, alloc: Allocator) -> Any:
        reseed(mix("draws of a batch", self._pipeline.seed, epoch, *indices.tolist()))
        return self._pipeline.finish(samples, epoch, indices, alloc)

    def _reseed(self, epoch: int, index: int, stage: Stage | None) -> None:
        if stage is None:
            reseed(mix("draws", self._pipeline.seed, epoch, index, "source"))
        elif not needs_no_generator(stage.transform):
            field = "" if stage.field is None else repr(stage.field)
            reseed(mix("draws", self._pipeline.seed, epoch, index, field, stage.position))
