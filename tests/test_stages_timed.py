"""Where the time of a batch went, as `loader.stats` says: what is planted is found in its own stage."""

import random
import time

import numpy as np
import pytest

from dataload import Loader, RandomBatchTransform, RandomTransform

PAUSE = 0.004
KINDS = [{}, {"num_workers": 2, "worker": "thread"}, {"num_workers": 1, "worker": "process"}]


class Slow:
    """Sleeps where it is told to, and is a source, a transform and a collate function."""

    def __init__(self, where):
        self.where = where

    def __len__(self):
        return 24

    def pause(self, place):
        if self.where == place:
            time.sleep(PAUSE)

    def __getitem__(self, index):
        self.pause("read")
        return {"x": np.full(3, index, np.float32)}


class Step(Slow):
    def __init__(self, where, name):
        super().__init__(where)
        self.name = name

    def __call__(self, value):
        self.pause(self.name)
        return value

    def __repr__(self):
        return f"Step({self.name})"


class BatchStep(Step):
    def batch(self, values):
        return [self(value) for value in values]


class RandomStep(RandomTransform):
    def __init__(self, step):
        self.step = step

    def __call__(self, value, rng):
        return self.step(value)

    def __repr__(self):
        return repr(self.step)


class OnBatch(RandomBatchTransform, Step):
    def __call__(self, batch, rng):
        for _ in range(len(batch["x"])):
            self.pause(self.name)
        return batch


class Collate(Step):
    def __call__(self, samples):
        for _ in samples:
            self.pause("collate")
        return {"x": np.stack([sample["x"] for sample in samples])}


def stages_of(where, **options):
    on_field = [Step(where, "first"), RandomStep(Step(where, "second")), BatchStep(where, "third")]
    transforms = [{"x": on_field}, Step(where, "whole"), OnBatch(where, "batch")]
    with Loader(
        Slow(where), transforms=transforms, batch_size=8, collate_fn=Collate(where, "collate"), **options
    ) as loader:
        list(loader)
        stats = loader.stats
    return stats, {stage.name: stage for stage in stats.stages}


PLACES = {
    "read": "read",
    "first": "Step(first) on field 'x'",
    "second": "Step(second) on field 'x'",
    "third": "Step(third) on field 'x'",
    "whole": "Step(whole)",
    "collate": "collate",
    "batch": "Step(batch)",
}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_time_that_is_lost_in_one_place_is_found_there(where, options):
    stats, stages = stages_of(where, **options)
    assert list(stages) == [*PLACES.values(), "transport"]
    slow = stages[PLACES[where]]
    assert slow.seconds >= 24 * PAUSE and slow.cpu_seconds < slow.seconds
    assert slow.seconds == max(stage.seconds for stage in stats.stages)
    assert sum(stage.seconds for stage in stats.stages if stage.name != "transport") <= stats.work_seconds


@pytest.mark.parametrize("where", ["read", "second", "collate"])
def test_a_batch_with_bad_samples_and_one_whose_draws_are_keyed_are_timed_too(where):
    def spoil(value):
        random.random()
        if value["x"][0] == 5:
            raise ValueError("bad")
        return value

    transforms = [{"x": RandomStep(Step(where, "second"))}, spoil]
    with Loader(
        Slow(where), transforms=transforms, batch_size=8, collate_fn=Collate(where, "collate"), on_error="skip", seed=0
    ) as loader:
        list(loader)
        stages = {stage.name: stage for stage in loader.stats.stages}
    assert stages[PLACES[where]].seconds >= 23 * PAUSE


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_every_batch_has_its_way_in_order_and_its_slowest_sample(options):
    def pause(value):
        time.sleep(0.02 if value in (3, 12) else 0.002)
        return value

    begin = time.perf_counter()
    with Loader(range(20), transforms=pause, batch_size=5, **options) as loader:
        for _ in loader:
            pass
        recent = loader.stats.recent
    assert [one.number for one in recent] == [0, 1, 2, 3] and [one.samples for one in recent] == [5] * 4
    for one in recent:
        assert begin <= one.begun <= one.ended <= one.arrived <= one.delivered <= time.perf_counter()
    assert recent[0].slowest[0] == 3 and recent[2].slowest[0] == 12 and recent[2].slowest[1] >= 0.02


def test_short_transforms_are_not_all_looked_at_and_share_out_all_of_the_time():
    with Loader(range(4096), transforms=[lambda x: x + 1, lambda x: x * 2], batch_size=1024) as loader:
        assert [int(batch[1]) for batch in loader] == [4, 2052, 4100, 6148]
        read, first, second, collate, _ = loader.stats.stages
    assert min(read.seconds, first.seconds, second.seconds, collate.seconds) > 0


def test_batches_that_nobody_takes_stand_ready():
    with Loader(range(4), batch_size=1, num_workers=1, worker="thread") as loader:
        for _ in loader:
            time.sleep(0.05)
        stats = loader.stats
    assert stats.ready_seconds >= 0.05 and stats.wait_seconds < stats.ready_seconds + stats.first_batch_seconds + 0.05
