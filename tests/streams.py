"""A small loader whose every batch is known, for tests of order, epochs and state."""

import threading
import time
from itertools import islice

import numpy as np

from dataload import ArraySource, Loader, RandomTransform


class Jitter(RandomTransform):
    def __call__(self, value, rng):
        return value + rng.normal(size=3)


def make(n=20, **options):
    """A shuffled loader with random numbers in it: batches {"x": (b, 3) float64, "i": (b,) int64}."""
    options = {"batch_size": 6, "shuffle": True, "transforms": {"x": Jitter()}, **options}
    return Loader(ArraySource({"x": np.zeros((n, 3)), "i": np.arange(n)}), **options)


def epoch(number, n=20, **options):
    """All batches of one epoch, made without workers."""
    loader = make(n, **options)
    loader.set_epoch(number)
    return list(loader)


def take(loader, count):
    """The next `count` batches (fewer at the end of the epoch); the loop is left after them."""
    return list(islice(loader, count))


def joined(batches, field):
    """One field over several batches, in order."""
    return np.concatenate([batch[field] for batch in batches]) if batches else np.empty(0)


def together(step, field="i"):
    """One field of the batches of all ranks, in their order."""
    return np.concatenate([batch[field] for batch in step]).tolist()


_lock = threading.Lock()


def one_at_a_time(value):
    """Work that only one thread of a process can do at a time, like work that keeps the GIL, on a busy machine too."""
    with _lock:
        time.sleep(0.002)
    return value


def read_repeatably(sampler):
    """Fail unless an iterable of indices, made by `sampler()`, is read once an epoch, and the same way again."""
    first = make(shuffle=False, sampler=sampler())
    orders = [joined(list(first), "i") for _ in range(2)]
    assert len(first) == -(-len(orders[0]) // 6)
    again = make(shuffle=False, sampler=sampler())
    again.set_epoch(1)
    assert np.array_equal(joined(list(again), "i"), orders[1])
    resumed = make(shuffle=False, sampler=sampler())
    again.set_epoch(0)
    take(again, 1)
    resumed.load_state_dict(again.state_dict())
    assert np.array_equal(joined(list(resumed), "i"), orders[0][6:])
