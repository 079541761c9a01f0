"""Timing one call, with or without the `fast` extra."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dataload.transforms.fast import SWITCH


@contextmanager
def fast_extra(on: bool) -> Iterator[None]:
    """Switch the `fast` extra on or off."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1" if on else "0"
    try:
        yield
    finally:
        del os.environ[SWITCH]
        if before is not None:
            os.environ[SWITCH] = before


def seconds_per_call(call: Callable[[], Any], seconds: float) -> float:
    """Return the median over the calls of so many seconds, at least one."""
    clock = time.perf_counter
    times = []
    end = clock() + seconds
    call()  # another system's data is in the cache
    while not times or clock() < end:
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times)
