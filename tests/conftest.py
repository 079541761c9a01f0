"""What all tests share: the real speech, and a count of what a test leaves behind."""

import gc
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

# Hooks: pytest looks for them here.
from skips import pytest_make_collect_report, pytest_runtest_makereport, pytest_terminal_summary  # noqa: F401

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What worker="auto" finds in one test is not for another one, nor for who runs the tests.
os.environ["DATALOAD_REMEMBER"] = "0"

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is no property of the code: machines are busy.
settings.register_profile("dataload", deadline=None)
settings.load_profile("dataload")

ROOT = Path(__file__).resolve().parents[1]
FSDD = ROOT / "tests" / "data" / "speech"


@pytest.fixture(scope="session")
def fsdd() -> Path:
    """A folder of 300 recordings of the Free Spoken Digit Dataset, named {digit}_{speaker}_{take}.wav."""
    return FSDD


def pytest_addoption(parser):
    parser.addoption("--budget", type=int, default=1, help="how many times as long fault and fuzz tests run; 1")


def pytest_collection_modifyitems(config, items):
    """Give tests the time that belongs to their budget."""
    budget = config.getoption("--budget")
    for item in items if budget > 1 else ():
        mark = item.get_closest_marker("timeout")
        if mark is not None and "budget" in item.fixturenames:
            item.add_marker(pytest.mark.timeout(budget * mark.args[0]), append=False)


def pytest_collection_finish():
    """Keep the garbage collector off the frameworks, which are loaded now: a look at them takes half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def budget(request) -> int:
    """How many times as much as usual a test of faults may do."""
    return request.config.getoption("--budget")


def _held() -> tuple[set[int], set[int], int]:
    process = psutil.Process()
    children = {child.pid for child in process.children(recursive=True)}
    # By identity: other libraries' threads may end during a test, and are not ours to count.
    threads = {thread.ident for thread in threading.enumerate() if thread.name.startswith("dataload")}
    return children, threads, process.num_fds()


@pytest.fixture
def leaves_nothing():
    """Fail a test that leaves a process, a thread of the loader or a file descriptor behind."""
    gc.collect()
    children, threads, descriptors = _held()
    yield
    deadline = time.monotonic() + 2
    while True:
        gc.collect()
        now = _held()
        new_children, new_threads, new_descriptors = now[0] - children, now[1] - threads, now[2] - descriptors
        if not new_children and not new_threads and new_descriptors <= 0:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    pytest.fail(f"left behind: processes {new_children}, threads {new_threads}, {new_descriptors} file descriptors")
