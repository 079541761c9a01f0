"""Ranks that change under an adapter: the next batch is that of the new shard, whatever was taken ahead."""

import numpy as np
import pytest
import tensorflow as tf
from adapter_data import labels, make
from streams import together
from torch.utils.data import DistributedSampler

from dataload import Loader
from dataload.adapters.jax import to_jax
from dataload.adapters.keras import to_pydataset
from dataload.adapters.passes import Passes
from dataload.adapters.tensorflow import to_dataset
from dataload.adapters.torch import to_dataloader
from dataload.errors import ConfigError, DataloadError

STEPS = [batch["label"].tolist() for batch in make(60, batch_size=12)]


def ints(batch):
    return np.asarray(batch["label"]).tolist()


@pytest.mark.parametrize("ahead", [0, 1, 3])
@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "worker": "thread"}], ids=["none", "threads"])
def test_batches_taken_ahead_are_taken_back(ahead, options, leaves_nothing):
    for taken in range(1, 6):
        with make(60, batch_size=12, **options) as loader:
            passes = Passes(loader, lambda batch: batch, ahead=ahead)
            current = passes.start()
            got = [ints(next(current)) for _ in range(taken)]
            passes.reshard(1, 2, None)
            assert passes.state_dict()["samples"] == 12 * taken
            got += [ints(batch) for batch in current]
            assert got == STEPS[:taken] + [step[6:] for step in STEPS[taken:]]
            assert passes.state_dict()["epoch"] == 1 and len(list(passes.start())) == 5


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_pass_that_was_left_is_gone_on_with(ahead, leaves_nothing):
    passes = Passes(make(60, batch_size=12), lambda batch: batch, ahead=ahead)
    for _ in passes.start():
        break
    passes.reshard(0, 3, None)
    assert [ints(batch) for batch in passes.start()] == [step[:4] for step in STEPS[1:]]


def test_a_loader_of_which_batches_are_taken_ahead_says_whom_to_ask(leaves_nothing):
    loader = make(60, batch_size=12)
    passes = Passes(loader, lambda batch: batch, ahead=2)
    current = passes.start()
    next(current)
    with pytest.raises(DataloadError, match="call reshard of what the adapter has returned"):
        loader.reshard(0, 2)
    with pytest.raises(ConfigError, match="below world"):
        passes.reshard(2, 2, None)
    assert [ints(batch) for batch in current] == STEPS[1:]
    loader.reshard(0, 2)
    assert len(list(passes.start())) == 5


@pytest.mark.parametrize("adapt", [to_dataloader, to_jax])
@pytest.mark.parametrize("of_the_adapter", [True, False])
def test_torch_and_jax_go_on_with_the_new_shard(adapt, of_the_adapter, leaves_nothing):
    loaders = [Loader([{"label": i} for i in range(60)], batch_size=12, shuffle=True, seed=5) for _ in range(2)]
    batches = [adapt(loader) for loader in loaders]
    passes = list(map(iter, batches))
    assert [ints(next(each)) for each in passes] == [STEPS[0]] * 2
    for rank in range(2):
        (batches if of_the_adapter else loaders)[rank].reshard(rank, 2)
    steps = [together(step, "label") for step in zip(*passes, strict=True)]
    assert steps == STEPS[1:] and batches[0].state_dict()["epoch"] == 1
    assert len(list(batches[0])) == len(batches[0]) == 5


def test_a_dataloader_says_what_its_batches_are_after_a_change():
    dataloader = to_dataloader(make(60, batch_size=12))
    assert not isinstance(dataloader.sampler, DistributedSampler) and dataloader.batch_size == 12
    dataloader.reshard(1, 5)
    assert isinstance(dataloader.sampler, DistributedSampler) and dataloader.batch_size == 3
    assert list(dataloader.batch_sampler) == [step[3:6] for step in STEPS]
    assert dataloader.sampler.num_replicas == 5 and labels(dataloader) == [step[3:6] for step in STEPS]
    tool = type(dataloader)(dataloader.loader, batch_sampler=dataloader.batch_sampler)
    with pytest.raises(ConfigError, match="what to_dataloader returned"):
        tool.reshard(0, 2)


def test_a_dataset_goes_on_with_the_same_number_of_steps():
    loader = make(60, batch_size=12)
    dataset = to_dataset(loader)
    got = []
    for batch in dataset:
        got.append(ints(batch))
        if len(got) == 2:
            loader.reshard(1, 2)
    assert got == STEPS[:2] + [step[6:] for step in STEPS[2:]]
    assert loader.state_dict()["epoch"] == 1 and len(list(dataset)) == 5


def test_a_dataset_with_another_number_of_steps_says_to_make_another():
    loader = make(60, batch_size=12)
    dataset = to_dataset(loader)
    batches = iter(dataset)
    got = [ints(next(batches))]
    loader.reshard(0, 2, batch_size=12)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"make another one, to_dataset\(loader\)"):
        next(batches)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"make another one, to_dataset\(loader\)"):
        next(iter(dataset))
    got += [ints(batch) for batch in to_dataset(loader)]
    whole = [label for step in STEPS for label in step]
    assert got == [whole[:12], whole[12:24], whole[36:48]]


def test_keras_goes_on_with_the_same_number_of_steps_and_refuses_another():
    loader = Loader([(float(i), i) for i in range(60)], batch_size=12)
    batches = to_pydataset(loader)
    batches.on_epoch_begin()
    assert batches[0][1].tolist() == list(range(12))
    batches.reshard(1, 2)
    assert batches[1][1].tolist() == list(range(18, 24))
    batches.reshard(1, 2, batch_size=12)
    with pytest.raises(ConfigError, match="between two calls of fit"):
        batches[2]
