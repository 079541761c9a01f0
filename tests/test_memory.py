"""Memory that is used again: never while anybody holds what lies in it."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.memory import SmallArrays, reused_empty

SHAPE = (300, 200)


def address(array):
    return array.ctypes.data


def test_the_memory_of_an_array_is_used_again_once_its_last_view_is_gone():
    array = reused_empty(SHAPE, np.float32)
    view, first = array[5:9].T, address(array)
    del array
    gc.collect()
    held = [reused_empty(SHAPE, np.float32) for _ in range(5)]
    assert first not in map(address, held)
    del view
    gc.collect()
    again = [reused_empty(SHAPE, np.float32) for _ in range(5)]
    assert first in map(address, again)


def test_arrays_that_are_held_never_share_memory():
    held = [reused_empty(SHAPE, np.float32) for _ in range(100)]
    for i, array in enumerate(held):
        array[...] = i
    assert all((array == i).all() for i, array in enumerate(held))


@pytest.mark.parametrize("shape", [(0,), (3,), (1 << 23, 4)])
def test_small_and_huge_arrays_are_left_to_numpy(shape):
    assert reused_empty(shape, np.float32).base is None


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60))
def test_copies_of_small_arrays_are_apart_and_keep_at_most_64_times_their_memory(sizes):
    copies, small = [], SmallArrays()
    for number, size in enumerate(sizes):
        copies.append(small.copy(np.full(size, number, np.uint8)))
    for number, (size, copy) in enumerate(zip(sizes, copies, strict=True)):
        assert copy.ctypes.data % 64 == 0 and copy.flags.writeable
        assert copy.tolist() == [number] * size
        assert copy.base.nbytes <= 64 * size + 64
