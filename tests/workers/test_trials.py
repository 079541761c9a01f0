"""worker="auto" where its trial of processes fails: threads make all batches, and the choice says why."""

import errno
import os
import re
import resource
import subprocess
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

import conformance
import numpy as np
import psutil
import pytest
from streams import one_at_a_time

from dataload import Loader
from dataload.workers import auto

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.timeout(120), pytest.mark.slow]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Processes are tried, however many cores there are."""
    monkeypatch.setattr("dataload.workers.auto.usable_cores", lambda: 2)
    monkeypatch.setattr("dataload.workers.auto._PATIENCE_SECONDS", 0.0)


def lock_inside():
    lock = threading.Lock()

    def transform(value):
        with lock:
            return one_at_a_time(value)

    return transform


def batch_that_does_not_pickle():
    return lambda samples: (np.stack(samples), (value for value in samples))


class Breaks:
    """A transform that cannot be unpickled."""

    def __call__(self, value):
        return one_at_a_time(value)

    def __setstate__(self, state):
        raise RuntimeError("cannot be set up there")

    def __getstate__(self):
        return {"a": 1}


class ExitsThere(Breaks):
    """A transform whose unpickling ends the process."""

    def __setstate__(self, state):
        os._exit(3)


def needs_this_process():
    here = os.getpid()

    def transform(value):
        import os

        if os.getpid() != here:
            raise LookupError("only the program has opened this")
        return one_at_a_time(value)

    return transform


def module_that_nobody_can_import(monkeypatch):
    module = types.ModuleType("ghost_of_tests")
    module.__spec__ = ModuleSpec("ghost_of_tests", None)
    exec("from streams import one_at_a_time\ndef transform(value): return one_at_a_time(value)", module.__dict__)
    monkeypatch.setitem(sys.modules, "ghost_of_tests", module)
    return {"transforms": module.transform}


def no_descriptors(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + 4, before[1]))
    monkeypatch.callback(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, before))


def no_processes(monkeypatch):
    def refuse(*args, **kwargs):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def no_memory(monkeypatch):
    def refuse(size):
        raise OSError(errno.ENOMEM, "no memory for a segment")

    monkeypatch.setattr("dataload.transport.payload.create", refuse)


def no_threads(monkeypatch):
    start = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith("dataload-receive"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


def executable(path):
    return lambda monkeypatch: monkeypatch.setattr(sys, "executable", path)


FAILURES = {
    "a transform that does not pickle": (lambda m: {"transforms": lock_inside()}, "NotPicklable: transform .*lock"),
    "a batch that does not pickle": (
        lambda m: {"collate_fn": batch_that_does_not_pickle()},
        "NotPicklable: a batch cannot be sent.*generator",
    ),
    "a transform that cannot be unpickled": (
        lambda m: {"transforms": Breaks()},
        "RuntimeError: cannot be set up there",
    ),
    "a worker that exits at once": (lambda m: {"transforms": ExitsThere()}, "WorkerNeverStarted: .*exited with code 3"),
    "a module that workers cannot import": (module_that_nobody_can_import, "ModuleNotFoundError: .*ghost_of_tests"),
    "a transform that needs this process": (
        lambda m: {"transforms": needs_this_process()},
        "LookupError: only the program has opened this",
    ),
    "no interpreter": (executable(None), "WorkerError: worker processes need a Python interpreter.*not set"),
    "an interpreter that is another program": (executable("/bin/false"), "WorkerNeverStarted: .*exited with code 1"),
    "an interpreter that is not there": (executable("/no/python"), "FileNotFoundError: .*/no/python"),
    "a frozen program": (
        lambda m: m.setattr(sys, "frozen", True, raising=False),
        "WorkerError: worker processes need .*frozen program",
    ),
    "no descriptors": (no_descriptors, "OSError: .*Too many open files"),
    "no processes": (no_processes, "BlockingIOError: .*Resource temporarily unavailable"),
    "no shared memory": (no_memory, "OSError: .*no memory for a segment"),
    "no threads to receive": (no_threads, "RuntimeError: can't start new thread"),
}


class Patch(pytest.MonkeyPatch):
    """A MonkeyPatch that also calls functions when it is undone."""

    def __init__(self):
        super().__init__()
        self.callbacks = []

    def callback(self, function):
        self.callbacks.append(function)

    def undo(self):
        super().undo()
        for function in self.callbacks:
            function()


@pytest.fixture
def patch():
    found = Patch()
    yield found
    found.undo()


@pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of POSIX")
@pytest.mark.parametrize("name", FAILURES)
def test_threads_make_all_batches_where_processes_cannot(name, patch):
    spoil, reason = FAILURES[name]
    # On a machine that stood still for the first burst, threads would be fast enough, and processes not even tried.
    patch.setattr(auto, "_SHARE", float("inf"))
    options = {"transforms": one_at_a_time, "batch_size": 4, "shuffle": True}
    options.update(spoil(patch) or {})
    with Loader(range(1200), **options, num_workers=2, worker="auto", timeout=60) as loader:
        seen = np.concatenate([batch[0] if isinstance(batch, tuple) else batch for batch in loader])
        choice = loader.stats.choice
        assert len(loader.stats.errors) == 0
    assert choice is not None and choice.worker == "thread"
    assert "processes cannot be used: " in choice.reason
    assert re.search(reason, choice.reason, re.DOTALL), choice.reason
    patch.undo()
    plain = Loader(range(1200), batch_size=4, shuffle=True)
    assert conformance.equal(seen, np.concatenate(list(plain)))


def test_an_error_of_the_data_in_a_trial_is_that_error():
    def transform(value):
        one_at_a_time(value)
        if value == 700:
            raise KeyError("of the data")
        return value

    with Loader(range(1200), transforms=transform, batch_size=4, num_workers=2, worker="auto") as loader:
        seen = []
        with pytest.raises(KeyError, match="of the data"):
            for batch in loader:
                seen += batch.tolist()
        assert seen == list(range(700))


@pytest.mark.skipif(sys.platform == "win32", reason="a path of POSIX")
def test_a_path_with_entries_that_are_no_text_is_no_reason(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, Path("/somewhere")])
    with Loader(range(1200), transforms=one_at_a_time, batch_size=4, num_workers=2, worker="auto") as loader:
        assert sum(map(len, loader)) == 1200
        assert "cannot be used" not in loader.stats.choice.reason
        assert "process" in loader.stats.choice.samples_per_second


def test_threads_that_must_do_although_something_draws_are_warned_of():
    lock = threading.Lock()

    def transform(value):
        with lock:
            return one_at_a_time(value) + np.random.rand()

    with (
        Loader(range(1200), transforms=transform, batch_size=4, num_workers=2, worker="auto") as loader,
        pytest.warns(
            RuntimeWarning, match=r"chosen threads: processes cannot be used: NotPicklable: .*cannot be repeated"
        ),
    ):
        assert sum(map(len, loader)) == 1200
    assert loader.stats.choice.worker == "thread"
