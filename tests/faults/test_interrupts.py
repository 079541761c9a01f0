"""Ctrl-C and other signals at random moments: nothing is left, and the next loop has the right batches."""

import pytest
from faults.scripts import run

CODE = """
import gc, random, signal, sys, time
import psutil
from faults import harm
from dataload import Loader
rng = random.Random({seed})
process = psutil.Process()
def interrupt(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
def make(num_workers=2):
    return Loader(range(120), transforms=harm.sleep_a_little, batch_size=4, num_workers=num_workers, worker={worker!r},
                  shuffle=True, timeout=60)
loader = make()
before = process.num_fds()
interrupts = 0
for _ in range({rounds}):
    signal.setitimer(signal.ITIMER_REAL, rng.choice([rng.uniform(0.0001, 0.02), rng.uniform(0.0001, 0.25)]))
    try:
        for batch in loader: pass
        time.sleep(1)
    except KeyboardInterrupt:
        interrupts += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    if rng.random() < 0.2:
        loader.set_epoch(0)
        assert [b.tolist() for b in loader] == [b.tolist() for b in make(0)]
# The interpreter swallows what a signal handler raises inside of a finaliser or a weak reference's callback.
assert interrupts > {rounds} // 2, interrupts
loader.close()
del loader
gc.collect()
deadline = time.monotonic() + 20
while process.children() and time.monotonic() < deadline: time.sleep(0.01)
assert not process.children(), process.children()
assert process.num_fds() <= before, (process.num_fds(), before)
print("good")
"""


@pytest.mark.parametrize("worker", ["process", "thread", "auto"])
def test_interrupts_at_random_moments_leave_nothing(worker, budget, tmp_path):
    assert run(CODE.format(seed=budget, worker=worker, rounds=25 * budget), tmp_path)[-1] == "good"
