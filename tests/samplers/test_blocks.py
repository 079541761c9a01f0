"""The shuffle that reads forward: all samples once, few places open, each block in its own order."""

import conformance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload import BlockSampler
from dataload.errors import ConfigError

sizes = st.lists(st.integers(1, 9), min_size=1, max_size=30)


@pytest.mark.parametrize("blocks_at_once", [1, 3, 100])
def test_it_keeps_the_contract(blocks_at_once):
    conformance.check_sampler(BlockSampler([7, 1, 30, 2, 5, 5], blocks_at_once=blocks_at_once), length=50)


@given(sizes, st.integers(1, 6), st.integers(0, 5))
def test_an_epoch_has_every_sample_once_and_each_block_in_its_order(blocks, at_once, epoch):
    sampler = BlockSampler(blocks, blocks_at_once=at_once, seed=1)
    order = sampler.indices(epoch, 0, len(sampler))
    assert sorted(order.tolist()) == list(range(sum(blocks)))
    block = np.repeat(np.arange(len(blocks)), blocks)[order]
    for number in range(len(blocks)):
        assert (np.diff(order[block == number]) == 1).all()


@given(sizes, st.integers(1, 6))
def test_so_many_blocks_are_open_at_a_time_and_no_more(blocks, at_once):
    sampler = BlockSampler(blocks, blocks_at_once=at_once)
    block = np.repeat(np.arange(len(blocks)), blocks)[sampler.indices(0, 0, len(sampler))].tolist()
    first = {number: block.index(number) for number in block}
    last = {number: len(block) - 1 - block[::-1].index(number) for number in block}
    for place in range(len(block)):
        assert sum(first[number] <= place <= last[number] for number in first) <= at_once


def test_samples_of_a_group_are_mixed_and_epochs_differ():
    sampler = BlockSampler.of_size(1000, 100, blocks_at_once=5)
    block = sampler.indices(0, 0, 500) // 100
    assert len(set(block.tolist())) == 5
    assert 350 < np.count_nonzero(np.diff(block)) < 450  # of 499, if the next one is of another block in 4 of 5 cases
    assert (sampler.indices(0, 0, 1000) != sampler.indices(1, 0, 1000)).mean() > 0.9


def test_the_last_block_of_equal_ones_may_be_smaller():
    assert len(BlockSampler.of_size(1001, 100)) == 1001


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlockSampler([3, 0]), "entry 1 is 0"),
        (lambda: BlockSampler([]), "one or more whole numbers"),
        (lambda: BlockSampler([3], blocks_at_once=0), "blocks_at_once=0"),
        (lambda: BlockSampler([3], blocks_at_once=2.5), "blocks_at_once=2.5 must be a whole number"),
        (lambda: BlockSampler.of_size(10, 0), "block_size=0"),
    ],
)
def test_what_makes_no_blocks_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
