"""Whoever waits for a batch is woken: by its end, by an error of any kind, by a loader that is closed or moved."""

import asyncio
import copy
import os
import pickle
import signal
import threading
import time

import conformance
import pytest
from faults import harm
from faults.scripts import run
from streams import epoch, make, take

from dataload import Loader
from dataload.adapters.passes import Passes
from dataload.errors import DataloadError, WorkerError

KINDS = [("thread", 0), ("thread", 2), ("process", 2)]
EVERY_KIND = pytest.mark.parametrize(("worker", "num_workers"), KINDS)


def slow(value):
    time.sleep(0.3)
    return value


def in_a_moment(action):
    timer = threading.Timer(0.2, action)
    timer.start()
    return timer


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 2), ("process", 2)])
@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda loader: loader.close(), "its Loader was closed"),
        (lambda loader: iter(loader), "a newer one was made"),
        (lambda loader: loader.set_epoch(5), "its epoch or state was set"),
        (lambda loader: loader.load_state_dict({**loader.state_dict(), "epoch": 7}), "its epoch or state was set"),
    ],
    ids=["close", "iter", "set_epoch", "load_state_dict"],
)
def test_a_loop_that_waits_is_told_when_its_loader_is_used_elsewhere(worker, num_workers, act, message, leaves_nothing):
    loader = Loader(range(100), transforms=slow, batch_size=2, num_workers=num_workers, worker=worker)
    kept = []
    timer = in_a_moment(lambda: kept.append(act(loader)))
    with pytest.raises(DataloadError, match=message):
        list(loader)
    timer.join()
    loader.close()
    kept.clear()


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_a_pass_that_runs_ahead_ends_with_its_loader(worker, leaves_nothing):
    with Loader(range(1000), transforms=slow, batch_size=2, num_workers=2, worker=worker) as loader:
        batches = Passes(loader, lambda batch: batch, ahead=2).start()
        next(batches)
        start = time.monotonic()
    del batches
    assert time.monotonic() - start < 20


class Raise:
    """A transform that raises at 5."""

    def __init__(self, error):
        self.error = error

    def __call__(self, value):
        if value == 5:
            raise self.error
        return value


@EVERY_KIND
@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize(
    "error",
    [
        SystemExit(0),
        SystemExit("bye"),
        GeneratorExit(),
        asyncio.CancelledError(),
        StopIteration(),
        BaseExceptionGroup("several", [SystemExit(1)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_would_end_a_thread_or_a_program_in_silence_is_an_error_everywhere(
    error, on_error, worker, num_workers, leaves_nothing
):
    loader = Loader(
        range(12), transforms=Raise(error), batch_size=2, num_workers=num_workers, worker=worker, on_error=on_error
    )
    if isinstance(error, Exception) and on_error == "skip":
        assert sum(map(len, loader)) == 11
    else:
        with pytest.raises(WorkerError, match=f"raised {type(error).__name__}") as caught:
            list(loader)
        assert "batch 2 of epoch 0" in "\n".join(caught.value.__notes__)
    loader.close()


@EVERY_KIND
def test_ctrl_c_in_a_transform_stays_ctrl_c(worker, num_workers, leaves_nothing):
    loader = Loader(range(12), transforms=Raise(KeyboardInterrupt()), num_workers=num_workers, worker=worker)
    with pytest.raises(KeyboardInterrupt):
        list(loader)
    loader.close()


@EVERY_KIND
def test_a_source_that_exits_while_it_is_read_ahead_is_an_error(worker, num_workers, leaves_nothing):
    class Source(list):
        def __getitem__(self, index):
            if index == 5:
                raise SystemExit("the reader says goodbye")
            return super().__getitem__(index)

    loader = Loader(Source(range(12)), batch_size=2, num_workers=num_workers, worker=worker, read_concurrency=3)
    with pytest.raises(WorkerError, match="the reader says goodbye"):
        list(loader)
    loader.close()


class Silent(Exception):
    def add_note(self, note):
        raise TypeError("takes no notes")

    def __str__(self):
        raise ValueError("says nothing")


@EVERY_KIND
def test_an_exception_that_takes_no_notes_and_has_no_text_is_survived(worker, num_workers, leaves_nothing):
    options = {"batch_size": 2, "num_workers": num_workers, "worker": worker}
    with Loader(range(12), transforms=Raise(Silent()), on_error="skip", **options) as loader:
        assert sum(map(len, loader)) == 11
        assert "Silent" in str(loader.stats.errors[0])


def test_an_iterator_at_work_on_one_thread_is_refused_to_another(leaves_nothing):
    loader = Loader(range(40), transforms=slow, batch_size=2)
    iterator = iter(loader)
    other = threading.Thread(target=lambda: next(iterator))
    other.start()
    time.sleep(0.1)
    with pytest.raises(DataloadError, match="already at work on another thread"):
        next(iterator)
    other.join()
    iterator.close()


AFTER_AN_EPOCH = """
import os
from dataload import Loader
def make(**options):
    return Loader(range(40), batch_size=4, shuffle=True, **options)
expected = [batch.tolist() for batch in make()]
loader = make(**{options!r})
list(loader)
child = os.fork()
if child == 0:
    loader.set_epoch(0)
    os._exit(0 if [batch.tolist() for batch in loader] == expected else 1)
assert os.waitpid(child, 0)[1] == 0
loader.set_epoch(0)
assert [batch.tolist() for batch in loader] == expected
print("good")
"""


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"read_concurrency": 4},
        {"num_workers": 2, "worker": "thread"},
        {"num_workers": 2, "worker": "process"},
        {"num_workers": 2, "worker": "auto"},
    ],
    ids=str,
)
def test_a_loader_that_has_finished_an_epoch_works_in_a_fork_and_in_its_parent(options, tmp_path):
    assert run(AFTER_AN_EPOCH.format(options=options), tmp_path)[-1] == "good"


def fork_and_die(value):
    """End the worker at 5, leaving a process that was forked from it and lives on."""
    if value == 5 and os.fork() != 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if value == 5:
        time.sleep(20)
        os._exit(0)
    return value


def test_a_worker_that_dies_is_noticed_although_its_own_child_lives_on(leaves_nothing):
    loader = Loader(range(12), transforms=fork_and_die, num_workers=1, worker="process", max_retries=0)
    start = time.monotonic()
    with pytest.raises(WorkerError, match="SIGKILL"):
        list(loader)
    assert time.monotonic() - start < 15


@EVERY_KIND
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))])
def test_a_copy_of_a_loader_is_another_one_at_the_same_place(duplicate, worker, num_workers, leaves_nothing):
    with make(num_workers=num_workers, worker=worker) as loader:
        fresh = duplicate(loader)
        iterator = iter(loader)
        next(iterator)
        inside = duplicate(loader)
        assert conformance.equal(list(inside), epoch(0)[1:])
        assert conformance.equal(list(iterator), epoch(0)[1:])
        after = duplicate(loader)
        assert conformance.equal(list(after), epoch(1)) and conformance.equal(take(fresh, 2), epoch(0)[:2])
        for other in (inside, after, fresh):
            other.close()


def test_a_pipeline_of_the_program_itself_may_be_killed_while_another_loader_goes_on(tmp_path):
    with Loader(
        range(12), transforms=harm.DieOn(5, marker=harm.marker(tmp_path)), num_workers=1, worker="process"
    ) as a:
        assert sorted(int(batch[0]) for batch in a) == list(range(12))
        assert a.stats.died == 1
