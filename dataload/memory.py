"""Memory for batches: where collated arrays are written, and when that memory is used again.

Fresh memory is slow: the first touch of each page costs more than filling it. So batches are written into blocks that
are used again and again. A block is free when the last array in it is gone, however the consumer came by that array
(a slice, a torch tensor that shares it, ...), and not a moment earlier.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

# TensorFlow and JAX take over an array without copying only if it starts on a boundary of this many bytes.
ALIGNMENT = 64
# The first block. Later ones are twice what a batch needed: pages that are never touched cost nothing.
_FIRST_BLOCK = 1 << 20

# An array that is kept keeps its block: at most this many times as much memory. Copying less would not be noticed.
_SMALL = 64
# A block for copies of small arrays, unless one of them needs more.
_SMALL_BLOCK = 1 << 15

Allocator = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]
Bytes = NDArray[np.uint8]
Float32 = NDArray[np.float32]


def aligned_bytes(size: int) -> Bytes:
    """Return `size` bytes of fresh memory, starting on a 64-byte boundary: (size,) uint8, not initialised."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    # In two steps: numpy lets a slice of no bytes begin at `raw`.
    return raw[start:][:size]


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a fresh array that starts on a 64-byte boundary, not initialised."""
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        return np.empty(shape, dtype)
    return aligned_bytes(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


def owner(buffer: Any) -> Bytes:
    """Return an array over all of `buffer` that every view made of it, directly or not, keeps alive.

    numpy lets a view of a view refer to the array that owns the memory, skipping those between. Here no array owns
    it, so the chain ends at the array returned, and its end is the end of the last view.
    """
    return np.frombuffer(memoryview(buffer), np.uint8)


class Pool(Protocol):
    """Gives out blocks."""

    def take(self, size: int) -> Bytes:
        """Return a block of at least `size` bytes, made by `owner`."""
        ...

    def largest(self) -> int:
        """Return how many bytes of a block the largest batch so far has filled; 0 puts every array into a block."""
        ...

    def used(self, size: int) -> None:
        """Take note that a batch fills `size` bytes of a block, more than the largest so far."""
        ...


class BatchAllocator:
    """Writes the arrays of one batch behind each other, each on a 64-byte boundary.

    A small array gets memory of its own: a consumer that keeps the labels of every batch would else keep all of them.

    Args:
        pool: where blocks come from. One block holds the batch, unless it grows beyond what earlier ones needed.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._block: Bytes | None = None
        self._used = 0
        # What arrays are small beside: the largest batch before this one.
        self._beside = self._largest = pool.largest()

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array, not initialised."""
        dtype = np.dtype(dtype)
        if dtype.hasobject:
            return np.empty(shape, dtype)
        size = math.prod(shape) * dtype.itemsize
        if is_small(size, self._beside):
            return aligned_empty(shape, dtype)
        start = -(-self._used // ALIGNMENT) * ALIGNMENT
        if self._block is None or start + size > len(self._block):
            # What the batch holds so far is asked for too, so that the next batch of this size fits into one block.
            self._block, start = self._pool.take(start + size), 0
        self._used = start + size
        if self._used > self._largest:
            self._largest = self._used
            self._pool.used(self._used)
        return self._block[start : start + size].view(dtype).reshape(shape)


class Recycler:
    """Blocks of this process's memory.

    Args:
        keep: how many free blocks to keep; more are given back to the system.
    """

    def __init__(self, keep: int) -> None:
        # Appended to by finalisers, which run at any moment in any thread: only a deque's atomic calls are safe here.
        self._free: deque[Bytes] = deque(maxlen=keep)
        self._size = _FIRST_BLOCK
        self._largest = 0
        self.made = 0

    def take(self, size: int) -> Bytes:
        """Return a free block of at least `size` bytes, or a new one."""
        if size > self._size:
            self._size = block_size(size)
        while True:
            try:
                memory = self._free.pop()
            except IndexError:
                memory = aligned_bytes(self._size)
                self.made += 1
            if len(memory) >= size:
                block = owner(memory)
                weakref.finalize(block, self._free.append, memory).atexit = False
                return block

    def largest(self) -> int:
        """Return how many bytes of a block the largest batch so far has filled."""
        return self._largest

    def used(self, size: int) -> None:
        """Take note that a batch fills `size` bytes of a block, more than the largest so far."""
        self._largest = size

    def allocator(self) -> Allocator:
        """Return the allocator for one batch."""
        return BatchAllocator(self) if self._largest else self._apart()

    def _apart(self) -> Allocator:
        """Return the allocator for a first batch: what is small beside it is not known, so nothing shares a block."""
        filled = 0

        def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
            nonlocal filled
            array = aligned_empty(shape, dtype)
            filled += array.nbytes
            self._largest = max(self._largest, filled)
            return array

        return empty


# What a sample is made of is usually gone when the next sample is made. The system's allocator gives memory of this
# size back each time, and touching it again costs a page fault per 4 KiB: an eighth of the time from FLAC to log-mel.
# Larger arrays are left to it, so that a recording of hours is not kept.
_MIN_REUSED, _MAX_REUSED = 1 << 17, 1 << 24
_short_lived = Recycler(keep=32)


def reused_empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> NDArray[Any]:
    """Return an array for a value on its way through the transforms, not initialised, in memory that is used again.

    It belongs to the caller like any other array: its memory is used again when its last view is gone.
    """
    dtype = np.dtype(dtype)
    if _MIN_REUSED <= math.prod(shape) * dtype.itemsize <= _MAX_REUSED:
        return BatchAllocator(_short_lived)(shape, dtype)
    return np.empty(shape, dtype)


def is_small(size: int, batch: int) -> bool:
    """Return whether an array of `size` bytes is small beside its batch, so that keeping it should not keep that."""
    return 0 < size * _SMALL <= batch


class SmallArrays:
    """Memory for copies of arrays that are small beside their batch; for one thread.

    Some of about one size share a block, as looking for a boundary takes longer than the copy. One that is kept keeps
    at most that block: 64 times as much memory.
    """

    def __init__(self) -> None:
        self._block = aligned_bytes(0)
        self._used = 0

    def copy(self, array: Bytes) -> Bytes:
        """Return a copy of an array, on a 64-byte boundary."""
        size = len(array)
        start = -(-self._used // ALIGNMENT) * ALIGNMENT
        if start + size > len(self._block) or size * _SMALL < len(self._block):
            self._block, start = aligned_bytes(min(size * _SMALL, max(size, _SMALL_BLOCK))), 0
        self._used = start + size
        copy = self._block[start : self._used]
        # numpy would let go of the GIL meanwhile, and a thread that receives batches then waits for the training loop
        # to let go of it: that cost a tenth of the batches per second.
        copy.data[:] = array.data
        return copy


def block_size(size: int) -> int:
    """Return the size of a block for batches that need `size` bytes: room to grow, in powers of two."""
    return 1 << (2 * size - 1).bit_length()
