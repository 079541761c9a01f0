"""The pieces of shards: some megabytes of neighbours each, found for all shards or for one, the same either way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.shards.columns import Columns, Entry
from dataload.shards.index import ShardIndex
from dataload.sources import shards as module
from dataload.sources.shards import ShardSource
from dataload.storage.local import LOCAL
from dataload.storage.places import Place, Shard

SIZES = st.lists(st.lists(st.integers(1, 60), max_size=12), min_size=1, max_size=8)


def source(sizes):
    """A source of shards whose samples lie one behind the other."""
    offsets = [np.cumsum(shard, dtype=np.int64) - shard for shard in sizes]
    entries = [Entry(f"{i}.tar", sum(shard), "", len(shard)) for i, shard in enumerate(sizes)]
    flat = np.concatenate([np.asarray(shard, np.int64) for shard in sizes])
    columns = Columns("tar", False, entries, {"x": np.concatenate(offsets)}, {"x": flat}, None)
    places = [Shard(Place(LOCAL, entry.name), entry.size, "") for entry in entries]
    return ShardSource(ShardIndex(columns, places, range(len(sizes))), ["x"])


def expected(sizes):
    """How many samples each piece of 100 bytes has, counted one by one."""
    pieces = []
    for shard in sizes:
        numbers = [(sum(shard[:i])) // 100 for i in range(len(shard))]
        pieces += [numbers.count(number) for number in dict.fromkeys(numbers)]
    return pieces


@given(sizes=SIZES, at_once=st.integers(1, 40))
def test_pieces_are_the_same_however_many_shards_are_looked_at_together(sizes, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE_BYTES", 100)
        patch.setattr(module, "_SAMPLES_AT_ONCE", at_once)
        found = source(sizes)
        assert found.runs().tolist() == expected(sizes)
        by_shard = np.concatenate([found._ends_in(shard) for shard in range(len(sizes))])
        assert by_shard.tolist() == np.cumsum(found.runs()).tolist()
