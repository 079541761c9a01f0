"""Positions apart from each other, as a rank of many asks for them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataload import Loader
from dataload.samplers import RandomSampler
from dataload.samplers.base import ScatteredSampler


@given(n=st.integers(1, 200_000), seed=st.integers(0, 99), data=st.data())
def test_any_positions_give_what_the_whole_order_has_there(n, seed, data):
    sampler = RandomSampler(n, seed)
    assert isinstance(sampler, ScatteredSampler)
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=20)), np.int64)
    assert sampler.at(3, positions).tolist() == sampler.indices(3, 0, n)[positions].tolist()


def test_many_ranks_have_their_part_of_every_step_whichever_way_it_is_asked_for():
    for shuffle in (True, False):
        whole = Loader(range(200_000), shuffle=shuffle, batch_size=4096)
        parts = [Loader(range(200_000), shuffle=shuffle, batch_size=64, shard=(rank, 64)) for rank in (0, 17, 63)]
        for step, *own in zip(whole.plan.batches(2), *(part.plan.batches(2) for part in parts), strict=True):
            if len(step) == 4096:
                for rank, indices in zip((0, 17, 63), own, strict=True):
                    assert indices.tolist() == step[64 * rank : 64 * rank + 64].tolist()
