"""The Loader: order, epochs, samplers, statistics."""

import random
import time

import conformance
import numpy as np
import pytest
from streams import Jitter, epoch, joined, make, read_repeatably, take

from dataload import Loader, LoaderStats, RandomSampler, pad
from dataload.errors import ConfigError, DataloadError

WORKERS = [
    ("thread", 0),
    ("thread", 1),
    ("thread", 2),
    ("thread", 5),
    ("process", 1),
    ("process", 2),
    ("process", 5),
    ("auto", 2),
]


@pytest.mark.parametrize(("worker", "num_workers"), WORKERS)
def test_the_batches_of_three_epochs_are_the_same_for_any_workers(worker, num_workers, leaves_nothing):
    with make(worker=worker, num_workers=num_workers) as loader:
        for number in range(3):
            assert conformance.equal(list(loader), epoch(number))


def test_each_epoch_has_every_sample_once_in_another_order_with_other_random_numbers():
    loader = make()
    epochs = [list(loader) for _ in range(3)]
    orders = [joined(batches, "i") for batches in epochs]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    noise = np.stack([joined(batches, "x") for batches in epochs])
    assert len(np.unique(noise)) == noise.size


def test_random_numbers_belong_to_the_sample_and_not_to_its_batch():
    by_sample = []
    for batch_size in (1, 6, 20):
        batches = list(make(batch_size=batch_size))
        by_sample.append(joined(batches, "x")[np.argsort(joined(batches, "i"))])
    assert np.array_equal(by_sample[0], by_sample[1]) and np.array_equal(by_sample[0], by_sample[2])


def test_a_transform_draws_other_numbers_on_another_field_and_at_another_place():
    source = [{"a": np.zeros(3), "b": np.zeros(3)}]
    (batch,) = Loader(source, transforms={"a": Jitter(), "b": Jitter()})
    (twice,) = Loader(source, transforms={"a": [Jitter(), Jitter()]})
    assert not np.array_equal(batch["a"], batch["b"])
    assert not np.allclose(twice["a"], 2 * batch["a"])


@pytest.mark.parametrize(("n", "batch_size", "drop_last"), [(20, 6, True), (20, 6, False), (18, 6, True), (3, 6, True)])
def test_len_is_the_number_of_batches(n, batch_size, drop_last):
    loader = make(n, batch_size=batch_size, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert all(len(batch["i"]) == batch_size for batch in batches) or not drop_last


def test_an_empty_source_has_no_batches():
    assert list(Loader([])) == [] and len(Loader([], shuffle=True)) == 0


def test_it_says_what_it_will_do():
    loader = Loader(range(3000), batch_size=32, num_workers=2, worker="process")
    assert repr(loader) == "Loader(3000 samples -> 94 batches of 32, 2 process workers, epoch 0, batch 0)"
    loader.load_state_dict({**loader.state_dict(), "epoch": 4, "samples": 320})
    assert repr(loader) == "Loader(3000 samples -> 94 batches of 32, 2 process workers, epoch 4, batch 10)"


def test_set_epoch_chooses_the_epoch():
    loader = make()
    loader.set_epoch(2)
    assert conformance.equal(list(loader), epoch(2))
    loader.set_epoch(0)
    assert conformance.equal(list(loader), epoch(0))
    with pytest.raises(ConfigError, match="epoch=-1"):
        loader.set_epoch(-1)


@pytest.mark.slow
@pytest.mark.parametrize(("worker", "num_workers"), WORKERS[::2])
def test_leaving_a_loop_early_ends_the_workers_and_makes_the_next_loop_the_next_epoch(
    worker, num_workers, leaves_nothing
):
    loader = make(worker=worker, num_workers=num_workers)
    assert conformance.equal(take(loader, 1), epoch(0)[:1])
    assert loader.crew.workers is None
    assert conformance.equal(list(loader), epoch(1))
    loader.close()


def test_a_closed_loader_can_be_used_again(leaves_nothing):
    loader = make(num_workers=2)
    list(loader)
    loader.close()
    assert conformance.equal(list(loader), epoch(1))
    loader.close()


def test_a_newer_iterator_ends_the_older_one(leaves_nothing):
    loader = make(num_workers=1)
    older = iter(loader)
    next(older)
    newer = iter(loader)
    assert conformance.equal(next(newer), epoch(1)[0])
    with pytest.raises(DataloadError, match=r"newer one.*with_options"):
        next(older)
    assert conformance.equal(list(newer), epoch(1)[1:])
    loader.close()


def test_two_loaders_run_side_by_side(leaves_nothing):
    with make(num_workers=2) as a, make(num_workers=2, worker="process") as b:
        for x, y in zip(a, b, strict=True):
            assert conformance.equal(x, y)


def test_a_forgotten_loader_ends_its_workers(leaves_nothing):
    for worker in ("thread", "process"):
        loader = make(num_workers=2, worker=worker)
        list(loader)
        del loader


def test_prefetching_is_bounded_and_not_counted():
    read = []

    class Watched(list):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    with Loader(Watched(range(1000)), batch_size=10, num_workers=2, prefetch_factor=3, worker="thread") as loader:
        iterator = iter(loader)
        next(iterator)
        assert loader.state_dict()["samples"] == 10
        next(iterator)
        iterator.close()
        assert len(read) <= 10 * (2 + 6)


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 2), ("process", 1)])
def test_stats_say_how_many_batches_wait_for_the_loop(worker, num_workers):
    loader = make(worker=worker, num_workers=num_workers)
    batches = iter(loader)
    next(batches)
    ahead = min(2 * num_workers - 1, 3)  # of the four batches of the epoch, one of which was taken
    deadline = time.monotonic() + 60
    while loader.stats.ready < ahead and time.monotonic() < deadline:
        time.sleep(0.01)
    assert loader.stats.ready == ahead
    batches.close()
    assert loader.stats.ready == 0
    alone = make()
    next(iter(alone))
    assert alone.stats.ready == 0


def test_stats_count_what_was_delivered():
    loader = make(num_workers=2, worker="thread", transforms=None)
    assert loader.stats == LoaderStats("thread", 2)
    taken = iter(loader)
    next(taken)
    assert (loader.stats.batches, loader.stats.samples) == (1, 6)
    list(taken)
    stats = loader.stats
    assert (stats.epoch, stats.batches, stats.samples) == (0, 4, 20)
    assert 0 < stats.first_batch_seconds <= stats.wait_seconds and stats.work_seconds > 0
    loader.close()


def test_a_sampler_of_the_library_gives_the_order():
    order = joined(list(make(shuffle=False, sampler=RandomSampler(20, seed=9))), "i")
    assert np.array_equal(order, RandomSampler(20, seed=9).indices(0, 0, 20))


class Shuffled:
    """A sampler that draws from the global generator of random."""

    def __iter__(self):
        return iter(random.sample(range(20), 20))


@pytest.mark.parametrize(
    "sampler",
    [
        Shuffled,
        lambda: [3, 1, 2],
        lambda: np.arange(4),
    ],
)
def test_an_iterable_sampler_is_read_once_per_epoch_and_repeatably(sampler):
    before = random.getstate()[1]
    read_repeatably(sampler)
    assert random.getstate()[1] == before, "the global generators were disturbed"


def test_random_foreign_samplers_change_with_the_epoch():
    loader = make(shuffle=False, sampler=Shuffled())
    assert not np.array_equal(joined(list(loader), "i"), joined(list(loader), "i"))


def test_a_batch_sampler_decides_the_batches():
    loader = make(batch_size=1, shuffle=False, batch_sampler=[range(7), range(7, 14), range(14, 20)])
    assert [len(batch["i"]) for batch in loader] == [7, 7, 6] and len(loader) == 3
    assert "3 batches," in repr(loader)
    other = make(batch_size=1, shuffle=False, batch_sampler=[[1, 2], [3], [4, 5]])
    state = {**other.state_dict(), "samples": 1}
    other.load_state_dict(state)
    assert [batch["i"].tolist() for batch in other] == [[2], [3], [4, 5]]


def test_lists_of_fields_and_whole_samples_mix():
    source = [{"a": i, "b": (i, -i)} for i in range(3)]
    (batch,) = Loader(
        source, transforms=[{"a": [lambda x: x + 1, lambda x: x * 2]}, lambda s: {**s, "c": 7}], batch_size=3
    )
    assert batch["a"].tolist() == [2, 4, 6] and batch["c"].tolist() == [7] * 3
    assert source[0] == {"a": 0, "b": (0, 0)}, "the source's own samples were changed"
    (batch,) = Loader([(1, 2), (3, 4)], transforms={1: lambda y: -y}, batch_size=2)
    assert batch[1].tolist() == [-2, -4]


def test_a_custom_collate_function_gets_the_samples():
    assert list(Loader([1, 2, 3], batch_size=2, collate_fn=tuple)) == [(1, 2), (3,)]
    (batch,) = Loader([[1], [1, 2]], batch_size=2, collate_fn=pad)
    assert batch[1].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 must be a whole number from 1"),
        ({"batch_size": 2.0}, "batch_size=2.0"),
        ({"batch_size": None}, "batch_size=None"),
        ({"num_workers": -1}, "num_workers=-1 must be a whole number from 0"),
        ({"num_workers": True}, "num_workers=True"),
        ({"prefetch_factor": 0}, "prefetch_factor=0"),
        ({"timeout": -1}, "timeout=-1"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"seed": "a"}, "seed='a'"),
        ({"worker": "fiber"}, "worker='fiber' must be one of 'auto', 'thread', 'process'"),
        ({"collate_fn": 3}, "collate_fn=3"),
        ({"shuffle": True, "sampler": [1]}, "shuffle=True and sampler="),
        ({"sampler": 3}, "sampler is a int"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler decides"),
        ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler decides"),
        ({"batch_sampler": 3}, "batch_sampler is a int"),
        ({"transforms": 3}, "3, which is not callable"),
        ({"transforms": {"a": [{"b": abs}]}}, "field 'a' holds a dict of fields"),
        ({"transforms": [abs, None]}, "None, which is not callable"),
    ],
)
def test_arguments_that_cannot_work_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        Loader([1, 2, 3], **options)


@pytest.mark.parametrize("options", [{"sampler": ["a"]}, {"sampler": [0.5]}, {"batch_sampler": [1, 2]}])
def test_samplers_that_give_no_indices_are_refused(options):
    with pytest.raises(ConfigError, match="must give"):
        list(Loader([1, 2, 3], **options))
