"""Loaders in difficult places: beside threads and locks, inside other workers, across forks."""

import ast
from pathlib import Path

import pytest
from faults.scripts import run

MAKE = """
import multiprocessing, os, sys, threading, time
import numpy as np
from faults import harm
from dataload import Loader
def make(n=40, **options):
    options = {"batch_size": 4, "num_workers": 2, "worker": "process", "shuffle": True, **options}
    return Loader(range(n), transforms=harm.sleep_a_little, **options)
def ids(batches):
    return [int(i) for batch in batches for i in batch]
expected = ids(make(num_workers=0))
"""


def check(code, folder):
    assert run(MAKE + code, folder)[-1] == "good"


def test_a_parent_with_many_threads_and_open_locks(tmp_path):
    code = """
lock = threading.Lock()
lock.acquire()
threads = [threading.Thread(target=lambda: (lock.acquire(), lock.release())) for _ in range(50)]
busy = threading.Thread(target=lambda: [len(str(i)) for i in range(10**6)])
for thread in [*threads, busy]: thread.start()
assert ids(make()) == expected
lock.release()
for thread in [*threads, busy]: thread.join()
print("good")
"""
    check(code, tmp_path)


def test_inside_a_daemon_process(tmp_path):
    code = """
def inside(queue):
    queue.put(ids(make()))
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=inside, args=(queue,), daemon=True)
    process.start()
    assert queue.get() == expected
    process.join()
    print("good")
"""
    check(code, tmp_path)


def test_inside_threads_several_at_once(tmp_path):
    code = """
found = {}
threads = [threading.Thread(target=lambda i=i: found.update({i: ids(make(seed=i))})) for i in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert all(found[i] == ids(make(seed=i, num_workers=0)) for i in range(4))
print("good")
"""
    check(code, tmp_path)


def test_two_loaders_in_turns(tmp_path):
    code = """
first, second = make(), make(seed=9)
pairs = list(zip(first, second, strict=True))
assert ids(a for a, _ in pairs) == expected
assert ids(b for _, b in pairs) == ids(make(seed=9, num_workers=0))
print("good")
"""
    check(code, tmp_path)


@pytest.mark.parametrize("worker", ["thread", "process"])
@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit(0)", "del loader, iterator; sys.exit(0)"])
def test_a_fork_of_the_parent_does_not_disturb_it(leave, worker, tmp_path):
    code = f"""
loader = make(worker={worker!r})
iterator = iter(loader)
batches = [next(iterator)]
child = os.fork()
if child == 0:
    try:
        next(iterator)
        os._exit(1)
    except Exception as error:
        if "of which this one is a fork" not in str(error): os._exit(2)
    {leave}
assert os.waitpid(child, 0)[1] == 0
batches += iterator
assert ids(batches) == expected
print("good")
"""
    check(code, tmp_path)


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_a_fork_of_the_parent_can_use_the_loader_itself(worker, tmp_path):
    code = f"""
loader = make(worker={worker!r})
iterator = iter(loader)
batches = [next(iterator)]
child = os.fork()
if child == 0:
    loader.set_epoch(0)
    os._exit(0 if ids(loader) == expected else 1)
assert os.waitpid(child, 0)[1] == 0
batches += iterator
assert ids(batches) == expected
print("good")
"""
    check(code, tmp_path)


def test_workers_end_with_a_killed_parent_although_a_fork_of_it_lives_on(tmp_path):
    code = """
import psutil, signal
middle = os.fork()
if middle == 0:
    loader = make(n=10**6)
    iterator = iter(loader)
    next(iterator)
    workers = psutil.Process().children()
    if os.fork() == 0:
        time.sleep(0.5)
        gone, alive = psutil.wait_procs(workers, timeout=20)
        print("good" if not [p for p in alive if p.status() != "zombie"] else alive, flush=True)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(middle, 0)
"""
    check(code, tmp_path)


def test_a_clock_that_jumps_changes_nothing(tmp_path):
    code = """
import itertools
jumps = itertools.cycle([0.0, 1e9, -1e9, 3600.0])
real = time.time
time.time = lambda: real() + next(jumps)
for options in ({}, {"worker": "thread"}, {"num_workers": "auto"}, {"timeout": 30}):
    assert ids(make(**options)) == expected, options
print("good")
"""
    check(code, tmp_path)


def test_the_library_never_asks_the_wall_clock():
    root = Path(__file__).resolve().parents[2]
    for folder in ("dataload", "transforms", "adapters"):
        # Reports say when they were made.
        reports = {*(root / folder).rglob("commands/*.py"), *(root / folder).rglob("measuring/*.py")}
        for path in set((root / folder).rglob("*.py")) - reports:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                asks = isinstance(node, ast.Attribute) and node.attr in ("time", "now", "utcnow")
                if asks and isinstance(node.value, ast.Name):
                    assert node.value.id not in ("time", "datetime"), f"{path}:{node.lineno}"


def test_the_first_batch_of_a_billion_samples_needs_nothing_of_the_others(tmp_path):
    code = """
import resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loader = make(n=10**9)
assert len(next(iter(loader))) == 4
loader.close()
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
print("good")
"""
    check(code, tmp_path)
