"""Transforms and collate functions that do harm, once or always, in a worker process."""

import os
import signal
import threading
import time
from pathlib import Path

from dataload import stack


def first_time(marker) -> bool:
    """Whether this is the first call with this marker, of all processes."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def die(how) -> None:
    """End this process: at a signal, or with os._exit."""
    if how == "exit":
        os._exit(7)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(60)


class DieOn:
    """A transform that ends its process at one value; with a marker only once."""

    def __init__(self, value, how="SIGKILL", marker=None):
        self.value, self.how, self.marker = value, how, marker

    def __call__(self, value):
        if value == self.value and (self.marker is None or first_time(self.marker)):
            die(self.how)
        return value


class DieWhileCollating:
    """A collate function that ends its process when the batch with a value is half written."""

    def __init__(self, value, how, marker):
        self.value, self.how, self.marker = value, how, marker

    def __call__(self, samples, *, alloc):
        batch = stack(samples, alloc=alloc)
        if self.value in batch and first_time(self.marker):
            batch[: len(batch) // 2] = -1
            die(self.how)
        return batch


class DieWhenPickled:
    """Ends the process that pickles it, which is after the batch was written and before it is sent."""

    def __init__(self, how, marker):
        self.how, self.marker = how, marker

    def __reduce__(self):
        if first_time(self.marker):
            die(self.how)
        return int, (0,)


class DieWhileSending:
    """A collate function whose batch with a value ends its process after it was written."""

    def __init__(self, value, how, marker):
        self.value, self.how, self.marker = value, how, marker

    def __call__(self, samples, *, alloc):
        batch = stack(samples, alloc=alloc)
        return batch, DieWhenPickled(self.how, self.marker) if self.value in batch else 0


def crash_natively(value):
    """Read from address 0, as a broken native library would."""
    import ctypes

    ctypes.string_at(0)
    return value


class Fragile:
    """A transform of numbers that fails on some: with an exception, or by crashing the interpreter."""

    def __init__(self, raise_on=(), crash_on=()):
        self.raise_on, self.crash_on = frozenset(raise_on), frozenset(crash_on)

    def __repr__(self):
        return "Fragile"

    def __call__(self, value):
        if value in self.crash_on:
            crash_natively(value)
        if value in self.raise_on:
            raise ValueError(f"{value} cannot be used")
        return value


class FragileBatches(Fragile):
    """The same, able to do whole batches."""

    def batch(self, values):
        return [self(value) for value in values]


def _say_that_this_hangs():
    if "HANGING" in os.environ:
        Path(os.environ["HANGING"], str(os.getpid())).touch()


def hang(value):
    """Never return, in Python."""
    _say_that_this_hangs()
    while True:
        time.sleep(0.01)


def hang_natively(value):
    """Keep the GIL in native code for a long time."""
    import ctypes

    _say_that_this_hangs()
    ctypes.PyDLL(None).sleep(30)
    return value


def sleep_a_bit(value):
    """Return the value after a while."""
    time.sleep(0.02)
    return value


def marker(folder: Path) -> str:
    """Return a path for `first_time`."""
    return str(folder / f"marker-{len(list(folder.iterdir()))}")


def sleep_a_little(value):
    """Return the value after a moment."""
    time.sleep(0.0002)
    return value


told = threading.Event()


def hang_until_told(value):
    """Return only once this process is told to."""
    told.wait()
    return value


def hang_on_three(value):
    """Take some time, and at 3 for ever."""
    time.sleep(0.1)
    return hang(value) if value == 3 else value
