"""Batches by length: every sample once, hardly any padding, other batches in every epoch."""

import conformance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import take

from dataload import BucketBatchSampler, Loader
from dataload.errors import ConfigError

lengths = st.lists(st.integers(1, 500), min_size=1, max_size=200)


def cut(sampler, epoch):
    order, ends = sampler.batches(epoch)
    return np.split(order, ends[:-1])


@given(lengths, st.integers(500, 3000), st.integers(0, 3))
def test_every_sample_is_in_one_batch_and_no_batch_is_too_large(lengths, most, epoch):
    batches = cut(BucketBatchSampler(lengths, max_padded=most), epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * max(lengths[i] for i in batch) <= most


@given(lengths, st.integers(1, 20), st.booleans())
def test_batches_of_a_size_have_that_size(lengths, size, drop_last):
    batches = cut(BucketBatchSampler(lengths, batch_size=size, drop_last=drop_last), 0)
    left = len(lengths) % size
    expected = [size] * (len(lengths) // size) + ([left] if left and not drop_last else [])
    assert sorted(len(batch) for batch in batches if len(batch)) == sorted(expected)


def padding(sampler, lengths):
    padded = sum(len(batch) * lengths[batch].max() for batch in cut(sampler, 1))
    return 1 - lengths.sum() / padded


def test_speech_is_padded_by_less_than_a_twentieth(fsdd):
    wavs = np.array((fsdd / "lengths.txt").read_text().split(), int)
    assert len(wavs) == 3000
    assert padding(BucketBatchSampler(wavs, max_padded=64 * 4000), wavs) < 0.05
    assert padding(BucketBatchSampler(wavs, batch_size=32), wavs) < 0.05
    # Utterances from 1 to 16 seconds, most of them long, as in LibriSpeech.
    long = (np.random.default_rng(0).beta(5, 2, 20_000) * 15 * 16_000 + 16_000).astype(int)
    assert padding(BucketBatchSampler(long, max_padded=16 * 16 * 16_000), long) < 0.05


def test_epochs_have_other_batches_in_another_order():
    lengths = np.random.default_rng(0).integers(100, 1000, 2000)
    sampler = BucketBatchSampler(lengths, batch_size=16)
    first, second = ({frozenset(batch.tolist()) for batch in cut(sampler, epoch)} for epoch in (0, 1))
    assert len(first & second) < 5
    # And within an epoch the batches do not come by length.
    longest = [lengths[batch].max() for batch in cut(sampler, 0)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


@pytest.mark.parametrize("world", [1, 2, 3])
def test_a_loader_shares_the_batches_out_and_resumes(world):
    lengths = np.random.default_rng(1).integers(1, 60, 101)

    def make(rank):
        return Loader(range(101), batch_sampler=BucketBatchSampler(lengths, max_padded=240), shard=(rank, world))

    whole = [list(make(rank)) for rank in range(world)]
    assert len({len(batches) for batches in whole}) == 1
    steps = [frozenset(np.concatenate(step).tolist()) for step in zip(*whole, strict=True)]
    assert frozenset().union(*steps) == set(range(101))
    for rank in range(world):
        first = make(rank)
        begun = take(first, 4)
        rest = make(rank)
        rest.load_state_dict(first.state_dict())
        assert conformance.equal([*begun, *rest], whole[rank])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of max_padded and batch_size"),
        ({"max_padded": 9, "batch_size": 1}, "one of max_padded and batch_size"),
        ({"max_padded": 7}, "sample 1 has 8"),
        ({"max_padded": 9, "drop_last": True}, "drop_last goes with batch_size"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_what_makes_no_batches_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        BucketBatchSampler([3, 8], **options)
