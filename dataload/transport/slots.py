"""Slots: shared memory that batches travel in, from the worker that fills them to the loader that reads them.

The worker makes slots and collates straight into them. The loader maps each slot once, hands out arrays in it, and
tells the worker when the last of them is gone; then the worker uses the slot again. A consumer that keeps its batches
keeps their slots, and the worker makes others. Messages, in both directions, travel with those about tasks:

    worker -> loader   made: new slots (descriptors beside), dropped: slots that will not be used again,
                       and for each array of the batch where it lies
    loader -> worker   free: slots whose last array is gone
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dataload.memory import BatchAllocator, Bytes, SmallArrays, aligned_bytes, block_size, is_small
from dataload.transport.shared import SharedMemory, create

# Free slots that a worker keeps; with the usual prefetching it needs three or four.
_KEEP = 8
# A slot that is kept costs a mapping, of which a process has about 65 000. A consumer that keeps more batches than
# this per worker gets copies of the further ones.
_MAX_KEPT = 256

Place = tuple[int, int, int]


class Manifest(NamedTuple):
    """What the loader must know to read a batch.

    Attributes:
        made: (number, size, name) of each new slot; name is None where a descriptor is sent.
        dropped: numbers of the slots that the loader should forget.
        places: (slot, start, size) of each array of the batch, in order.
    """

    made: list[tuple[int, int, str | None]]
    dropped: list[int]
    places: list[Place]


class SlotWriter:
    """The worker's slots; the `Pool` that its batches are allocated from."""

    def __init__(self) -> None:
        self._memories: dict[int, SharedMemory] = {}
        self._free: deque[int] = deque()
        self._size = 1 << 20
        self._number = 0
        self._taken: list[tuple[int, Bytes]] = []
        self._manifest = Manifest([], [], [])
        self._descriptors: list[int] = []

    def release(self, numbers: Sequence[int]) -> None:
        """Note that the loader has no more use for these slots; may be called from another thread."""
        self._free.extend(numbers)

    def allocator(self) -> BatchAllocator:
        """Return the allocator for the next batch."""
        # What an unfinished batch took was never sent.
        self._free.extend(number for number, _ in self._taken)
        self._taken = []
        while len(self._free) > _KEEP:
            self._drop(self._free.popleft())
        return BatchAllocator(self)

    def take(self, size: int) -> Bytes:
        """Return the memory of a free slot of at least `size` bytes, or of a new one."""
        if size > self._size:
            self._size = block_size(size)
        while self._free:
            number = self._free.pop()
            if self._memories[number].size >= size:
                break
            self._drop(number)
        else:
            number = self._make()
        block = self._memories[number].block()
        self._taken.append((number, block))
        return block

    def largest(self) -> int:
        """Return 0: the loader copies small arrays out of the slot."""
        return 0

    def used(self, size: int) -> None:
        """Do nothing: see `largest`."""

    def _make(self) -> int:
        handle = create(self._size)
        try:
            memory = SharedMemory(handle, self._size)
        except BaseException:
            if isinstance(handle, int):
                os.close(handle)
            raise
        self._number += 1
        self._memories[self._number] = memory
        if isinstance(handle, int):
            self._descriptors.append(handle)
        self._manifest.made.append((self._number, self._size, handle if isinstance(handle, str) else None))
        return self._number

    def _drop(self, number: int) -> None:
        del self._memories[number]
        self._manifest.dropped.append(number)

    def finish(self, allocator: BatchAllocator, buffers: Sequence[Any]) -> tuple[Manifest, list[int]]:
        """Say where the arrays of a batch lie; those that are not in a slot yet are copied into one.

        Args:
            allocator: that the batch was made with.
            buffers: the memory of each array.

        Returns:
            The manifest, and the descriptors to be sent with it and closed.
        """
        ranges = [(block.ctypes.data, number, len(block)) for number, block in self._taken]
        places = []
        for buffer in buffers:
            array = np.frombuffer(buffer, np.uint8)
            place = _find(ranges, array)
            if place is None:
                copy = allocator((len(array),), array.dtype)
                copy[...] = array
                ranges = [(block.ctypes.data, number, len(block)) for number, block in self._taken]
                place = _find(ranges, copy)
                assert place is not None
            places.append(place)
        used = {number for number, _, _ in places}
        self._free.extend(number for number, _ in self._taken if number not in used)
        self._taken = []
        manifest, self._manifest = self._manifest._replace(places=places), Manifest([], [], [])
        descriptors, self._descriptors = self._descriptors, []
        return manifest, descriptors


def _find(ranges: list[tuple[int, int, int]], array: Bytes) -> Place | None:
    address = array.ctypes.data
    for start, number, size in ranges:
        if start <= address and address + len(array) <= start + size:
            return number, address - start, len(array)
    return None


class SlotReader:
    """The loader's view of one worker's slots."""

    def __init__(self) -> None:
        self._memories: dict[int, SharedMemory] = {}
        # Appended to by finalisers, which run at any moment in any thread: only atomic calls are safe here.
        self._freed: deque[int] = deque()
        # How many were handed out and how many are back; each is written by one thread only.
        self._handed_out = self._back = 0
        self._watched: dict[int, weakref.ref[Bytes]] = {}
        self._small = SmallArrays()

    def update(self, manifest: Manifest, descriptors: Sequence[int]) -> None:
        """Map the slots that are new and forget those that are gone; closes the descriptors."""
        handles = iter(descriptors)
        try:
            for number, size, name in manifest.made:
                self._memories[number] = SharedMemory(next(handles) if name is None else name, size)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        for number in manifest.dropped:
            del self._memories[number]
            self._watched.pop(number, None)

    def buffers(self, manifest: Manifest) -> list[Bytes]:
        """Return the memory of each array of a batch.

        A slot is free when all arrays in it are gone; small arrays are copied, so that keeping one does not keep it.
        """
        blocks: dict[int, Bytes] = {}
        for number in {number for number, _, _ in manifest.places}:
            blocks[number] = block = self._memories[number].block()
            self._handed_out += 1
            # Not by `weakref.finalize`, which takes five times as long.
            self._watched[number] = weakref.ref(block, partial(_free, self._freed, number))
        full = self._handed_out - self._back - len(self._freed) > _MAX_KEPT
        total = sum(size for *_, size in manifest.places)
        arrays = []
        for number, start, size in manifest.places:
            array = blocks[number][start : start + size]
            if is_small(size, total):
                array = self._small.copy(array)
            elif full:
                array = _copy(array)
            arrays.append(array)
        return arrays

    def freed(self) -> list[int]:
        """Return the slots that became free since the last call, to be told to the worker."""
        # More may come meanwhile; nobody else takes any.
        numbers = [self._freed.popleft() for _ in range(len(self._freed))]
        self._back += len(numbers)
        return numbers


def _free(freed: deque[int], number: int, block: weakref.ref[Bytes]) -> None:
    freed.append(number)


def _copy(array: Bytes) -> Bytes:
    copy = aligned_bytes(len(array))
    copy[...] = array
    return copy
