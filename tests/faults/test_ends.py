"""Every way in which a run can end: nothing of it is left."""

import os
import signal
import time

import pytest
from faults.scripts import Program, run

LOOP = """
import sys, time
from faults import harm
from dataload import Loader
loader = Loader(range(10**6), transforms=harm.{transform}, batch_size=2, num_workers=2, worker={worker!r})
iterator = iter(loader)
{ending}
"""
GO_ON = """
next(iterator)
print("ready", flush=True)
for batch in iterator: pass
"""
# Ready when both workers hang.
HANG = """
import os, pathlib, threading
def watch():
    while len(list(pathlib.Path(os.environ["HANGING"]).iterdir())) < 2: time.sleep(0.01)
    print("ready", flush=True)
threading.Thread(target=watch, daemon=True).start()
for batch in iterator: pass
"""


def started(folder, ending=GO_ON, worker="process", transform="sleep_a_bit"):
    """Return a program that may be ended: it has said that it is ready."""
    hanging = folder / "hanging"
    hanging.mkdir()
    running = Program(LOOP.format(ending=ending, worker=worker, transform=transform), folder, HANGING=str(hanging))
    running.wait_until_ready()
    return running


@pytest.mark.parametrize("worker", ["process", "thread"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_a_signal_ends_everything(how, group, worker, tmp_path):
    running = started(tmp_path, worker=worker)
    assert len(running.children) == (2 if worker == "process" else 0)
    (os.killpg if group else os.kill)(running.process.pid, how)
    status, _, errors = running.end()
    assert status == -how
    assert ("KeyboardInterrupt" in errors) == (how == signal.SIGINT)
    running.assert_nothing_is_left()


@pytest.mark.parametrize("transform", ["hang", "hang_natively"])
def test_ctrl_c_twice_does_not_wait_for_a_worker_that_hangs(transform, tmp_path):
    running = started(tmp_path, HANG, transform=transform)
    assert len(running.children) == 2
    for _ in range(2):
        os.killpg(running.process.pid, signal.SIGINT)
        time.sleep(0.1)
    status, _, errors = running.end()
    assert status == -signal.SIGINT and "KeyboardInterrupt" in errors
    running.assert_nothing_is_left()


@pytest.mark.parametrize("transform", ["hang", "hang_natively"])
def test_workers_that_hang_end_with_a_killed_parent(transform, tmp_path):
    running = started(tmp_path, HANG, transform=transform)
    assert len(running.children) == 2
    running.process.kill()
    running.end()
    running.assert_nothing_is_left()


@pytest.mark.parametrize("worker", ["process", "thread"])
@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("", 0),
        ("for batch in iterator: break", 0),
        ("sys.exit(5)", 5),
        ("for batch in iterator: raise RuntimeError('in the loop')", 1),
        ("import os; os._exit(6)", 6),
        ("global_list = [iterator]; del loader, iterator", 0),
        ("import threading; threading.Thread(target=lambda: [None for _ in zip(range(9), iterator)]).start()", 0),
    ],
    ids=["end of the script", "break", "sys.exit", "exception", "os._exit", "reference", "in a thread"],
)
def test_the_end_of_the_interpreter_ends_everything(ending, status, worker, tmp_path):
    running = started(tmp_path, 'next(iterator)\nprint("ready", flush=True)\n' + ending, worker=worker)
    code, _, errors = running.end()
    assert code == status, errors
    assert "Exception ignored" not in errors and "leaked" not in errors
    running.assert_nothing_is_left()


@pytest.mark.parametrize("leave", ["del iterator", "del loader, iterator", "loader.close()", "iterator.close()"])
@pytest.mark.parametrize("worker", ["process", "thread"])
def test_a_loader_that_is_left_ends_its_workers_at_once(leave, worker, tmp_path):
    code = f"""
    import gc, threading, psutil
    from faults import harm
    from dataload import Loader
    before = psutil.Process().num_fds()
    loader = Loader(range(10**6), transforms=harm.sleep_a_bit, batch_size=2, num_workers=2, worker={worker!r})
    iterator = iter(loader)
    batch = next(iterator)
    started = len(psutil.Process().children()), threading.active_count() - 1
    {leave}
    gc.collect()
    del batch
    left = len(psutil.Process().children()), threading.active_count() - 1, psutil.Process().num_fds() - before
    print(started, left)
    """
    [line] = run(code, tmp_path)
    # Process workers have a thread each that receives; epoll and the like are not counted, as there is none.
    started = "(2, 2)" if worker == "process" else "(0, 2)"
    assert line == f"{started} (0, 0, 0)"
