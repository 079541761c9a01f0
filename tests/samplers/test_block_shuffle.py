"""The full shuffle inside windows of blocks: every sample once, each block in one window, any order equally likely."""

import itertools
import pickle
import tracemalloc

import conformance
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataload import BlockShuffleSampler
from dataload.errors import ConfigError
from dataload.samplers.block_shuffle import cut_runs, join_runs

sizes = st.lists(st.integers(1, 9), min_size=1, max_size=30)


def whole(sampler, epoch=0):
    return sampler.indices(epoch, 0, len(sampler))


@pytest.mark.parametrize("blocks_at_once", [1, 3, 100])
def test_it_keeps_the_contract(blocks_at_once):
    conformance.check_sampler(BlockShuffleSampler([7, 1, 30, 2, 5, 5], blocks_at_once=blocks_at_once), length=50)


@given(sizes, st.integers(1, 6), st.integers(0, 5))
def test_an_epoch_has_every_sample_once_and_each_block_in_one_window(blocks, at_once, epoch):
    sampler = BlockShuffleSampler(blocks, blocks_at_once=at_once, seed=1)
    order = whole(sampler, epoch)
    assert sorted(order.tolist()) == list(range(sum(blocks)))
    block = np.repeat(np.arange(len(blocks)), blocks)[order].tolist()
    # Windows follow one another: once all blocks that were begun are over, a window may be over.
    windows, left = [set()], 0
    for number in block:
        if left == 0:
            windows.append(set())
        if number not in windows[-1]:
            windows[-1].add(number)
            left += blocks[number]
        left -= 1
    assert max(map(len, windows)) <= at_once and sum(map(len, windows)) == len(blocks)


def test_no_window_is_much_smaller_than_the_others():
    order = whole(BlockShuffleSampler([100] * 41, blocks_at_once=8)) // 100
    windows = [set(order[start:stop]) for start, stop in itertools.pairwise([0, 600, 1300, 2000, 2700, 3400, 4100])]
    assert [len(window) for window in windows] == [6, 7, 7, 7, 7, 7]
    assert len(set().union(*windows)) == 41


def test_every_order_of_a_window_is_equally_likely():
    sampler = BlockShuffleSampler([2, 1, 1], blocks_at_once=3, seed=5)
    orders, counts = np.unique([whole(sampler, epoch) for epoch in range(4_800)], axis=0, return_counts=True)
    assert len(orders) == 24
    # Chi-square of 23 degrees of freedom: one in a thousand is above 49.7. Seeds are fixed, so this passes for ever.
    assert ((counts - 200) ** 2 / 200).sum() < 49.7


def test_a_sample_comes_at_any_time_of_an_epoch():
    sampler = BlockShuffleSampler([25] * 32, blocks_at_once=4, seed=3)
    when = np.zeros((8, 8))
    for epoch in range(400):
        part_of_source = whole(sampler, epoch) // 100
        np.add.at(when, (np.repeat(np.arange(8), 100), part_of_source), 1)
    # Blocks come as a whole, so that 400 epochs of 4 blocks in each part count and not their samples.
    expected = 400 * 4 / 8
    assert when.sum() == 400 * 800
    # At most 49 degrees of freedom: one in a thousand is above 85.4.
    assert ((when / 25 - expected) ** 2 / expected).sum() < 85.4


def test_neighbours_in_the_source_are_rarely_neighbours_in_the_order():
    gaps = [np.abs(np.diff(whole(BlockShuffleSampler([64] * 32, seed=seed)))) for seed in range(20)]
    # Of 512 samples in a window, about two stand next to any one.
    assert np.mean(np.array(gaps) == 1) < 2 * 2 / 512
    assert np.corrcoef(np.arange(2048), whole(BlockShuffleSampler([64] * 32)))[0, 1] ** 2 < 0.05


def test_a_batch_is_mixed_of_all_blocks_of_its_window():
    block = whole(BlockShuffleSampler([1000] * 16, blocks_at_once=8)) // 1000
    kinds = [len(set(batch)) for batch in block[:8000].reshape(-1, 32)]
    # 8 (1 - (7/8)^32) = 7.9 blocks are expected in each.
    assert np.mean(kinds) > 7.7


def test_seed_and_epoch_decide_the_order_and_nothing_that_was_asked_before():
    sampler = BlockShuffleSampler([5, 3, 8, 4] * 4, blocks_at_once=2, seed=1)
    first, second = whole(sampler, 0).tolist(), whole(sampler, 1).tolist()
    assert first != second
    assert whole(sampler, 0).tolist() == first
    assert whole(pickle.loads(pickle.dumps(sampler)), 0).tolist() == first
    assert whole(sampler.with_seed(2), 0).tolist() not in (first, second)
    assert sampler.with_seed(2).fingerprint() != sampler.fingerprint()


def test_the_order_is_this_one_for_ever():
    # A saved state means a place in this order: it may not change between versions.
    assert whole(BlockShuffleSampler([3, 3, 3], blocks_at_once=2)).tolist() == [3, 5, 4, 1, 8, 2, 6, 0, 7]
    long = BlockShuffleSampler([10**8] * 100, seed=42)
    assert long.indices(7, 5, 8).tolist() == [9862117126, 9852139602, 9809710776]


def test_what_was_kept_of_an_epoch_does_not_travel():
    sampler = BlockShuffleSampler([2] * 10_000)
    size = len(pickle.dumps(sampler))
    whole(sampler)
    assert len(pickle.dumps(sampler)) == size


@pytest.mark.parametrize(("blocks", "size"), [(8, 1 << 30), (1_000_000, 1024)])
def test_memory_is_that_of_the_blocks_and_the_positions(blocks, size):
    tracemalloc.start()
    try:
        sampler = BlockShuffleSampler(np.full(blocks, size))
        middle = len(sampler) // 2
        sampler.indices(0, middle, middle + 1)
        first = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        held = tracemalloc.get_traced_memory()[0]
        assert len(np.unique(sampler.indices(0, middle, middle + 16_384))) == 16_384
        more = tracemalloc.get_traced_memory()[1] - held
    finally:
        tracemalloc.stop()
    assert first < 200 * blocks + (1 << 20)
    assert more < 4 << 20


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 9))
def test_cut_runs_are_the_same_samples_in_nearly_equal_pieces(runs, most):
    runs = np.array(runs, np.int64)
    pieces = cut_runs(runs, most)
    assert pieces.sum() == runs.sum() and (pieces <= most).all() and (pieces > 0).all()
    assert set(np.cumsum(runs)) - {0} <= set(np.cumsum(pieces))
    assert len(pieces) == sum(-(-run // most) for run in runs.tolist())


@example([1, 2, 9, 8, 1, 10], 10)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=40), st.integers(1, 12))
def test_joined_runs_are_all_there_and_two_blocks_in_a_row_are_short_only_before_a_long_run(runs, least):
    begins = join_runs(np.array(runs), least)
    assert begins[0] == 0 and (np.diff(begins) > 0).all()
    blocks = np.add.reduceat(runs, begins)
    assert blocks.sum() == sum(runs)
    for block in np.split(np.array(runs), begins[1:]):
        assert block[0] >= least or block.sum() < 2 * least
        assert (block[1:] < least).all() and block[1:].sum() < 2 * least
    before_a_long_run = np.array(runs)[begins[2:]] >= least
    assert not np.any((blocks[:-2] + blocks[1:-1] < least) & ~before_a_long_run)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BlockShuffleSampler([3, 0]), "entry 1 is 0"),
        (lambda: BlockShuffleSampler([]), "one or more whole numbers"),
        (lambda: BlockShuffleSampler([3], blocks_at_once=0), "blocks_at_once=0"),
        (lambda: BlockShuffleSampler([3], blocks_at_once=2.5), "blocks_at_once=2.5"),
        (lambda: BlockShuffleSampler([3], seed="x"), "seed='x'"),
    ],
)
def test_what_makes_no_blocks_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
