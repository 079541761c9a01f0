"""Descriptors, memory and threads that run out."""

import os
import shutil
import subprocess
import sys

import pytest
from faults.scripts import answers, path_with, run

DESCRIPTORS = """
import gc, json, resource, threading
import numpy as np, psutil
from dataload import Loader
from dataload.errors import DataloadError

class Source:
    def __len__(self):
        return 30
    def __getitem__(self, index):
        return np.full(100_000, index, np.float32)

def batches(**options):
    with Loader(Source(), batch_size=2, worker="process", timeout=60, **options) as loader:
        # All are kept, so that every batch needs a slot of its own.
        return [float(batch.sum()) for batch in list(loader)]

expected = batches(num_workers=0)
assert batches(num_workers=2) == expected
gc.collect()
process = psutil.Process()
before = process.num_fds()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for more in range(0, 30):
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + more, hard))
    error = found = None
    try:
        found = batches(num_workers=2)
    except (OSError, DataloadError) as raised:
        error = "; ".join([str(raised), *getattr(raised, "__notes__", [])])
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.collect()
    print(json.dumps(dict(more=more, error=error, right=found == expected, left=process.num_fds() - before,
                          children=len(process.children()))), flush=True)
"""


def test_any_number_of_descriptors_is_enough_or_the_error_says_that_they_are_not(tmp_path):
    outcomes = answers(DESCRIPTORS, tmp_path)
    for outcome in outcomes:
        assert outcome["right"] or outcome["error"], outcome
        assert outcome["left"] <= 0 and outcome["children"] == 0, outcome
        if outcome["error"]:
            assert "descriptor" in outcome["error"] or "open files" in outcome["error"], outcome
    assert outcomes[0]["error"] and outcomes[-1]["right"], "the limit made no difference"


def test_a_worker_that_may_use_no_more_memory_says_so(tmp_path):
    code = """
    import resource
    import numpy as np
    from dataload import Loader
    def limited(index):
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, resource.RLIM_INFINITY))
        return np.zeros(20_000_000 if index >= 4 else 10, np.float32)
    loader = Loader(range(8), transforms=limited, batch_size=2, num_workers=2, worker="process", timeout=60)
    batches = iter(loader)
    print(len(next(batches)), len(next(batches)))
    try:
        next(batches)
    except MemoryError as error:
        print(*error.__notes__)
    """
    first, second = run(code, tmp_path)
    assert first == "2 2"
    assert "limited" in second and "sample 4" in second and "batch 2 of epoch 0, process worker" in second


def test_shared_memory_that_cannot_be_had_is_an_error_of_the_batch(tmp_path):
    code = """
    import resource
    import numpy as np
    from dataload import Loader
    def collate(samples):
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        batch = np.zeros(2_000_000 if samples[0] else 10, np.float32)  # not in shared memory: it is copied there
        if samples[0]:
            resource.setrlimit(resource.RLIMIT_AS, (used + 9_000_000, used + 9_000_000))
        return batch
    loader = Loader(range(4), batch_size=1, collate_fn=collate, num_workers=1, worker="process", timeout=60)
    batches = iter(loader)
    print(len(next(batches)))
    try:
        next(batches)
    except (MemoryError, OSError) as error:
        print(error, *error.__notes__)
    """
    first, second = run(code, tmp_path)
    assert first == "10"
    assert "batch 1 of epoch 0" in second


def test_threads_that_cannot_be_started_are_an_error_and_leave_nothing(tmp_path):
    code = """
    import threading, psutil
    from dataload import Loader
    start = threading.Thread.start
    allowed = 0
    def refuse(self):
        global allowed
        if allowed == 0:
            raise RuntimeError("can't start new thread")
        allowed -= 1
        start(self)
    threading.Thread.start = refuse
    for worker in ("thread", "process"):
        for allowed in (0, 1):
            fds = psutil.Process().num_fds()
            try:
                next(iter(Loader(range(8), num_workers=2, worker=worker)))
            except RuntimeError as error:
                left = len(psutil.Process().children()), psutil.Process().num_fds() - fds
                print(error, *left, threading.active_count())
    """
    assert run(code, tmp_path) == ["can't start new thread 0 0 1"] * 4


BIG = """
import numpy as np
from dataload import ArraySource, Loader
source = ArraySource(np.ones((64, 1_000_000), np.float32))
with Loader(source, batch_size=4, num_workers=2, worker="process") as loader:
    batches = list(loader)
print(len(batches), all((batch == 1).all() for batch in batches))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="has memory without a name on Linux only")
def test_a_small_dev_shm_does_not_matter(tmp_path):
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size=64m tmpfs /dev/shm && exec {sys.executable} -c '{BIG}'"
    command = [unshare or "unshare", "-m", "sh", "-c", mount]
    if unshare is None or subprocess.run([unshare, "-m", "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path_with("")})
    assert done.stdout == "16 True\n", done.stderr
