"""BLAS computes on one thread while a batch is made, and on as many as before when none is."""

import os

import numpy as np
import pytest
from faults.scripts import run

from dataload import Loader
from dataload.blas import single_threaded_blas

pytestmark = pytest.mark.slow

CODE = """
import hashlib, os, threading
import numpy as np
from threadpoolctl import threadpool_info
from dataload import Loader

def threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

before = threads()
assert max(before) > 1, before
rng = np.random.default_rng(0)
a, b = rng.standard_normal((700, 900)).astype("f4"), rng.standard_normal((900, 500)).astype("f4")

def product(value):
    assert set(threads()) == {1}, threads()
    return (a @ (b + np.float32(value)))[::97]

def digest(worker, num_workers):
    with Loader(range(8), transforms=product, batch_size=2, num_workers=num_workers, worker=worker) as loader:
        return hashlib.sha256(b"".join(batch.tobytes() for batch in loader)).hexdigest()
"""


def check(code, folder):
    assert run(CODE + code, folder, OPENBLAS_NUM_THREADS="4", OMP_NUM_THREADS="4")[-1] == "good"


def test_a_large_product_has_the_same_bits_in_every_kind_of_worker(tmp_path):
    code = """
found = {digest(worker, n) for worker, n in (("thread", 0), ("thread", 2), ("thread", 3), ("process", 2), ("auto", 2))}
assert len(found) == 1 and threads() == before, (found, threads())
print("good")
"""
    check(code, tmp_path)


def test_the_program_has_its_threads_back_when_no_batch_is_in_the_making(tmp_path):
    code = """
import time
for _ in range(30):
    loader = Loader(range(200), transforms=lambda value: (np.ones((50, 50)) @ np.ones((50, 50)))[0] + value,
        batch_size=4, num_workers=2, worker="thread")
    for number, batch in enumerate(loader):
        if number == 5: break
    loader.close()
    assert threads() == before, threads()
print("good")
"""
    check(code, tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_child_forked_in_the_middle_of_a_batch_has_its_threads_too(tmp_path):
    code = """
loader = Loader(range(4000), transforms=lambda value: (np.ones((99, 99)) @ np.ones((99, 99)))[0], batch_size=8,
    num_workers=2, worker="thread")
iterator = iter(loader)
for _ in range(20):
    next(iterator)
    child = os.fork()
    if child == 0:
        list(Loader(range(4), transforms=lambda value: value + 1))
        os._exit(0 if threads() == before else 1)
    assert os.waitpid(child, 0)[1] == 0
iterator.close()
print("good")
"""
    check(code, tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_child_forked_while_the_limit_is_set_or_lifted_has_its_threads_too(tmp_path):
    code = """
from dataload import blas
put, children = blas._Library._set, []

def fork():
    blas._Library._set = put
    children.append(os.fork())
    if children[-1] == 0:
        os._exit(0 if threads() == before else 10)
    blas._Library._set = fork_and_set

def fork_and_set(self, number):
    fork()
    put(self, number)
    fork()

blas._Library._set = fork_and_set
with blas.single_threaded_blas:
    pass
assert len(children) == 4 * len(before), children
codes = {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
print("good" if codes == {0} and threads() == before else codes)
"""
    check(code, tmp_path)


def test_it_may_be_entered_again_inside():
    with single_threaded_blas, single_threaded_blas:
        assert np.ones((4, 4)) @ np.ones((4, 4)) is not None
    assert list(Loader([1])) == [np.array([1])]
