"""One stream as libsndfile is given it, and segments of long ones in formats whose decoders do not seek exactly.

Such a stream is a row of blocks of a minute. Each is decoded in the same way whichever segment is asked for, so that a
segment depends on the file and on nothing else; those that were read last are kept.
"""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from dataload.memory import Float32

SECONDS = 60
# What decoders give from here and from elsewhere on nears the same within this time. In Vorbis a seek into the last
# page of the file, of a few seconds, misses by up to a thousand samples (libsndfile issue 885), so the last block is
# never shorter than a whole one.
_LEAD_SECONDS = 1

# Called as choose(frames, sample_rate) -> (first frame, number of frames); both may reach beyond the file.
Choose = Callable[[int, int], tuple[int, int]]
# A path, and when and how large the file was: one that was written anew is another one.
Key = tuple[str, int, int]


class Memory(io.BytesIO):
    """Bytes as a file that does not mind where a damaged header sends the reader."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a place; one before the start is the start."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            return super().seek(0)


class Input(NamedTuple):
    """One stream for libsndfile.

    Attributes:
        name: of the file, for messages.
        file: a descriptor, or a binary file at its start.
        size: in bytes.
        start: the first bytes, for messages.
        frames: how many there are, where that is known better than libsndfile does.
        integers: whether samples have to be read as integers: of depths that libsndfile does not scale.
        slices: whether only the whole can be trusted, so that a segment is cut from it.
        key: tells the file from all others, where its blocks may be kept.
    """

    name: str
    file: int | BinaryIO
    size: int
    start: bytes
    frames: int | None = None
    integers: bool = False
    slices: bool = False
    key: Key | None = None

    def begun(self) -> int | BinaryIO:
        """Return the file at its start."""
        if isinstance(self.file, int):
            os.lseek(self.file, 0, os.SEEK_SET)
        else:
            self.file.seek(0)
        return self.file


class Kept:
    """The blocks that were read last, by all threads.

    Args:
        size: how many.

    Attributes:
        misses: how many had to be decoded.
    """

    def __init__(self, size: int) -> None:
        self.misses = 0
        self._size = size
        self._blocks: OrderedDict[Any, Float32] = OrderedDict()
        # Two threads that move entries at the same time would break the order.
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], Float32]) -> Float32:
        """Return the block of a key, made now if it is not kept; two threads may make the same one."""
        with self._lock:
            if (block := self._blocks.get(key)) is not None:
                self._blocks.move_to_end(key)
                return block
            self.misses += 1
        block = make()
        with self._lock:
            self._blocks[key] = block
            while len(self._blocks) > self._size:
                self._blocks.popitem(last=False)
        return block

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._blocks.clear()
            self.misses = 0


KEPT = Kept(8)


def bounds(chosen: tuple[int, int], frames: int) -> tuple[int, int]:
    """Return the first frame of a segment, and the one behind it, within what is there."""
    first = min(chosen[0], frames)
    return first, min(first + chosen[1], frames)


def read(source: Input, sound: Any, frames: int, first: int, stop: int, reopen: Callable[[], Any]) -> Float32:
    """Return the frames from `first` up to `stop`, (frames, channels), of a stream with `frames` in all.

    What is left over at the end, less than a minute, belongs to the last block.

    Args:
        source: the stream.
        sound: the same, open.
        frames, first, stop: as said.
        reopen: opens it once more, at its start.
    """
    length = SECONDS * sound.samplerate
    last = frames // length - 1
    parts = [np.empty((0, sound.channels), np.float32)]
    for number in range(min(first // length, last), min((stop - 1) // length, last) + 1):
        rows = frames - last * length if number == last else length
        make = partial(_block, reopen, number, rows)
        block = make() if source.key is None else KEPT.get((source.key, number, rows), make)
        begin = number * length
        parts.append(block[max(0, first - begin) : max(0, stop - begin)])
    return np.concatenate(parts)


def _block(reopen: Callable[[], Any], number: int, frames: int) -> Float32:
    """Return so many frames from the start of a block on."""
    with reopen() as sound:
        lead = min(number, _LEAD_SECONDS) * sound.samplerate
        if number:
            sound.seek(number * SECONDS * sound.samplerate - lead)
        samples: Float32 = sound.read(out=np.empty((lead + frames, sound.channels), np.float32))
        return samples[lead:]
