"""Long lists as two arrays that worker processes share, in place of objects that each of them would have of its own.

Even where memory is shared by a fork, Python's objects are not for long: counting references writes to their pages.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from dataload.memory import Bytes
from dataload.samplers.base import IndexArray
from dataload.sources.concat import ConcatSource

# What shorter lists take is not worth the time that unpickling takes at every read, about a microsecond.
_MIN_LENGTH = 4096
# Bytes by which a pickle alone may be longer than as a part of another: its frame, and names of fields.
_SMALL = 200


class PackedList:
    """The elements of a list, each pickled; a read makes a new one.

    Args:
        data: (bytes,) uint8, the pickles one behind the other.
        ends: (samples,) int64, where each of them ends.
    """

    def __init__(self, data: Bytes, ends: IndexArray) -> None:
        self._data = data
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Any:
        start = self._ends[index - 1] if index else 0
        return pickle.loads(self._data[start : self._ends[index]].data)

    def fingerprint(self) -> str:
        """Return that of the list."""
        return f"list[{len(self)}]"

    def __repr__(self) -> str:
        return f"list of {len(self)} samples"


class _NotPlain(Exception):
    pass


class _Pickler(pickle.Pickler):
    """Takes what Python itself has: numbers, text and containers of these."""

    def reducer_override(self, value: Any) -> Any:
        raise _NotPlain


def packed(source: Any) -> Any:
    """Return a source with long lists in it packed, where their elements are plain and share nothing large."""
    if type(source) is ConcatSource:
        return ConcatSource(*map(packed, source.sources))
    if type(source) is not list or len(source) < _MIN_LENGTH or _shares(source[:_MIN_LENGTH]):
        return source
    try:
        return PackedList(*_pickles(source))
    except (_NotPlain, pickle.PicklingError, RecursionError):
        return source


def _shares(elements: list[Any]) -> bool:
    """Whether these are much larger one by one, as one that is in many of them is then written many times."""
    try:
        together = len(pickle.dumps(elements, pickle.HIGHEST_PROTOCOL))
        return len(_pickles(elements)[0]) > 2 * together + _SMALL * len(elements)
    except Exception:  # Of any kind: what is no data raises what it likes, and is then sent as it is.
        return True


def _pickles(elements: list[Any]) -> tuple[Bytes, IndexArray]:
    written = io.BytesIO()
    pickler = _Pickler(written, pickle.HIGHEST_PROTOCOL)
    ends = np.empty(len(elements), np.int64)
    for number, element in enumerate(elements):
        pickler.dump(element)
        pickler.clear_memo()
        ends[number] = written.tell()
    return np.frombuffer(written.getbuffer(), np.uint8), ends
