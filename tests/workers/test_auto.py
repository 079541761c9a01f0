"""worker="auto" and num_workers="auto": chosen by measuring, without losing or changing a batch."""

import threading
import time

import conformance
import numpy as np
import pytest
from streams import epoch, make, one_at_a_time

from dataload import ArraySource, Loader
from dataload.machine import _cgroup_quota, usable_cores
from dataload.tuning import Tuner

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.slow]


def waiting(value):
    time.sleep(0.002)
    return value


def choose(transform, **options):
    loader = Loader(ArraySource(np.arange(4000)), transforms=transform, batch_size=8, num_workers=2, **options)
    seen = []
    for _ in range(5):
        for batch in loader:
            seen.append(batch)
            if loader.stats.choice:
                break
        if loader.stats.choice:
            break
    choice = loader.stats.choice
    assert np.array_equal(np.concatenate(seen), np.arange(8 * len(seen)) % 4000)
    loader.close()
    return choice


def test_work_that_keeps_the_gil_goes_to_processes():
    choice = choose(one_at_a_time)
    assert choice.worker == "process" and set(choice.samples_per_second) == {"serial", "thread", "process"}
    assert "2 threads" in choice.reason and "2 processes" in choice.reason


def test_work_that_lets_go_of_the_gil_stays_on_threads_and_processes_are_not_tried():
    choice = choose(waiting)
    assert choice.worker == "thread" and set(choice.samples_per_second) == {"serial", "thread"}


def test_what_cannot_travel_to_a_process_stays_on_threads():
    lock = threading.Lock()

    def locked(value):
        with lock:
            return one_at_a_time(value)

    choice = choose(locked)
    assert choice.worker == "thread" and "processes cannot be used" in choice.reason


def test_a_choice_holds_for_the_following_epochs():
    loader = Loader(ArraySource(np.arange(600)), transforms=waiting, batch_size=8, num_workers=2)
    assert "2 auto workers" in repr(loader)
    for _ in range(20):  # on a busy machine more than one kind is tried, for longer than an epoch
        list(loader)
        if loader.stats.choice is not None:
            break
    kind = loader.stats.choice.worker
    assert f"2 {kind} workers" in repr(loader)
    for _batch in loader:
        break
    list(loader)
    assert loader.stats.worker == kind
    loader.close()


@pytest.mark.parametrize("worker", ["thread", "process", "auto"])
def test_the_number_of_workers_changes_in_the_middle_of_an_epoch_and_no_batch_does(worker):
    for counts in ((3, 1, 2), (1, 4, 1)):
        with make(60, num_workers=2, worker=worker, batch_size=2) as loader:
            got = []
            for i, batch in enumerate(loader):
                got.append(batch)
                if i in (3, 9, 15):
                    loader.crew.workers.resize(counts[i // 6])
            assert conformance.equal(got, epoch(0, 60, batch_size=2))
            assert conformance.equal(list(loader), epoch(1, 60, batch_size=2))


def test_num_workers_auto_begins_with_the_usable_cores_and_says_what_it_saw():
    source = ArraySource(np.arange(4000))
    with Loader(source, transforms=waiting, batch_size=4, num_workers="auto", worker="thread") as loader:
        assert loader.num_workers == usable_cores()
        assert np.array_equal(np.concatenate(list(loader)), np.arange(4000))
        history = loader.stats.tuning
        assert history and history[0].num_workers == usable_cores() and history[0].waited > 0.5
        # Waiting parallelises without end, so more workers were tried and kept.
        assert loader.num_workers > usable_cores()


def feed(tuner, rate, waited, intervals=1):
    """Let the tuner see whole intervals, of which one settles after every change."""
    for _ in range(intervals):
        for _ in range(200):
            tuner.delivered(samples=int(rate(tuner.count) / 100), waited=waited(tuner.count) / 100, seconds=0.01)
    return tuner.count


def test_workers_are_added_while_the_loop_waits_and_they_help():
    tuner = Tuner(start=1)
    tuner._max = 8
    assert feed(tuner, rate=lambda n: 1000 * min(n, 3), waited=lambda n: 0.5, intervals=10) == 3
    assert max(interval.num_workers for interval in tuner.history) == 4


def test_workers_are_dropped_while_the_loop_does_not_wait():
    tuner = Tuner(start=6)
    assert feed(tuner, rate=lambda n: 1000, waited=lambda n: 0.0 if n >= 2 else 0.3, intervals=12) == 2


def test_the_cgroup_quota_is_read_in_both_versions(tmp_path):
    assert _cgroup_quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert _cgroup_quota(tmp_path) == 1.5
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert _cgroup_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _cgroup_quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert _cgroup_quota(tmp_path) == 0.5
