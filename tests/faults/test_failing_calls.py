"""System calls that fail: the stream is right or an error says why, and everything is released."""

import shutil
import subprocess
from pathlib import Path

import pytest
from faults.scripts import answers

# Of the loader's process and of a worker's, and how they fail in life. Sockets that are interrupted are asked again.
CALLS = {
    "parent": {
        "socketpair": ["EMFILE"],
        "pipe2": ["EMFILE"],
        "memfd_create": ["EMFILE"],
        "ftruncate": ["ENOSPC"],
        "mmap": ["ENOMEM"],
        "send": ["EIO", "EINTR"],
        "recv": ["EIO", "EINTR"],
        "sendmsg": ["EIO", "EINTR"],
        "recvmsg": ["EIO", "EINTR"],
    },
    "worker": {
        "memfd_create": ["EMFILE"],
        "ftruncate": ["ENOSPC", "EIO"],
        "mmap": ["ENOMEM"],
        "send": ["EIO", "EINTR"],
        "recv": ["EIO", "EINTR"],
        "sendmsg": ["EIO", "EINTR"],
    },
}


@pytest.fixture(scope="module")
def failing_calls(tmp_path_factory) -> str:
    """A library to be preloaded that lets calls fail."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = tmp_path_factory.mktemp("library") / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return str(library)


RUN = """
import ctypes, errno, gc, json, os, threading
import numpy as np, psutil
from dataload import ArraySource, Loader

def fail(call, nth, code):
    ctypes.CDLL({library!r}).fail_call(call.encode(), nth, code)

class Source:
    def __init__(self, call, nth, code):
        self.order, self.parent = (call, nth, code), os.getpid()
    def __len__(self):
        return 24
    def __getitem__(self, index):
        # In the worker, before its first batch.
        if self.order and os.getpid() != self.parent:
            fail(*self.order)
            self.order = None
        return np.full(1000 * (index + 1), index, np.float32)

def held():
    gc.collect()
    process = psutil.Process()
    return process.num_fds(), len(process.children()), threading.active_count()

expected = [float(batch.sum()) for batch in Loader(Source("", 0, 0), batch_size=1)]
threading.Thread(target=gc.collect).start()
before = None
for call, names in {calls!r}.items():
    for name in names:
        for nth in (1, 2, 3):
            code = getattr(errno, name)
            found, error = [], None
            loader = Loader(Source(call, nth, code), batch_size=1, num_workers=1, worker="process", timeout=30)
            try:
                if {where!r} == "parent":
                    fail(call, nth, code)
                found = [float(batch.sum()) for batch in loader]
            except Exception as raised:
                error = type(raised).__name__ + ": " + str(raised)
            finally:
                failed = ctypes.CDLL({library!r}).has_failed() if {where!r} == "parent" else error
                fail("", 0, 0)
                loader.close()
                del loader
            before = before or held()
            left = [b - a for a, b in zip(before, held())]
            print(json.dumps(dict(call=call, errno=name, nth=nth, error=error, failed=bool(failed),
                                  right=found == expected, left=left)), flush=True)
"""


@pytest.mark.parametrize("where", ["parent", "worker"])
def test_a_call_that_fails_is_survived_or_named(where, failing_calls, tmp_path):
    calls = CALLS[where]
    code = RUN.format(library=failing_calls, calls=calls, where=where)
    outcomes = answers(code, tmp_path, LD_PRELOAD=failing_calls)
    assert len(outcomes) == 3 * sum(map(len, calls.values()))
    for outcome in outcomes:
        assert outcome["right"] or outcome["error"], f"wrong batches without an error: {outcome}"
        assert max(outcome["left"]) <= 0, f"something is left: {outcome}"
        if outcome["error"]:
            assert "WorkerTimeout" not in outcome["error"], f"it hung: {outcome}"
        if outcome["errno"] == "EINTR":
            assert outcome["right"], f"an interrupted call is to be repeated: {outcome}"
    for call in calls if where == "parent" else ("memfd_create", "ftruncate", "mmap"):
        assert any(outcome["failed"] for outcome in outcomes if outcome["call"] == call), f"{call} never failed"
