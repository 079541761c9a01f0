"""States that version 0.1.0 saved are resumed by this one, with exactly the batches that were left then.

`tests/data/v0.1.0/states.json` was written by that version, from the loaders below: for each a state in the middle of
an epoch, and a digest of every batch from there to the end of the epoch after. It is never written again.
"""

import dataclasses

import numpy as np
import pytest
from old_version import DATA, OLD, read, rest

from dataload import (
    ArraySource,
    BlockSampler,
    BucketBatchSampler,
    ConcatSource,
    FileSource,
    Loader,
    MixtureSampler,
    RandomSampler,
    SegmentSource,
    SequentialSampler,
    SubsetSampler,
    TableSource,
    WeightedSampler,
)
from dataload.transforms import DecodeAudio, PadOrTrim, RandomCrop

LENGTHS = [3 + 7 * i % 40 for i in range(50)]


def arrays(n=50):
    return ArraySource({"i": np.arange(n), "x": np.arange(3 * n, dtype=np.float32).reshape(n, 3)})


def recordings():
    return FileSource(DATA / "speech", "*_theo_*.wav", audio=str, label=lambda path: int(path.stem[0]))


def segments():
    return SegmentSource(recordings(), window=0.1, hop=0.04, field="audio")


class ThereAndBack:
    """A sampler of nobody's library: an iterable, the same in each epoch."""

    def __iter__(self):
        return iter([*range(0, 50, 2), *range(49, 0, -2)])


class Rolled:
    """Another, whose order belongs to the epoch."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 50

    def __iter__(self):
        return iter(np.roll(np.arange(50), 7 * self.epoch).tolist())


class Fours(Rolled):
    """A batch sampler of nobody's library."""

    def __len__(self):
        return 13

    def __iter__(self):
        order = list(super().__iter__())
        return iter([order[i : i + 4] for i in range(0, 50, 4)])


@dataclasses.dataclass
class Strided:
    """A sampler to this library's contract, from outside of it."""

    step: int

    def __len__(self):
        return 50

    def indices(self, epoch, start, stop):
        return (np.arange(start, stop) * self.step + epoch) % 50


LOADERS = {
    "a list": lambda: Loader([{"i": i} for i in range(50)], batch_size=8, shuffle=True),
    "numbers": lambda: Loader(range(50), batch_size=8, seed=3),
    "arrays": lambda: Loader(arrays(), batch_size=8, shuffle=True, seed=5, drop_last=True),
    "many arrays": lambda: Loader(arrays(70_000), batch_size=10_000, shuffle=True, seed=1),
    "arrays of a rank": lambda: Loader(arrays(), batch_size=8, shuffle=True, shard=(1, 2)),
    "files": lambda: Loader(recordings(), transforms={"audio": DecodeAudio(8_000)}, batch_size=7, shuffle=True, seed=2),
    "files at random": lambda: Loader(
        recordings(), transforms={"audio": [DecodeAudio(8_000), RandomCrop(900), PadOrTrim(900)]}, batch_size=7, seed=11
    ),
    "segments": lambda: Loader(segments(), transforms={"audio": DecodeAudio(8_000)}, batch_size=16, shuffle=True),
    "parquet": lambda: Loader(TableSource(OLD / "table.parquet"), batch_size=9, shuffle=True),
    "csv": lambda: Loader(TableSource(OLD / "table.csv", columns=["i", "score"]), batch_size=9, shuffle=True, seed=4),
    "both tables": lambda: Loader(TableSource([OLD / "table.parquet", OLD / "table.parquet"]), batch_size=9, seed=4),
    "several sources": lambda: Loader(
        ConcatSource(arrays(), arrays(20), [{"i": i, "x": np.ones(3, np.float32)} for i in range(5)]),
        batch_size=8,
        shuffle=True,
    ),
    "SequentialSampler": lambda: Loader(arrays(), sampler=SequentialSampler(30), batch_size=8),
    "RandomSampler": lambda: Loader(arrays(), sampler=RandomSampler(50, seed=8), batch_size=8),
    "RandomSampler by default": lambda: Loader(arrays(), sampler=RandomSampler(50), batch_size=8, seed=9),
    "WeightedSampler": lambda: Loader(arrays(), sampler=WeightedSampler(LENGTHS, 60, seed=8), batch_size=8),
    "WeightedSampler by default": lambda: Loader(arrays(), sampler=WeightedSampler(LENGTHS), batch_size=8, seed=9),
    "SubsetSampler": lambda: Loader(arrays(), sampler=SubsetSampler(range(0, 50, 3), seed=1), batch_size=4),
    "SubsetSampler in order": lambda: Loader(
        arrays(), sampler=SubsetSampler(range(40, 0, -2), shuffle=False), batch_size=4
    ),
    "BlockSampler": lambda: Loader(arrays(), sampler=BlockSampler([10, 5, 20, 15], blocks_at_once=2), batch_size=8),
    "BlockSampler of a size": lambda: Loader(
        arrays(), sampler=BlockSampler.of_size(50, 6, blocks_at_once=3, seed=2), batch_size=8
    ),
    "MixtureSampler": lambda: Loader(
        ConcatSource(arrays(), arrays(20)), sampler=MixtureSampler([50, 20], [3, 1], num_samples=64), batch_size=8
    ),
    "BucketBatchSampler": lambda: Loader(arrays(), batch_sampler=BucketBatchSampler(LENGTHS, batch_size=6, seed=3)),
    "BucketBatchSampler by size": lambda: Loader(arrays(), batch_sampler=BucketBatchSampler(LENGTHS, max_padded=150)),
    "an iterable": lambda: Loader(arrays(), sampler=ThereAndBack(), batch_size=8),
    "a list of indices": lambda: Loader(arrays(), sampler=list(range(49, -1, -1)), batch_size=8),
    "an iterable with set_epoch": lambda: Loader(arrays(), sampler=Rolled(), batch_size=8),
    "an iterable of batches": lambda: Loader(arrays(), batch_sampler=Fours()),
    "a sampler to the contract": lambda: Loader(arrays(), sampler=Strided(7), batch_size=8),
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_state_of_0_1_0_gives_the_batches_that_were_left(name):
    saved = read("states.json")[name]
    assert saved["state"]["epoch"] == 1 and saved["state"]["samples"] > 0 and len(saved["rest"][0]) > 0
    loader = LOADERS[name]()
    loader.load_state_dict(saved["state"])
    assert rest(loader) == saved["rest"]


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 2), ("process", 2)])
def test_a_state_of_0_1_0_gives_them_with_workers_too(worker, num_workers):
    saved = read("states.json")["files at random"]
    with LOADERS["files at random"]().with_options(worker=worker, num_workers=num_workers) as loader:
        loader.load_state_dict(saved["state"])
        assert rest(loader) == saved["rest"]


def test_every_state_that_was_written_is_read():
    assert set(read("states.json")) == set(LOADERS)
