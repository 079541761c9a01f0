import os

import numpy as np
import pytest

from dataload import Loader
from dataload.commands.sweep import (
    Row,
    Setting,
    advise,
    make_settings,
    measure,
    spread,
    sweep,
    worker_counts,
)
from dataload.errors import ConfigError
from dataload.machine import usable_cores

pytestmark = pytest.mark.slow

SLOW = 0.02


def row(num_workers, worker, rate, base=100.0):
    return Row(Setting(num_workers, worker), rate, rate / base, 0.01, (rate,))


@pytest.mark.parametrize(
    ("cores", "counts"),
    [(1, (0, 1)), (2, (0, 1, 2)), (4, (0, 1, 2, 3, 4)), (6, (0, 1, 2, 3, 4, 6)), (64, (0, 1, 2, 3, 4, 8))],
)
def test_worker_counts_go_up_one_by_one_to_4_and_then_to_8_at_most(cores, counts):
    assert worker_counts(cores) == counts


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not bind processes to cores")
def test_usable_cores_are_those_this_process_is_bound_to():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_settings_begin_with_0_workers_and_hold_every_combination_once():
    assert make_settings((2, 1, 2), ("thread", "process", "thread")) == [
        Setting(0),
        Setting(1, "thread"),
        Setting(2, "thread"),
        Setting(1, "process"),
        Setting(2, "process"),
    ]


def test_advice_is_the_fastest_setting_and_its_speed_up():
    advice = advise([row(0, None, 100), row(2, "thread", 180), row(2, "process", 310)])
    assert advice.setting == Setting(2, "process")
    assert advice.reason == "3.1x of 0 workers"


def test_advice_prefers_fewer_workers_within_5_percent_and_says_so():
    advice = advise([row(0, None, 100), row(2, "process", 300), row(4, "process", 310)])
    assert advice.setting == Setting(2, "process")
    assert 'num_workers=4, worker="process" is less than 5 % faster' in advice.reason
    assert advise([row(0, None, 100), row(2, "process", 290), row(4, "process", 310)]).setting.num_workers == 4


def test_advice_is_0_workers_where_none_is_worth_it():
    advice = advise([row(0, None, 100), row(1, "thread", 104), row(2, "thread", 90)])
    assert advice.setting == Setting(0)
    assert "more than 5 % faster" in advice.reason


def test_the_spread_is_that_of_the_setting_whose_rounds_differ_most():
    rows = [
        Row(Setting(0), 100.0, 1.0, 0.01, (90.0, 100.0, 99.0)),
        Row(Setting(1), 50.0, 0.5, 0.01, (30.0, 50.0, 60.0)),
    ]
    assert spread(rows) == 2
    assert spread([row(0, None, 100)]) == 1


def test_a_sweep_measures_every_setting_in_every_round(leaves_nothing):
    settings = make_settings((1, 2), ("thread", "process"))
    steps = []
    with Loader(list(np.arange(64)), batch_size=8) as loader:
        rows = sweep(loader, settings, rounds=3, seconds=0.02, on_measured=lambda: steps.append(1))
    assert [one.setting for one in rows] == settings
    assert len(steps) == 4 * len(settings)
    assert rows[0].speed_up == 1
    for one in rows:
        assert len(one.rounds) == 3
        assert one.samples_per_second == sorted(one.rounds)[1]
        assert one.first_batch_seconds > 0


def test_throughput_counts_samples_and_not_batches():
    def slow(value):
        import time

        time.sleep(SLOW)
        return value

    with Loader(list(np.arange(12)), transforms=slow, batch_size=4) as loader:
        measured = measure(loader, Setting(0), seconds=0.3)
    # 20 ms a sample: never more than 50 a second, and a count of batches would give at most 12.5.
    assert 20 < measured.samples_per_second <= 51
    assert measured.first_batch_seconds >= 4 * SLOW


def test_a_loader_with_a_single_batch_is_measured_too():
    with Loader(list(np.arange(3)), batch_size=4) as loader:
        assert measure(loader, Setting(1, "thread"), seconds=0.01).samples_per_second > 0


def test_a_sweep_leaves_the_loader_as_it_was(leaves_nothing):
    with Loader(list(np.arange(32)), batch_size=4, shuffle=True) as loader:
        before = loader.state_dict()
        sweep(loader, [Setting(0), Setting(1, "thread")], rounds=1, seconds=0.01)
        assert loader.state_dict() == before


def test_a_loader_without_batches_is_refused():
    with Loader([1, 2], batch_size=4, drop_last=True) as loader, pytest.raises(ConfigError, match="no batches"):
        sweep(loader, [Setting(0)], rounds=1, seconds=0.01)
