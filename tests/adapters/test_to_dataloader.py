"""The torch DataLoader: the loader's batches on the loader's memory, in everything that torch code expects."""

import warnings
from itertools import chain, islice

import adapter_data
import numpy as np
import pytest
import torch
from adapter_data import Pair, Point, Recorded, epochs, labels, make, same, twenty_numbers

from dataload import Loader, stack
from dataload.adapters.torch import to_dataloader
from dataload.errors import CollateError


@pytest.mark.parametrize("worker", ["thread", "process"])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_those_of_the_loader_bit_for_bit(worker, num_workers, leaves_nothing):
    expected = make()
    with make(num_workers=num_workers, worker=worker) as loader:
        dataloader = to_dataloader(loader)
        for _ in range(2):
            got, bare = list(dataloader), list(expected)
            assert len(got) == len(bare) == 4
            assert all(map(same, got, bare))


def test_it_is_a_dataloader_that_says_what_it_does():
    loader = make(num_workers=2, worker="thread", drop_last=True)
    dataloader = to_dataloader(loader)
    assert isinstance(dataloader, torch.utils.data.DataLoader)
    assert len(dataloader) == len(list(dataloader)) == 3
    assert len(dataloader.dataset) == 20 and dataloader.dataset.epoch == 1
    assert (dataloader.batch_size, dataloader.drop_last, dataloader.num_workers) == (6, True, 0)
    assert repr(dataloader) == f"to_dataloader({loader!r}, device='cpu')"
    loader.close()


def test_its_samplers_show_the_order_of_the_epoch_under_way():
    dataloader = to_dataloader(make())
    (first, second) = epochs(2)
    assert list(dataloader.batch_sampler) == first
    assert list(dataloader.sampler) == list(chain(*first))
    assert (len(dataloader.sampler), len(dataloader.batch_sampler)) == (20, 4)
    list(dataloader)
    assert list(dataloader.batch_sampler) == second


def test_a_batch_sampler_gives_its_own_batches():
    dataloader = to_dataloader(Loader(twenty_numbers(), batch_sampler=[[3, 1], [0], [5, 6, 7]]))
    assert dataloader.batch_size is None
    assert list(dataloader.batch_sampler) == labels(dataloader) == [[3, 1], [0], [5, 6, 7]]
    assert len(dataloader) == len(dataloader.batch_sampler) == 3


def test_tensors_are_on_the_memory_that_the_samples_were_collated_into():
    for options in ({}, {"num_workers": 2, "worker": "thread"}):
        collate = Recorded(stack)
        with Loader(twenty_numbers(), batch_size=20, collate_fn=collate, **options) as loader:
            (batch,) = to_dataloader(loader, device="cpu")
        assert collate.addresses == [{name: tensor.data_ptr() for name, tensor in batch.items()}]


def test_containers_stay_and_what_is_not_an_array_stays_as_it_is():
    sample = {
        "list": [np.ones(2), "a"],
        "pair": Pair(1, 2.5),
        "point": Point(1.0, np.zeros(3)),
        "none": None,
        "b": b"x",
    }
    (batch,) = to_dataloader(Loader([sample, sample], batch_size=2))
    assert list(batch) == ["list", "pair", "point", "none", "b"]
    assert torch.equal(batch["list"][0], torch.ones(2, 2, dtype=torch.float64)) and batch["list"][1] == ["a", "a"]
    assert type(batch["pair"]) is Pair and torch.equal(batch["pair"].right, torch.tensor([2.5, 2.5]).double())
    assert type(batch["point"]) is Point and batch["point"].y.shape == (2, 3)
    assert batch["none"] == [None, None] and batch["b"] == [b"x", b"x"]


def test_numbers_and_tensors_of_a_collate_function_arrive_as_tensors_and_numbers():
    values = {"scalar": np.float32(3), "text": np.str_("x"), "tensor": torch.ones(2), "python": 4}
    (batch,) = to_dataloader(Loader([0], collate_fn=lambda samples: values))
    assert batch["scalar"].dtype == torch.float32 and batch["scalar"].shape == ()
    assert batch["text"] == "x" and batch["tensor"] is values["tensor"] and batch["python"] == 4


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16"])
def test_every_numeric_dtype_arrives_as_it_is(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    (batch,) = to_dataloader(Loader(array, batch_size=2))
    assert batch.numpy().dtype == dtype and np.array_equal(batch.numpy(), array)


@pytest.mark.parametrize("dtype", ["O", "U3", "S3", "M8[s]", [("a", "f4")]])
def test_an_array_that_torch_has_no_tensors_for_is_refused_by_the_name_of_its_field(dtype):
    dataloader = to_dataloader(Loader([{"meta": {"odd": np.zeros(2, dtype)}}]))
    with pytest.raises(CollateError, match=r"field 'meta.odd' is an array of dtype .*convert it"):
        list(dataloader)


def test_the_batch_itself_is_named_where_there_is_no_field():
    with pytest.raises(CollateError, match="the batch is an array of dtype"):
        list(to_dataloader(Loader(np.zeros(2, "M8[s]"))))


def test_read_only_and_oddly_laid_out_arrays_become_tensors_without_a_warning():
    fixed = np.arange(4.0)
    fixed.flags.writeable = False
    arrays = {"fixed": fixed, "backwards": np.arange(4.0)[::-1], "swapped": np.arange(4.0).astype(">f8")}
    dataloader = to_dataloader(Loader([0], collate_fn=lambda samples: arrays))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (batch,) = dataloader
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {k: v.tolist() for k, v in arrays.items()}
    batch["fixed"].zero_()
    assert fixed.tolist() == [0, 1, 2, 3]


def test_each_pass_is_the_next_epoch():
    dataloader = to_dataloader(make())
    assert [labels(dataloader) for _ in range(3)] == epochs(3)


def test_set_epoch_chooses_the_epoch():
    dataloader = to_dataloader(make())
    dataloader.set_epoch(2)
    assert labels(dataloader) == epochs(3)[2]


@pytest.mark.parametrize("taken", [0, 1, 3, 4])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_state_continues_with_exactly_the_remaining_batches(taken, num_workers, leaves_nothing):
    with make(num_workers=num_workers, worker="thread") as loader:
        dataloader = to_dataloader(loader)
        list(dataloader)
        for _ in zip(range(taken), dataloader, strict=False):
            pass
        # `zip` has ended the range before it asked for another batch; after the last one that is an epoch all the same.
        state = dataloader.state_dict()
    resumed = to_dataloader(make())
    resumed.load_state_dict(state)
    _, second, third, fourth = epochs(4)
    assert [labels(resumed), labels(resumed)] == ([second[taken:], third] if taken < 4 else [third, fourth])


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_leaving_the_loop_leaves_nothing_running(worker, leaves_nothing):
    dataloader = to_dataloader(make(num_workers=2, worker=worker))
    for _ in dataloader:
        break
    with pytest.raises(KeyError):
        for _ in dataloader:
            raise KeyError


def test_an_exception_of_a_transform_passes_unchanged():
    mine = KeyError("mine")

    def fail(x):
        raise mine

    with pytest.raises(KeyError) as caught:
        list(to_dataloader(Loader([1, 2], transforms=fail)))
    assert caught.value is mine and "sample 0" in "".join(mine.__notes__)


def test_another_device_gets_the_tensors():
    dataloader = to_dataloader(make(), device="meta")
    batch = next(iter(dataloader))
    assert batch["audio"].device.type == batch["meta"][1]["gain"].device.type == "meta"
    assert batch["label"].shape == (6,) and isinstance(batch["name"], list)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_are_those_of_the_loader():
    for got, bare in zip(to_dataloader(make(), device="cuda"), make(), strict=True):
        assert got["audio"].is_cuda and np.array_equal(got["audio"].cpu().numpy(), bare["audio"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_device_that_is_not_there_is_refused_at_once():
    with pytest.raises((RuntimeError, AssertionError), match=r"CUDA|NVIDIA|cuda"):
        to_dataloader(make(), device="cuda")


def test_what_torch_forbids_to_change_stays_forbidden():
    dataloader = to_dataloader(make())
    with pytest.raises(ValueError, match="batch_size"):
        dataloader.batch_size = 3


def test_batches_that_are_kept_stay_as_they_were():
    with make(num_workers=2, worker="process") as loader:
        kept = list(islice(to_dataloader(loader), 4))
        assert all(map(same, kept, adapter_data.make()))
