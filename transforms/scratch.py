"""Memory that a thread keeps from one call to the next: the only state of the transforms.

No result may ever be a view of it.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

_local = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Return an uninitialised array whose memory this thread uses again on the next call with the same name.

    Fresh memory costs a page fault per 4 KiB, which for short-lived chunks is more than the arithmetic on
    them. The memory starts on a 64-byte boundary, so that every thread and process runs the same vector code.
    """
    buffers: dict[str, npt.NDArray[np.uint8]] | None = getattr(_local, "buffers", None)
    if buffers is None:
        buffers = _local.buffers = {}
    kind = np.dtype(dtype)
    size = kind.itemsize * math.prod(shape)
    buffer = buffers.get(name)
    if buffer is None or len(buffer) < size:
        raw = np.empty(size + 64, np.uint8)
        start = -raw.ctypes.data % 64
        buffer = buffers[name] = raw[start : start + size]
    return np.ndarray(shape, kind, buffer)
