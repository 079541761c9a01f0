"""Whole runs that are killed at random moments, and go on with another number of ranks and another batch size."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from faults import history, training
from faults.scripts import PATIENCE, path_with

from dataload import RandomSampler

WORLDS = (1, 2, 3, 4, 6, 8)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_runs_killed_at_random_steps_see_every_sample_once(num_workers, budget, tmp_path):
    choose = random.Random(num_workers)
    tests = str(Path(__file__).resolve().parents[1])
    states: dict[int, tuple[int, int]] = {}
    epochs = 2 * budget
    for run in range(1000):
        states[run] = _state(tmp_path / "state.json")
        world = WORLDS[run % len(WORLDS)]
        # A process for each worker of each rank would take long to start; what is killed is the same.
        options = [run, world, choose.randint(1, 40), num_workers if world < 3 else 0, epochs, tmp_path]
        command = [sys.executable, "-m", "faults.training", *map(str, options)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "PYTHONPATH": path_with(tests)},
        )  # fmt: skip
        if run < 20 * budget:
            _wait_for_news(tmp_path / "history", process)
            time.sleep(choose.uniform(0, 0.2))
            with suppress(ProcessLookupError):  # It was done first.
                os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=PATIENCE)
        if output == "done\n":
            break
        assert process.returncode == -signal.SIGKILL
    deliveries = history.kept(history.read(tmp_path / "history"), states)
    assert len(states) > 3, "the run was not killed often enough"
    history.check(deliveries, RandomSampler(training.LENGTH, training.SEED), epochs)


def _state(path: Path) -> tuple[int, int]:
    if not path.exists():
        return 0, 0
    state = json.loads(path.read_text())
    return state["epoch"], state["samples"]


def _wait_for_news(path: Path, process: subprocess.Popen) -> None:
    size = path.stat().st_size if path.exists() else 0
    while process.poll() is None and not (path.exists() and path.stat().st_size > size):
        time.sleep(0.002)


def entry(**changes):
    return history.Delivery(**{"run": 0, "epoch": 0, "rank": 0, "start": 0, "stop": 2, "ids": (0, 1), **changes})


class InOrder:
    def __len__(self):
        return 4

    def indices(self, epoch, start, stop):
        import numpy as np

        return np.arange(start, stop)


@pytest.mark.parametrize(
    "wrong",
    [
        [entry(), entry(start=2, stop=3, ids=(2,))],
        [entry(), entry(start=3, stop=4, ids=(3,))],
        [entry(), entry(start=2, stop=4, ids=(3, 2))],
        [entry(), entry(start=2, stop=4, ids=(2, 2))],
        [entry(), entry(start=1, stop=4, ids=(1, 2, 3))],
        [entry(), entry(start=2, stop=4, rank=1, ids=(2, 3))],
    ],
    ids=["missing at the end", "missing", "in another order", "repeated", "overlapping", "a rank is missing"],
)
def test_the_checker_finds_what_is_wrong(wrong):
    with pytest.raises(AssertionError):
        history.check(wrong, InOrder(), 1)
    history.check([entry(), entry(start=2, stop=4, ids=(2, 3))], InOrder(), 1)
