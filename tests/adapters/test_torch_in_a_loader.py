"""Datasets, samplers and tensors of torch in a plain Loader; datasets of Hugging Face; a Loader inside of torch's."""

import gc
import json
import random
import subprocess
import sys
from pathlib import Path

import conformance
import datasets
import numpy as np
import pytest
import torch
from faults.scripts import run
from streams import joined, make, read_repeatably, take
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from dataload import ArraySource, BucketBatchSampler, Loader, stack
from dataload.memory import Recycler


def maps() -> list[str]:
    return Path("/proc/self/maps").read_text().splitlines()


def within(line: str, address: int) -> bool:
    start, stop = (int(part, 16) for part in line.split()[0].split("-"))
    return start <= address < stop


def seeded(seed):
    return torch.Generator().manual_seed(seed)


class Squares(torch.utils.data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.tensor([index, index**2]), index


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])
def test_a_torch_dataset_is_a_source(worker, num_workers, leaves_nothing):
    with Loader(Squares(), batch_size=4, worker=worker, num_workers=num_workers) as loader:
        batches = list(loader)
    assert np.array_equal(batches[2][0], [[8, 64], [9, 81]]) and batches[0][0].dtype == np.int64
    assert np.array_equal(batches[0][1], [0, 1, 2, 3])


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("process", 1)])
def test_a_hugging_face_dataset_is_a_source(worker, num_workers):
    data = datasets.Dataset.from_dict({"x": [[i, i + 1] for i in range(6)], "name": [f"n{i}" for i in range(6)]})
    with Loader(data, batch_size=3, worker=worker, num_workers=num_workers) as loader:
        batch = list(loader)[1]
    assert np.array_equal(batch["x"], [[3, 4], [4, 5], [5, 6]]) and batch["name"] == ["n3", "n4", "n5"]


def test_tensors_are_arrays():
    assert stack([torch.ones(2, dtype=torch.float16)] * 3).dtype == np.float16


@pytest.mark.parametrize(
    "sampler",
    [
        lambda: SubsetRandomSampler(range(5, 15)),
        lambda: RandomSampler(range(20), generator=seeded(3)),
        lambda: WeightedRandomSampler([1.0] * 20, 12),
        lambda: DistributedSampler(range(20), num_replicas=2, rank=1),
    ],
)
def test_an_iterable_sampler_is_read_once_per_epoch_and_repeatably(sampler):
    before = random.getstate()[1], torch.get_rng_state().tolist()
    read_repeatably(sampler)
    assert (random.getstate()[1], torch.get_rng_state().tolist()) == before, "the global generators were disturbed"


def test_random_samplers_change_with_the_epoch():
    loader = make(shuffle=False, sampler=RandomSampler(range(20)))
    assert not np.array_equal(joined(list(loader), "i"), joined(list(loader), "i"))


def test_a_batch_sampler_decides_the_batches():
    inner = BatchSampler(SequentialSampler(range(20)), 7, drop_last=False)
    loader = make(batch_size=1, shuffle=False, batch_sampler=inner)
    assert [len(batch["i"]) for batch in loader] == [7, 7, 6] and len(loader) == 3
    assert "3 batches," in repr(loader)


def test_a_batch_sampler_resumes():
    def make_sampler():
        return BatchSampler(RandomSampler(range(20), generator=seeded(1)), 6, False)

    whole = list(make(batch_size=1, shuffle=False, batch_sampler=make_sampler()))
    loader, other = (make(batch_size=1, shuffle=False, batch_sampler=make_sampler()) for _ in range(2))
    take(loader, 2)
    other.load_state_dict(loader.state_dict())
    assert conformance.equal(list(other), whole[2:])


def test_torch_takes_batches_by_length_too():
    sampler = BucketBatchSampler([5, 1, 4, 2, 3], batch_size=2)
    loader = DataLoader(list(range(5)), batch_sampler=sampler)
    assert sorted(i for batch in loader for i in batch.tolist()) == list(range(5))
    sampler.set_epoch(1)
    order, ends = sampler.batches(1)
    assert [batch.tolist() for batch in loader] == [batch.tolist() for batch in np.split(order, ends[:-1])]
    assert len(loader) == 3


def test_a_replacement_is_never_a_sample_that_the_sampler_leaves_out():
    bad = (3, 7, 8)

    def fragile(value):
        if value in bad:
            raise ValueError(value)
        return value

    for epoch in range(10):
        sampler = SubsetRandomSampler(range(15))
        batches = Loader(range(30), transforms=[fragile], batch_size=4, on_error="replace", sampler=sampler)
        batches.set_epoch(epoch)
        found = np.concatenate(list(batches))
        assert len(found) == 15 and max(found) < 15 and not set(found.tolist()) & set(bad)


def test_a_view_as_a_tensor_keeps_the_memory():
    recycler = Recycler(keep=4)

    def fill(value):
        array = recycler.allocator()((100, 100), np.dtype(np.float32))
        array[...] = value
        return array

    # A first batch is in no block: what is small beside it is not known.
    fill(0)
    kept = torch.from_numpy(fill(1))[4:].view(-1)
    for i in range(5):
        fill(i + 2)
    assert recycler.made == 2 and bool((kept == 1).all())
    del kept
    gc.collect()
    held = [fill(9) for _ in range(2)]
    assert recycler.made == 2 and len(held) == 2


def test_a_tensor_shares_the_memory_and_keeps_it():
    source = ArraySource({"x": np.arange(64_000, dtype=np.float32).reshape(64, 1000)})
    with Loader(source, batch_size=4, num_workers=2, worker="process", shuffle=True) as loader:
        iterator = iter(loader)
        batch = next(iterator)
        expected = batch["x"].copy()
        tensor = torch.from_numpy(batch["x"])
        assert tensor.data_ptr() == batch["x"].ctypes.data
        assert any("dataload-" in line and within(line, tensor.data_ptr()) for line in maps())
        del batch
        for _batch in iterator:
            pass
        list(loader)
        assert np.array_equal(tensor.numpy(), expected)


DISTRIBUTED = """
import sys, torch.distributed as dist
from dataload import Loader
rank, world, store = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
loader = Loader(range(10), shard="auto", batch_size=2, shuffle=True)
print([i for batch in loader for i in batch.tolist()], loader)
"""


def test_auto_asks_the_process_group_of_torch(tmp_path):
    command = [sys.executable, "-c", DISTRIBUTED]
    runs = [
        subprocess.Popen([*command, str(rank), "2", str(tmp_path / "store")], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert all("rank " + str(rank) + " of 2" in output for rank, output in enumerate(outputs))
    seen = [i for output in outputs for i in json.loads(output[: output.index("]") + 1])]
    assert sorted(seen) == list(range(10))


INSIDE = """
from torch.utils.data import DataLoader, IterableDataset
from faults import harm
from dataload import Loader

def make(**options):
    options = {{"batch_size": 4, "num_workers": 2, "worker": "process", "shuffle": True, **options}}
    return Loader(range(40), transforms=harm.sleep_a_little, **options)

class Inner(IterableDataset):
    def __iter__(self):
        return iter([int(i) for batch in make(worker={worker!r}) for i in batch])

expected = [int(i) for batch in make(num_workers=0) for i in batch]
assert [int(i) for i in DataLoader(Inner(), batch_size=None, num_workers=1)] == expected
print("good")
"""


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_inside_the_worker_of_a_torch_dataloader(worker, tmp_path):
    assert run(INSIDE.format(worker=worker), tmp_path)[-1] == "good"
