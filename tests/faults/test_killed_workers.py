"""Worker processes that die, at any moment and for any reason: the stream stays as it was, or says at once why not."""

import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import conformance
import numpy as np
import psutil
import pytest
from faults import harm
from programs import worker_processes

from dataload import Loader
from dataload.errors import WorkerDied, WorkerTimeout

# Not sys.exit, which is an error in every kind of worker: tests/faults/test_waiting.py.
WAYS = ["SIGKILL", "SIGSEGV", "SIGABRT", "exit"]
N, BATCH = 40, 5
EXPECTED = np.arange(N).reshape(-1, BATCH)

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def loader(transforms=None, **options):
    return Loader(range(N), transforms=transforms, **{"batch_size": BATCH, "worker": "process", **options})


def stream(batches):
    return np.array([batch[0] if isinstance(batch, tuple) else batch for batch in batches])


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("how", WAYS)
def test_a_worker_that_dies_before_it_writes_its_batch_is_replaced(how, num_workers, tmp_path):
    transform = harm.DieOn(12, how, harm.marker(tmp_path))
    with loader(transform, num_workers=num_workers) as batches:
        assert np.array_equal(stream(batches), EXPECTED)
    assert Path(transform.marker).exists(), "nothing died"


@pytest.mark.parametrize(
    ("collate", "how"),
    [(harm.DieWhileCollating, how) for how in WAYS] + [(harm.DieWhileSending, how) for how in WAYS],
)
def test_a_worker_that_dies_while_or_after_it_writes_its_batch_is_replaced(collate, how, tmp_path):
    with loader(collate_fn=collate(12, how, harm.marker(tmp_path)), num_workers=2) as batches:
        assert np.array_equal(stream(batches), EXPECTED)
    assert len(list(tmp_path.iterdir())) == 1, "nothing died"


def test_a_worker_that_dies_in_the_first_batch_is_replaced(tmp_path):
    with loader(harm.DieOn(0, "SIGKILL", harm.marker(tmp_path)), num_workers=1) as batches:
        assert np.array_equal(stream(batches), EXPECTED)


@pytest.mark.parametrize(
    ("how", "named"), [("SIGKILL", "memory ran out"), ("SIGSEGV", "a native library crashed"), ("exit", "code 7")]
)
@pytest.mark.parametrize("value", [0, 12])
def test_a_batch_that_ends_every_worker_is_named_with_the_likely_cause(how, named, value):
    batches = loader(harm.DieOn(value, how), num_workers=2)
    batch = value // BATCH
    with pytest.raises(WorkerDied) as caught:
        list(batches)
    message = str(caught.value)
    assert named in message and f"batch {batch} of epoch 0" in message and "in each of 3 tries" in message
    assert str(list(range(batch * BATCH, (batch + 1) * BATCH))) in message


@pytest.mark.parametrize("max_retries", [0, 1])
def test_max_retries_bounds_the_tries(max_retries):
    with pytest.raises(WorkerDied, match=f"in each of {max_retries + 1} tries"):
        list(loader(harm.DieOn(3), num_workers=1, max_retries=max_retries))


def test_batches_before_the_fatal_one_are_delivered():
    batches = iter(loader(harm.DieOn(12), num_workers=2))
    assert [next(batches).tolist(), next(batches).tolist()] == EXPECTED[:2].tolist()
    with pytest.raises(WorkerDied):
        next(batches)


def test_workers_that_die_with_nothing_to_do_are_replaced_any_number_of_times():
    with loader(num_workers=2, max_retries=1) as batches:
        for _ in range(5):
            assert np.array_equal(stream(batches), EXPECTED)
            for process in worker_processes():
                process.kill()


class Killer(threading.Thread):
    """Kills a random worker again and again, each time after some batches were delivered."""

    def __init__(self, kills):
        super().__init__()
        self.left, self.random, self.done = kills, random.Random(0), threading.Event()

    def run(self):
        while self.left and not self.done.is_set():
            time.sleep(self.random.uniform(0.0, 0.02))
            workers = worker_processes()
            if workers:
                how = self.random.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
                # One that has ended since it was listed was killed by nobody.
                with suppress(psutil.NoSuchProcess):
                    workers[self.random.randrange(len(workers))].send_signal(how)
                    self.left -= 1


def test_two_hundred_random_kills_neither_lose_nor_repeat_a_sample(budget):
    killer = Killer(200 * budget)
    batches = Loader(
        range(4000), transforms=harm.sleep_a_little, shuffle=True, batch_size=10, num_workers=2, worker="process",
        max_retries=10_000,
    )  # fmt: skip
    expected = batches.with_options(num_workers=0)
    killer.start()
    try:
        with batches:
            while killer.left and killer.is_alive():
                assert conformance.equal(list(batches), list(expected))
        assert killer.left == 0
    finally:
        killer.done.set()
        killer.join()


def test_a_stopped_worker_is_found_by_the_timeout(tmp_path):
    # Long enough for the start of processes on a busy machine, which counts.
    batches = loader(harm.DieOn(12, "SIGSTOP"), num_workers=2, timeout=5)
    with pytest.raises(WorkerTimeout, match="stopped by a signal"):
        list(batches)


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_a_hanging_worker_is_found_by_the_timeout_and_says_where_it_is(worker):
    harm.told.clear()
    batches = loader(harm.hang_until_told, num_workers=2, worker=worker, timeout=1)
    try:
        with pytest.raises(WorkerTimeout) as caught:
            list(batches)
    finally:
        harm.told.set()
    message = str(caught.value)
    assert "timeout=1 s" in message and f"{worker} worker" in message and "in hang_until_told" in message


def test_a_worker_that_hangs_in_native_code_says_where_too():
    batches = loader(harm.hang_natively, num_workers=1, timeout=1)
    with pytest.raises(WorkerTimeout, match="in hang_natively"):
        list(batches)


def test_other_batches_that_come_meanwhile_do_not_give_a_hanging_one_more_time():
    batches = loader(harm.hang_on_three, num_workers=2, batch_size=1, prefetch_factor=20, timeout=2)
    iterator = iter(batches)
    assert [int(next(iterator)[0]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(WorkerTimeout, match="in hang_on_three"):
        next(iterator)
