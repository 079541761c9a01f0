"""Segments: shared, nameless, and gone with their last view."""

import os
from pathlib import Path

import numpy as np
import pytest

from dataload.transport.shared import SharedMemory, create

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def mappings() -> int:
    return sum("dataload-" in line for line in Path("/proc/self/maps").read_text().splitlines())


@pytest.fixture(params=["memfd", "shm_open"])
def descriptor(request, monkeypatch):
    """A segment of 1 MB, made in either of the two POSIX ways."""
    if request.param == "shm_open":
        monkeypatch.delattr(os, "memfd_create")
    before = set(Path("/dev/shm").iterdir())
    handle = create(1 << 20)
    assert set(Path("/dev/shm").iterdir()) == before, "the segment has a name"
    yield handle
    os.close(handle)


def test_what_one_mapping_writes_another_one_reads(descriptor):
    a, b = SharedMemory(descriptor, 1 << 20).block(), SharedMemory(descriptor, 1 << 20).block()
    a[5] = 7
    assert b[5] == 7 and len(b) == 1 << 20 and b.flags.writeable and b.ctypes.data % 4096 == 0


def test_what_a_private_mapping_writes_stays_with_it(descriptor):
    shared, private = SharedMemory(descriptor, 1 << 20).block(), SharedMemory(descriptor, 1 << 20, private=True).block()
    shared[0] = 1
    assert private[0] == 1
    private[0] = 2
    assert shared[0] == 1


def test_a_mapping_lives_as_long_as_its_last_view(descriptor):
    before = mappings()
    view = SharedMemory(descriptor, 1 << 20).block()[64:128].view(np.float32).reshape(4, 4)[1:]
    assert mappings() == before + 1
    view += 1
    assert (view == 1).all()
    del view
    assert mappings() == before


def test_a_bad_descriptor_is_an_os_error():
    with pytest.raises(OSError, match="cannot map"):
        SharedMemory(10**6, 4096)
