"""What may be given as sampler= and batch_sampler=, and what is made of it."""

import itertools

import conformance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload import (
    BlockSampler,
    BucketBatchSampler,
    Loader,
    MixtureSampler,
    RandomSampler,
    SequentialSampler,
    SubsetSampler,
    WeightedSampler,
)
from dataload.errors import ConfigError

INTEGERS = ["i1", "u1", "<i4", ">i4", "u4", "<i8", ">i8", "u8"]


class Given:
    """A sampler to the letter of what is documented, and no more."""

    def __init__(self, order):
        self.order = order

    def __len__(self):
        return len(self.order)

    def indices(self, epoch, start, stop):
        return self.order[start:stop]


class GivenBatches:
    def __init__(self, order, ends):
        self.order, self.ends = order, ends

    def batches(self, epoch):
        return self.order, self.ends


@given(st.sampled_from(INTEGERS), st.lists(st.integers(0, 99), min_size=1, max_size=40))
def test_indices_of_any_integer_type_mean_the_same_samples(dtype, order):
    expected = list(Loader(range(100), sampler=order, batch_size=3))
    array = np.array(order).astype(dtype)
    assert conformance.equal(list(Loader(range(100), sampler=Given(array), batch_size=3)), expected)
    ends = np.unique([*range(3, len(order), 3), len(order)]).astype(dtype)
    assert conformance.equal(list(Loader(range(100), batch_sampler=GivenBatches(array, ends))), expected)


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "u1"])
def test_they_mean_the_same_in_worker_processes(dtype):
    order = np.arange(9).astype(dtype)
    with Loader(range(9), sampler=Given(order), batch_size=3, num_workers=1, worker="process") as loader:
        assert [batch.tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": Given(np.array([0.0, 1.0]))}, "sampler Given must give whole numbers"),
        ({"sampler": Given(np.array([0, -1]))}, "below the 9 samples, not -1"),
        ({"sampler": Given(np.array([0, 9]))}, "below the 9 samples, not 9"),
        ({"sampler": [3, -1]}, "below the 9 samples, not -1"),
        ({"sampler": [3, 2**70]}, "sampler list must give whole numbers"),
        ({"sampler": np.array([[0], [1]])}, "must give whole numbers"),
        ({"sampler": iter([1, 2])}, "list_iterator, which can be read only once"),
        ({"sampler": (i for i in range(3))}, "generator, which can be read only once"),
        ({"batch_sampler": iter([[1], [2]])}, "can be read only once"),
        ({"batch_sampler": [[1], []]}, "gives an empty batch in epoch 0"),
        ({"batch_sampler": [[1], [10]]}, "below the 9 samples, not 10"),
        ({"batch_sampler": GivenBatches(np.arange(4), np.array([2, 2, 4]))}, "without empty batches"),
        ({"batch_sampler": GivenBatches(np.arange(4), np.array([2, 3]))}, "up to the 4 indices"),
        ({"batch_sampler": GivenBatches(np.arange(4.0), np.array([4]))}, "must give whole numbers"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        list(Loader(range(9), **options))


def test_a_sampler_that_gives_too_few_is_found_out():
    class Short(Given):
        def indices(self, epoch, start, stop):
            return self.order[start : max(start, stop - 1)]

    with pytest.raises(ConfigError, match="gave 2 indices for the positions 0:3"):
        list(Loader(range(9), sampler=Short(np.arange(9)), batch_size=3))


def test_an_endless_sampler_is_refused_and_takes_no_memory():
    class Endless:
        def __iter__(self):
            return itertools.repeat(3)

    with pytest.raises(ConfigError, match="may never end"):
        list(Loader(range(9), sampler=Endless()))


SEEDED = [
    lambda seed: RandomSampler(20, seed=seed),
    lambda seed: SubsetSampler(range(20), seed=seed),
    lambda seed: WeightedSampler(np.ones(20), seed=seed),
    lambda seed: BlockSampler([5, 5, 5, 5], seed=seed),
    lambda seed: MixtureSampler([10, 10], [1, 2], seed=seed),
]


@pytest.mark.parametrize("make", SEEDED)
def test_a_sampler_without_a_seed_takes_that_of_the_loader(make):
    for seed in (0, 7):
        own = Loader(range(20), sampler=make(seed), batch_size=4)
        theirs = Loader(range(20), sampler=make(None), batch_size=4, seed=seed)
        assert conformance.equal(list(own), list(theirs)) and conformance.equal(list(own), list(theirs))
        assert own.plan.fingerprint() == theirs.plan.fingerprint()


def test_a_batch_sampler_without_a_seed_takes_that_of_the_loader():
    own = Loader(range(20), batch_sampler=BucketBatchSampler(np.arange(20) + 1, batch_size=4, seed=7))
    theirs = Loader(range(20), batch_sampler=BucketBatchSampler(np.arange(20) + 1, batch_size=4, seed=None), seed=7)
    assert conformance.equal(list(own), list(theirs))


@pytest.mark.parametrize("make", SEEDED)
def test_by_itself_it_says_that_it_waits_for_one(make):
    with pytest.raises(ConfigError, match="seed=None, the seed of the Loader"):
        make(None).indices(0, 0, 3)


def test_drop_last_that_leaves_nothing_warns():
    with pytest.warns(UserWarning, match="has no batches: with drop_last=True and 3 samples"):
        assert list(Loader(range(3), batch_size=4, drop_last=True)) == []
    assert SequentialSampler(3).order_digest(0) is None
