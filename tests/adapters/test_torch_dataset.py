"""The map-style torch Dataset: the loader's batches by torch's own sampler and workers."""

import multiprocessing
import pickle

import numpy as np
import psutil
import pytest
import torch
from adapter_data import epochs, fail_on_seven, labels, make, same, twenty_numbers
from cached_chains import Scaled
from torch.utils.data import DataLoader, Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

from dataload import Cache, Loader
from dataload.adapters.torch import to_dataloader, to_dataset
from dataload.errors import ConfigError
from dataload.transforms import LogMel


def in_order(loader, **options):
    """Torch's DataLoader with the loader's batches of epoch 0."""
    view = to_dataset(loader)
    return DataLoader(view, batch_sampler=epochs(1)[0], collate_fn=view.collate_fn, **options)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_torchs_own_workers_make_the_loaders_batches_bit_for_bit(num_workers):
    got = list(in_order(make(), num_workers=num_workers))
    assert len(got) == 4 and all(map(same, got, make()))


def test_forked_workers_write_to_a_cache_that_their_parent_writes_to(tmp_path):
    loader = Loader(range(40), transforms=[Scaled(2.0), Cache(str(tmp_path), "10MB")], batch_size=4)
    next(iter(loader))
    for _ in range(2):
        batches = DataLoader(to_dataset(loader), batch_size=4, num_workers=2)
        assert torch.cat(list(batches)).tolist() == [2.0 * value for value in range(40)]
    assert np.concatenate(list(loader)).tolist() == [2.0 * value for value in range(40)]
    assert loader.stats.from_cache == 40


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_workers_that_were_not_forked_get_lambdas_too(context):
    view = to_dataset(Loader(range(6), transforms=lambda x: x * 10))
    loader = DataLoader(view, batch_size=3, num_workers=1, multiprocessing_context=context)
    assert [batch.tolist() for batch in loader] == [[0, 10, 20], [30, 40, 50]]


class Census:
    """Counts the processes and threads of the loader inside of the worker that it runs in."""

    def __call__(self, value):
        own = psutil.Process()
        named = sum(1 for thread in __import__("threading").enumerate() if thread.name.startswith("dataload"))
        return np.array([own.pid, len(own.children()), named])


def test_inside_a_torch_worker_nothing_is_started():
    loader = Loader(range(8), transforms=Census(), batch_size=2, num_workers=2, worker="process", read_concurrency=4)
    seen = np.concatenate([batch.numpy() for batch in DataLoader(to_dataset(loader), batch_size=2, num_workers=2)])
    assert multiprocessing.current_process().pid not in seen[:, 0] and len(set(seen[:, 0])) == 2
    assert not seen[:, 1:].any()


def test_it_is_a_dataset_with_samples_by_index():
    view = to_dataset(make())
    assert isinstance(view, Dataset) and len(view) == 20
    assert view[3]["label"] == view[-17]["label"] == 3
    assert [sample["label"] for sample in view.__getitems__([4, 2])] == [4, 2]
    with pytest.raises(IndexError, match="sample 20 of 20"):
        view[20]
    assert [sample["label"] for sample in view] == list(range(20))


def test_whole_batches_go_through_transforms_that_can():
    mel = LogMel(8_000, n_mels=8)
    clips = [np.random.default_rng(i).normal(0, 0.1, 800).astype(np.float32) for i in range(4)]
    view = to_dataset(Loader(clips, transforms=mel))
    (batch,) = DataLoader(view, batch_size=4)
    assert torch.equal(batch, torch.from_numpy(np.stack(mel.batch(clips))))


@pytest.mark.parametrize("persistent", [False, True])
def test_set_epoch_reaches_the_workers(persistent):
    view = to_dataset(make())
    loader = DataLoader(view, batch_size=20, collate_fn=view.collate_fn, num_workers=1, persistent_workers=persistent)
    expected = make(shuffle=False, batch_size=20)
    for epoch in (0, 3, 1):
        view.set_epoch(epoch)
        expected.set_epoch(epoch)
        assert all(map(same, loader, expected))
    with pytest.raises(ConfigError, match="epoch=-1"):
        view.set_epoch(-1)


def test_torchdatas_stateful_dataloader_resumes_over_it():
    def stateful():
        view = to_dataset(make())
        return StatefulDataLoader(view, batch_size=6, collate_fn=view.collate_fn, num_workers=2)

    loader = stateful()
    iterator = iter(loader)
    taken = [next(iterator) for _ in range(2)]
    state = loader.state_dict()
    resumed = stateful()
    resumed.load_state_dict(state)
    assert labels(taken) + labels(resumed) == [list(range(i, min(i + 6, 20))) for i in (0, 6, 12, 18)]


def test_it_is_pickled_by_value():
    view = pickle.loads(pickle.dumps(to_dataset(make())))
    assert same(view.collate_fn(view.__getitems__(epochs(1)[0][0])), next(iter(make())))


def test_an_exception_in_a_torch_worker_names_the_sample():
    view = to_dataset(Loader(twenty_numbers(), transforms=fail_on_seven))
    with pytest.raises(KeyError, match=r"(?s)seven is broken.*in transform fail_on_seven, sample 7"):
        list(DataLoader(view, batch_size=4, num_workers=1))


# Tools that take a DataLoader to pieces and make another one of them.


def rebuilt(dataloader):
    return DataLoader(
        dataloader.dataset, batch_sampler=dataloader.batch_sampler, collate_fn=dataloader.collate_fn, num_workers=0
    )


@pytest.mark.parametrize("drop_last", [False, True])
def test_a_dataloader_made_of_the_parts_gives_the_same_batches(drop_last):
    dataloader = to_dataloader(make(drop_last=drop_last))
    expected = make(drop_last=drop_last)
    for _ in range(2):
        assert all(map(same, rebuilt(dataloader), expected))
        list(dataloader)
    dataloader.set_epoch(5)
    expected.set_epoch(5)
    assert all(map(same, rebuilt(dataloader), expected))


def test_one_made_of_listed_batches_does_too():
    dataloader = to_dataloader(Loader(twenty_numbers(), batch_sampler=[[3, 1], [0], [5, 6, 7]]))
    assert labels(rebuilt(dataloader)) == [[3, 1], [0], [5, 6, 7]]


def test_set_epoch_of_its_samplers_is_that_of_the_loader():
    dataloader = to_dataloader(make())
    dataloader.sampler.set_epoch(2)
    assert labels(dataloader) == epochs(3)[2]
    listed = to_dataloader(Loader(twenty_numbers(), batch_sampler=[[3, 1], [0]]))
    listed.batch_sampler.set_epoch(2)
    next(iter(listed))
    assert listed.state_dict()["epoch"] == 2
