"""Asking again where a network fails: with growing pauses, a bounded number of times, each counted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from dataload.counts import Counts, count
from dataload.errors import StorageError

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

# Pauses that differ keep readers from asking in step. Not of the global generator, which belongs to the transforms.
_pauses = random.SystemRandom()

T = TypeVar("T")


class Passing(Exception):
    """A failure that may pass: a busy server, a broken connection, silence. The text says which."""


def persistently(work: Callable[[], T], what: str, retries: int) -> T:
    """Return what `work` returns, which is tried again when a failure may pass.

    Args:
        work: raises `Passing` for such a failure.
        what: it does, for the message, such as "s3://bucket/a.wav: cannot be read".
        retries: how often it is tried again.

    Raises:
        StorageError: it has failed once more than `retries` times.
    """
    for attempt in range(retries + 1):
        try:
            return work()
        except Passing as failure:
            if attempt == retries:
                tries = "once" if retries == 0 else f"{retries + 1} times"
                raise StorageError(f"{what}, tried {tries}: {failure}") from None
            count(Counts(retries=1))
            time.sleep(min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * _pauses.uniform(0.5, 1))
    raise AssertionError("the loop returns or raises")
