"""Loader(shuffle="blocks"): each block of the source is read once, and the rest holds as for any order."""

import json
import tracemalloc
from collections import Counter, OrderedDict

import conformance
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import soundfile
from extensions.pool import PoolWorkers
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload import ArraySource, BlockShuffleSampler, ConcatSource, FileSource, Loader, SegmentSource, TableSource
from dataload.errors import ConfigError, StateError
from dataload.sources import groups
from dataload.sources.runs import shuffled_in_blocks
from dataload.sources.tables.arrow_files import ParquetGroups

# Every kind of worker: `make check` does without.
pytestmark = pytest.mark.slow

GROUPS, ROWS = 20, 600


class Shards:
    """A source that can be read in part anywhere in its runs."""

    def __init__(self, *runs):
        self._runs = runs

    def __len__(self):
        return sum(self._runs)

    def __getitem__(self, index):
        return {"i": np.int64(index)}

    def runs(self):
        return list(self._runs)


class WholeShards(Shards):
    """The same, but each run is read whole."""

    kept = 0

    def keep_runs(self, count):
        self.kept = count


class Pieces(WholeShards):
    """A file of numbers of eight bytes that is read a piece at a time, as shards in a bucket may be."""

    def __init__(self, path, *runs):
        super().__init__(*runs)
        self._path = path
        self._ends = np.cumsum(runs)
        self._pieces = OrderedDict()
        self.read = []

    def keep_runs(self, count):
        self.kept = count

    def __getitem__(self, index):
        piece = int(np.searchsorted(self._ends, index, "right"))
        if piece not in self._pieces:
            self.read.append(piece)
            while len(self._pieces) >= self.kept:
                self._pieces.popitem(last=False)
            length = self._runs[piece]
            self._pieces[piece] = np.fromfile(
                self._path, np.int64, count=length, offset=8 * int(self._ends[piece] - length)
            )
        self._pieces.move_to_end(piece)
        return {"i": self._pieces[piece][index - self._ends[piece]]}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("blocks") / "table.parquet"
    numbers = np.arange(GROUPS * ROWS)
    pq.write_table(pa.table({"i": numbers, "x": np.sqrt(numbers)}), path, row_group_size=ROWS)
    return path


@pytest.fixture
def reads(monkeypatch):
    """How often each row group was read in this process."""
    counted, read = Counter(), ParquetGroups.read

    def count(self, group):
        counted[group] += 1
        return read(self, group)

    monkeypatch.setattr(ParquetGroups, "read", count)
    return counted


def make(table, **options):
    options = {"batch_size": 50, "shuffle": "blocks", "seed": 4, **options}
    return Loader(TableSource(table), **options)


def order(batches):
    return np.concatenate([batch["i"] for batch in batches])


def order_of(source, seed=0):
    sampler = shuffled_in_blocks(source, seed)
    return sampler.indices(0, 0, len(sampler))


def take(loader, count):
    batches = iter(loader)
    return [next(batches) for _ in range(count)]


# What is allowed.


@pytest.mark.parametrize("shuffle", [1, 0, None, 1.0, "block", "True", "", ["blocks"], b"blocks"])
def test_anything_but_true_false_and_blocks_is_refused(shuffle):
    with pytest.raises(ConfigError, match=r"shuffle=.* must be True, False, or 'blocks'"):
        Loader([1, 2, 3], shuffle=shuffle)


def test_a_truth_value_of_numpy_is_one():
    assert list(Loader([1, 2, 3, 4], shuffle=np.True_)) == list(Loader([1, 2, 3, 4], shuffle=True))
    assert list(Loader([1, 2, 3, 4], shuffle=np.False_)) == [1, 2, 3, 4]


def test_it_goes_with_no_sampler(table):
    with pytest.raises(ConfigError, match="shuffle='blocks' and sampler= exclude each other"):
        make(table, sampler=range(10))
    with pytest.raises(ConfigError, match="leave out batch_size, shuffle"):
        make(table, batch_size=1, batch_sampler=[[0, 1]])


@pytest.mark.parametrize(
    "source",
    [[1, 2, 3], ArraySource(np.arange(3)), ConcatSource(Shards(3), [1, 2, 3]), ConcatSource(ConcatSource([1]))],
)
def test_a_source_without_runs_is_refused_with_the_way_out(source):
    with pytest.raises(ConfigError, match=r"of [13] samples|ArraySource.* does not know which .* Take shuffle=True"):
        Loader(source, shuffle="blocks")


def test_files_have_no_runs(table):
    with pytest.raises(ConfigError, match=r"FileSource.*tables, shards and a SegmentSource do.*Take shuffle=True"):
        Loader(FileSource(table.parent, "*.parquet"), shuffle="blocks")


@pytest.mark.parametrize("runs", [[2, 2], [-1, 6], [2.5, 2.5], [[5]], 5])
def test_runs_that_are_not_those_of_the_samples_are_refused(runs):
    source = Shards(5)
    source.runs = lambda: runs
    with pytest.raises(ConfigError, match=r"Shards of 5 samples must give its runs as whole numbers .* 5 samples"):
        Loader(source, shuffle="blocks")


def test_a_source_of_nothing_has_no_batches():
    assert list(Loader(Shards(), shuffle="blocks")) == []
    assert list(Loader(Shards(0, 0), shuffle="blocks")) == []


# Which runs there are, and what becomes of them.


def test_a_table_has_its_groups_as_runs(table, tmp_path, monkeypatch):
    assert TableSource(table).runs().tolist() == [ROWS] * GROUPS
    feather.write_feather(
        pa.table({"i": np.arange(25), "x": np.arange(25.0)}), tmp_path / "t.arrow", chunksize=10, version=2
    )
    assert TableSource(tmp_path / "t.arrow").runs().tolist() == [10, 10, 5]
    monkeypatch.setattr(groups, "_BLOCK_BYTES", 40)
    (tmp_path / "t.csv").write_text("i,x\n" + "".join(f"{i},{i * i}\n" for i in range(100)))
    (tmp_path / "t.jsonl").write_text("".join(f'{{"i": {i}}}\n' for i in range(100)))
    for name in ("t.csv", "t.jsonl"):
        runs = TableSource(tmp_path / name).runs()
        assert len(runs) > 5 and runs.sum() == 100
    both = TableSource([tmp_path / "t.arrow", table])
    assert both.runs().tolist() == [10, 10, 5, *[ROWS] * GROUPS] and both.runs().dtype == np.int64


def test_the_windows_of_a_file_are_a_run(tmp_path):
    for name, seconds in (("a.wav", 3), ("b.wav", 0.5), ("c.wav", 2)):
        soundfile.write(tmp_path / name, np.zeros(round(seconds * 8000)), 8000)
    source = SegmentSource(FileSource(tmp_path, "*.wav"), 1.0, drop_last=True)
    assert source.runs().tolist() == [3, 0, 2]
    assert sorted(order_of(source).tolist()) == list(range(5))


def test_several_sources_have_the_runs_of_all(table):
    source = ConcatSource(TableSource(table), ConcatSource(Shards(3, 4), Shards(5)))
    assert source.runs().tolist() == [*[ROWS] * GROUPS, 3, 4, 5]


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 3000), max_size=6), min_size=1, max_size=4), st.integers(0, 9))
def test_every_sample_comes_once(parts, seed):
    source = ConcatSource(*[(WholeShards if i % 2 else Shards)(*runs) for i, runs in enumerate(parts)])
    assert sorted(order_of(source, seed).tolist()) == list(range(len(source)))


def test_a_long_run_is_cut_where_it_can_be_read_in_part():
    windows = order_of(Shards(100_000, 100_000)).reshape(-1, 1000)
    # Eight blocks of up to 1024 samples from anywhere, in place of all of both runs.
    assert all(len(np.unique(window // 1024)) <= 2 * (8 + 9) for window in windows)
    assert len({int(window[0]) // 100_000 for window in windows}) == 2
    whole = WholeShards(100_000, 100_000)
    windows = order_of(whole).reshape(-1, 1000)
    assert all(len(np.unique(window // 1024)) > 150 for window in windows)
    assert whole.kept == 2


def test_short_runs_are_joined_so_that_they_are_mixed():
    source = WholeShards(*[10] * 10_000)
    first = order_of(source)[:3000] // 10
    assert len(np.unique(first)) > 300
    # As many as are in the eight blocks that are mixed, and in half as many of the next.
    assert 12 * 51 <= source.kept <= 12 * 52
    assert np.count_nonzero(np.diff(first) == 0) < 30


def test_small_data_are_shuffled_as_a_whole():
    counts = Counter(tuple(order_of(Shards(1, 2, 1), seed).tolist()) for seed in range(2400))
    assert len(counts) == 24 and max(counts.values()) < 150


# What it is for.


@pytest.mark.parametrize("num_workers", [0, 1])
def test_each_row_group_is_read_once(num_workers, table, reads):
    with make(table, num_workers=num_workers, worker="thread") as loader:
        assert sorted(order(loader)) == list(range(GROUPS * ROWS))
        assert reads == dict.fromkeys(range(GROUPS), 1)
        assert len(order(loader)) == GROUPS * ROWS
    assert sum(reads.values()) <= 2 * GROUPS


def test_threads_share_the_groups_that_were_read(table, reads):
    with make(table, num_workers=3, worker="thread") as loader:
        assert len(order(loader)) == GROUPS * ROWS
    # A thread that is kept waiting at the end of a window may find groups of it gone.
    assert sum(reads.values()) <= 2 * GROUPS


def test_pieces_of_shards_are_read_once_by_a_source_that_keeps_as_many_as_it_is_told(tmp_path):
    runs = [700, 900, 40, 650, 30, 30, 800, 512, 511, 1200] * 4
    np.arange(sum(runs)).tofile(tmp_path / "shards")
    source = Pieces(tmp_path / "shards", *runs)
    assert sorted(order(Loader(source, batch_size=32, shuffle="blocks"))) == list(range(sum(runs)))
    assert sorted(source.read) == list(range(len(runs)))
    assert source.kept < len(runs)


def test_with_a_full_shuffle_they_are_read_again_and_again(table, reads):
    take(make(table, shuffle=True), 10)
    assert sum(reads.values()) > 3 * GROUPS


def test_a_source_is_told_how_much_to_keep_through_others(table, reads):
    parts = TableSource(table), TableSource(table)
    loader = Loader(ConcatSource(*parts), batch_size=50, shuffle="blocks")
    assert len(order(loader)) == 2 * GROUPS * ROWS
    assert reads == dict.fromkeys(range(GROUPS), 2)


def test_more_groups_than_that_stay_if_the_user_says_so(table, reads):
    loader = Loader(TableSource(table, cache_groups=GROUPS), batch_size=50, shuffle="blocks")
    list(loader), list(loader)
    assert reads == dict.fromkeys(range(GROUPS), 1)


@pytest.mark.parametrize("shards", [Shards(*[10**6] * 1000), WholeShards(*[1000] * 10**6)], ids=["few", "many"])
def test_a_thousand_million_samples_cost_what_their_blocks_cost(shards):
    tracemalloc.start()
    try:
        batches = iter(Loader(shards, batch_size=1000, shuffle="blocks"))
        seen = order([next(batches) for _ in range(3)])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(np.unique(seen)) == 3000 and np.ptp(seen) > 10**8
    assert peak < 200 * 10**6


# What holds for any order.


@pytest.fixture(scope="module")
def expected(table):
    loader = make(table)
    return [list(loader), list(loader)]


def test_seed_and_epoch_decide_the_order(table, expected):
    first, second = map(order, expected)
    assert not np.array_equal(first, second)
    assert np.array_equal(order(make(table)), first)
    assert not np.array_equal(order(make(table, seed=5)), first)
    sampler, own = (BlockShuffleSampler([ROWS] * GROUPS, seed=seed) for seed in (4, None))
    assert np.array_equal(first, sampler.indices(0, 0, GROUPS * ROWS))
    assert np.array_equal(first, order(make(table, shuffle=False, sampler=own)))


@pytest.mark.parametrize(
    ("worker", "num_workers"),
    [("thread", 1), ("thread", 3), ("process", 2), ("auto", 2), ("thread", "auto"), (PoolWorkers, 2)],
)
def test_any_workers_make_the_same_batches(worker, num_workers, table, expected):
    with make(table, worker=worker, num_workers=num_workers) as loader:
        assert conformance.equal([list(loader), list(loader)], expected)


@pytest.mark.parametrize(
    ("worker", "num_workers", "stop"),
    [("thread", 0, 1), ("thread", 0, 100), ("thread", 2, 7), ("process", 2, 100), (PoolWorkers, 2, 7)],
)
def test_a_run_is_resumed_with_other_batches(worker, num_workers, stop, table, expected):
    with make(table, worker=worker, num_workers=num_workers) as loader:
        take(loader, stop)
        state = json.dumps(loader.state_dict())
    rest = order(expected[0])[stop * 50 :]
    with make(table, worker=worker, num_workers=num_workers, batch_size=77) as other:
        other.load_state_dict(json.loads(state))
        assert np.array_equal(order(other), rest)
        assert np.array_equal(order(other), order(expected[1]))


def test_a_run_is_resumed_with_other_ranks(table, expected):
    ranks = [make(table, shard=(rank, 2)) for rank in range(2)]
    seen = [take(loader, 5) for loader in ranks]
    together = [np.concatenate([batch["i"] for batch in step]) for step in zip(*seen, strict=True)]
    assert np.array_equal(np.concatenate(together), order(expected[0])[: 2 * 5 * 50])
    resumed = [make(table, shard=(rank, 3)) for rank in range(3)]
    for loader in resumed:
        loader.load_state_dict(ranks[0].state_dict())
    steps = [np.concatenate([batch["i"] for batch in step]) for step in zip(*map(list, resumed), strict=True)]
    assert np.array_equal(np.concatenate(steps), order(expected[0])[2 * 5 * 50 :])


@pytest.mark.parametrize("other", [True, False])
def test_a_state_of_another_order_is_refused(other, table):
    loader = make(table)
    take(loader, 3)
    with pytest.raises(StateError, match=r"another sampler.*BlockShuffleSampler"):
        make(table, shuffle=other).load_state_dict(loader.state_dict())
    begun = make(table, shuffle=other)
    take(begun, 3)
    with pytest.raises(StateError, match=r"another sampler.*BlockShuffleSampler"):
        loader.load_state_dict(begun.state_dict())


def test_a_table_that_was_written_with_other_groups_is_another_one(table, tmp_path):
    pq.write_table(pq.read_table(table), tmp_path / table.name, row_group_size=ROWS // 2)
    loader = make(table)
    take(loader, 3)
    with pytest.raises(StateError):
        make(tmp_path / table.name).load_state_dict(loader.state_dict())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_samples_that_fail_are_replaced_by_others(num_workers, table):
    options = {"transforms": {"x": _not_of_seven}, "on_error": "replace", "num_workers": num_workers}
    with make(table, worker="process", **options) as loader:
        batches = take(loader, 20)
        assert loader.stats.errors
    assert all(len(batch["i"]) == 50 for batch in batches)
    assert conformance.equal(batches, take(make(table, **{**options, "num_workers": 0}), 20))


def _not_of_seven(x):
    if round(x * x) % 97 == 7:
        raise ValueError("a seven")
    return x


def test_a_copy_and_other_options_keep_the_order(table, expected):
    loader = make(table, batch_size=7)
    assert conformance.equal(list(loader.with_options(batch_size=50)), expected[0])
    assert repr(loader.options.shuffle) == "'blocks'"
