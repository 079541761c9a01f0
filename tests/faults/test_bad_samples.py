"""Samples that cannot be made: left out or replaced, the same in every worker, counted and listed."""

import conformance
import numpy as np
import pytest
from faults import harm
from streams import take

from dataload import Loader, RandomTransform, SubsetSampler
from dataload.errors import BadSamples, ConfigError, WorkerDied

pytestmark = pytest.mark.usefixtures("leaves_nothing")
BAD = (3, 7, 8, 21)


class Noise(RandomTransform):
    def __call__(self, value, rng):
        return np.array([value, rng.normal()])


class Source:
    """Numbers, some of which cannot be read."""

    def __len__(self):
        return 30

    def __getitem__(self, index):
        if index in BAD:
            raise OSError(f"cannot read {index}")
        return index


def loader(source=None, transforms=None, **options):
    transforms = [harm.Fragile(BAD), Noise()] if transforms is None else list(transforms)
    options = {"batch_size": 4, "on_error": "skip", **options}
    return Loader(range(30) if source is None else source, transforms=transforms, **options)


def values(batches):
    return [int(value) for batch in batches for value in batch[:, 0]]


def test_skip_leaves_them_out_and_the_rest_stays_as_it_was():
    clean = loader(transforms=[harm.Fragile(), Noise()], on_error="raise")
    expected = [row for batch in clean for row in batch if int(row[0]) not in BAD]
    assert conformance.equal([row for batch in loader() for row in batch], expected)


def test_replace_keeps_the_sizes_of_batches_and_all_other_samples():
    batches = list(loader(on_error="replace"))
    assert [len(batch) for batch in batches] == [4] * 7 + [2]
    for k, batch in enumerate(batches):
        for i, row in enumerate(batch):
            index = 4 * k + i
            assert int(row[0]) not in BAD
            assert (int(row[0]) == index) == (index not in BAD)


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": SubsetSampler(range(15), seed=1)},
        {"sampler": [*range(14, -1, -1)]},
        {"batch_sampler": [range(5), range(5, 15)], "batch_size": 1},
    ],
    ids=["subset", "list", "batch sampler"],
)
def test_a_replacement_is_never_a_sample_that_the_sampler_leaves_out(options):
    for epoch in range(10):
        batches = loader(on_error="replace", **options)
        batches.set_epoch(epoch)
        found = values(batches)
        assert len(found) == 15 and max(found) < 15


class OtherMembers:
    """A batch sampler of which each epoch has other samples: ten in batches of two."""

    def batches(self, epoch):
        return np.arange(10) + 10 * epoch, np.arange(2, 11, 2)


@pytest.mark.parametrize("extra", [{}, {"num_workers": 2, "worker": "thread"}, {"num_workers": 2, "worker": "process"}])
def test_a_run_resumed_in_a_later_epoch_replaces_as_the_one_that_was_not_stopped(extra):
    def make():
        return loader(batch_sampler=OtherMembers(), batch_size=1, on_error="replace", **extra)

    with make() as whole:
        epochs = [list(whole) for _ in range(3)]
    for epoch, batches in enumerate(epochs):
        assert all(10 * epoch <= value < 10 * epoch + 10 for value in values(batches))
    with make() as resumed:
        resumed.load_state_dict({**resumed.state_dict(), "epoch": 1, "samples": 4})
        assert conformance.equal([*resumed, *resumed], [*epochs[1][2:], *epochs[2]])


@pytest.mark.parametrize("on_error", ["skip", "replace"])
@pytest.mark.parametrize(
    ("source", "transforms"),
    [
        (None, (harm.Fragile(BAD), Noise())),
        (None, (harm.FragileBatches(BAD), Noise())),
        (Source(), (Noise(),)),
    ],
    ids=["transform", "batch transform", "source"],
)
def test_all_kinds_of_worker_make_the_same_of_them(source, transforms, on_error):
    options = {"on_error": on_error, "shuffle": True, "seed": 2}
    expected = loader(source, transforms, **options)
    batches = list(expected)
    # With "replace" one that is tried in the place of another may be bad too.
    assert {bad.index for bad in expected.stats.errors} == set(BAD)
    for extra in (
        {"num_workers": 2, "worker": "thread"},
        {"num_workers": 2, "worker": "process"},
        {"read_concurrency": 3},
        {"num_workers": 1, "worker": "process", "read_concurrency": 3},
    ):
        with loader(source, transforms, **options, **extra) as others:
            assert conformance.equal(list(others), batches)
            assert others.stats.errors == expected.stats.errors


def test_every_bad_sample_is_counted_listed_and_logged(caplog):
    batches = loader(on_error="skip")
    list(batches)
    stats = batches.stats
    assert stats.num_errors == 4 and stats.samples == 26
    assert [bad.index for bad in stats.errors] == list(BAD)
    text = str(stats.errors[1])
    assert "sample 7" in text and "ValueError: 7 cannot be used" in text and "Fragile" in text and "left out" in text
    assert sum("cannot be used" in record.getMessage() for record in caplog.records) == 4
    list(loader(on_error="replace"))
    assert "replaced by sample" in caplog.records[-1].getMessage()


def test_a_batch_of_which_every_sample_is_bad_does_not_come():
    batches = loader(transforms=[harm.Fragile(range(4, 12))], batch_size=4, num_workers=2, worker="thread")
    assert [batch.tolist()[0] for batch in batches] == [0, 12, 16, 20, 24, 28]
    assert batches.state_dict()["samples"] == 0 and batches.state_dict()["epoch"] == 1


def test_a_state_counts_what_was_left_out():
    first = loader()
    begun = take(first, 2)
    assert first.state_dict()["samples"] == 8
    rest = loader()
    rest.load_state_dict(first.state_dict())
    assert values([*begun, *rest]) == [i for i in range(30) if i not in BAD]


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_max_errors_ends_the_run_and_says_which(worker):
    with pytest.raises(BadSamples, match=r"3 samples of epoch 0 .* max_errors=2 .*\n.*3 cannot be used") as caught:
        list(loader(max_errors=2, num_workers=2, worker=worker))
    assert "8 cannot be used" in str(caught.value)
    assert len(list(loader(max_errors=4))) == 8


def test_replacing_gives_up_where_everything_is_bad():
    with pytest.raises(BadSamples, match="neither could the 8 others"):
        list(loader(transforms=[harm.Fragile(range(30))], on_error="replace"))


def test_an_error_of_the_collate_function_is_not_the_samples_fault():
    with pytest.raises(ZeroDivisionError):
        list(loader(collate_fn=lambda samples: 1 // 0))


@pytest.mark.parametrize("on_error", ["skip", "replace"])
def test_samples_that_crash_the_interpreter_cost_a_worker_and_not_the_run(on_error):
    crash, refuse = (5, 13), (3,)
    with loader(
        transforms=[harm.Fragile(refuse, crash), Noise()], on_error=on_error, num_workers=2, worker="process",
        max_retries=0,
    ) as batches:  # fmt: skip
        found = list(batches)
        errors = {bad.index: bad.error for bad in batches.stats.errors}
    same = list(loader(transforms=[harm.Fragile((*refuse, *crash)), Noise()], on_error=on_error))
    assert conformance.equal(found, same)
    assert "SIGSEGV" in errors[5] and "SIGSEGV" in errors[13] and "ValueError" in errors[3]


def test_by_default_such_a_sample_ends_the_run():
    with pytest.raises(WorkerDied, match="SIGSEGV"):
        list(loader(transforms=[harm.Fragile((), (5,))], on_error="raise", num_workers=1, worker="process"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "on_error='ignore' must be one of 'raise', 'skip', 'replace'"),
        ({"on_error": "raise", "max_errors": 3}, "max_errors goes with on_error='skip' or 'replace'"),
        ({"max_errors": -1}, "max_errors=-1 must be a whole number from 0 up"),
        ({"max_retries": 1.5}, "max_retries=1.5 must be a whole number from 0 up"),
    ],
)
def test_arguments_that_cannot_work_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        loader(**options)
