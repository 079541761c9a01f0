"""Memory is used again when the last view of it is gone, and not a moment earlier."""

import gc

import numpy as np
import pytest

from dataload.memory import BatchAllocator, Recycler


def fill(recycler, value, shape=(100, 100)):
    alloc = recycler.allocator()
    array = alloc(shape, np.dtype(np.float32))
    array[...] = value
    return array


def test_a_thousand_batches_one_after_the_other_share_one_block():
    recycler = Recycler(keep=4)
    for i in range(1000):
        fill(recycler, i)
    assert recycler.made == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[3:5, 2],
        lambda x: x.reshape(-1)[::7].T,
        lambda x: x.view(np.uint8)[1:],
        lambda x: memoryview(x)[1:],
        lambda x: np.broadcast_to(x[0], (5, 100)),
    ],
)
def test_any_view_keeps_the_memory(view):
    recycler = Recycler(keep=4)
    fill(recycler, 0)  # A first batch is in no block.
    kept = view(fill(recycler, 1))
    before = np.asarray(kept).copy()
    for i in range(5):
        fill(recycler, i + 2)
    assert recycler.made == 2
    assert np.array_equal(np.asarray(kept), before)
    del kept
    gc.collect()
    held = [fill(recycler, 9) for _ in range(2)]
    assert recycler.made == 2 and len(held) == 2


def test_a_small_array_of_the_first_batch_does_not_keep_the_others():
    recycler = Recycler(keep=4)
    for order in (((4,), (1000,)), ((1000,), (4,))):
        alloc = recycler.allocator()
        small = min((alloc(shape, np.dtype(np.float64)) for shape in order), key=len)
        assert small.base.nbytes < 1000


def test_batches_that_are_kept_stay_as_they_were():
    recycler = Recycler(keep=4)
    kept = [fill(recycler, i) for i in range(50)]
    assert all((array == i).all() for i, array in enumerate(kept))
    del kept
    assert len(recycler._free) == 4


def test_arrays_are_writable_and_start_on_64_byte_boundaries():
    alloc = Recycler(keep=1).allocator()
    for shape, dtype in [((3,), "i1"), ((5, 7), "f8"), ((), "f4"), ((0, 4), "i8"), ((1 << 20,), "f4"), ((9,), "U3")]:
        array = alloc(shape, np.dtype(dtype))
        array[...] = 1
        assert array.shape == shape and array.dtype == dtype and array.ctypes.data % 64 == 0


def test_a_batch_that_outgrows_its_block_makes_the_next_ones_bigger():
    recycler = Recycler(keep=4)
    for _ in range(20):
        alloc = recycler.allocator()
        arrays = [alloc((1 << 19,), np.dtype(np.float32)) for _ in range(4)]
        for i, array in enumerate(arrays):
            array[...] = i
        assert all((array == i).all() for i, array in enumerate(arrays))
        del arrays, alloc
    assert recycler.made <= 4


def test_objects_have_no_place_in_a_block():
    recycler = Recycler(keep=1)
    assert BatchAllocator(recycler)((2,), np.dtype(object)).dtype == object and recycler.made == 0
