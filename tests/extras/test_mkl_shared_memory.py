"""MKL, which the `fast` extra brings: worker processes leave nothing of its OpenMP in shared memory."""

from pathlib import Path

import pytest
from faults.scripts import run

pytest.importorskip("mkl_fft")
SHARED = Path("/dev/shm")

CODE = """
import os
import numpy as np
from dataload import Loader
def transform(value):
    import mkl_fft
    mkl_fft.fft(np.ones(1 << 16))
    return os.getpid()
loader = Loader(range(100), transforms=transform, num_workers=2, worker="process")
for epoch in range(3):  # left early, so that the workers are ended while they work
    print(*{int(batch[0]) for batch, _ in zip(loader, range(6))})
loader.close()
"""


@pytest.mark.skipif(not SHARED.is_dir(), reason="the system has no /dev/shm")
def test_nothing_is_left_in_shared_memory(tmp_path):
    before = set(SHARED.iterdir())
    pids = " ".join(run(CODE, tmp_path)).split()
    assert pids
    left = [path.name for path in set(SHARED.iterdir()) - before if any(f"_{pid}_" in path.name for pid in pids)]
    assert not left
