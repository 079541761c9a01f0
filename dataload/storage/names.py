"""Names of objects, with sizes and tags: a block of bytes each, not a million Python objects.

Listing a bucket of 10^6 objects so takes 100 MB at its peak, and the result is shared by worker processes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataload.memory import Bytes

Int64Array = NDArray[np.int64]


@dataclass(frozen=True)
class Packed:
    """Texts, one behind the other.

    Attributes:
        data: (bytes,) uint8.
        ends: (texts,) int64, where each of them ends.
    """

    data: Bytes
    ends: Int64Array

    def __getitem__(self, index: int) -> bytes:
        start = int(self.ends[index - 1]) if index else 0
        return self.data[start : int(self.ends[index])].tobytes()

    def take(self, order: Int64Array) -> Packed:
        """Return some of the texts, in another order."""
        return pack(self[index] for index in order.tolist())


def pack(texts: Iterable[bytes]) -> Packed:
    """Return texts one behind the other."""
    data, ends = bytearray(), array("q")
    for text in texts:
        data += text
        ends.append(len(data))
    return Packed(np.frombuffer(data, np.uint8), np.frombuffer(ends, np.int64))
