"""Which tool takes a batch: some look at the first one behind the back of the code that trains.

A user who writes `next(iter(batches))` means the next batch, as torch and tf.data give it, and not the same one again.
A tool that only wants to know what a batch looks like must not cost an epoch. The two are told apart by the functions
that are at work when a pass begins.
"""

from __future__ import annotations

import sys
from types import FrameType

# By the package: functions that take a batch to build a model from its shapes, and drop the iterator.
_LOOKS = {"keras": ("_symbolic_build", "_maybe_symbolic_build", "peek_and_restore")}


def is_a_look() -> bool:
    """Return whether a tool is looking at a batch, on any thread: tf.data asks for batches on threads of its own."""
    return any(map(_looks, sys._current_frames().values()))


def _looks(frame: FrameType | None) -> bool:
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_name in _LOOKS.get(package, ()):
            return True
        frame = frame.f_back
    return False
