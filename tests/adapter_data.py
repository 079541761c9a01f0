"""Loaders with every kind of field in their batches, for the tests of all adapters."""

import dataclasses
from collections import namedtuple
from functools import partial

import numpy as np

from dataload import Loader, RandomTransform, pad

Pair = namedtuple("Pair", ["left", "right"])


@dataclasses.dataclass
class Point:
    x: float
    y: np.ndarray


class Shake(RandomTransform):
    def __call__(self, value, rng):
        return value + rng.normal(size=value.shape).astype(value.dtype)


def clip(i):
    """One sample: audio of its own length, and a bit of everything beside it."""
    return {
        "audio": np.full((5 + 3 * i % 7, 2), i, np.float32),
        "label": i,
        "name": f"clip é{i}",
        "meta": (np.arange(3, dtype=np.uint8) + i, {"gain": i / 2, "loud": i > 3}),
        "pair": Pair(i, np.float16(i)),
    }


def make(n=20, **options):
    """A shuffled loader with random augmentation and a padded field."""
    options = {"batch_size": 6, "shuffle": True, "seed": 5, "collate_fn": partial(pad, fields=["audio"]), **options}
    return Loader([clip(i) for i in range(n)], transforms={"audio": Shake()}, **options)


def labels(batches):
    """Which samples are in each batch."""
    return [np.asarray(batch["label"]).tolist() for batch in batches]


def epochs(count, **options):
    """The samples in each batch of the first epochs, as the bare loader gives them."""
    loader = make(**options)
    return [labels(loader) for _ in range(count)]


def same(a, b):
    """Whether a batch of a framework is bit for bit one of numpy, structure, dtypes and strings included."""
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in b)
    if isinstance(b, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, list):
        found = a if isinstance(a, list) else [text.decode() for text in a.numpy()]
        return found == b
    a = a.numpy()
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def twenty_numbers():
    return [{"x": np.full(3, i, np.float32), "label": i} for i in range(20)]


class Recorded:
    """A collate function that remembers where its arrays are."""

    def __init__(self, collate):
        self.collate = collate
        self.addresses = []

    def __call__(self, samples, *, alloc):
        batch = self.collate(samples, alloc=alloc)
        self.addresses.append({name: value.ctypes.data for name, value in batch.items()})
        return batch


# Here and not beside its test, so that worker processes need not import TensorFlow to find it.
def fail_on_seven(sample):
    if sample["label"] == 7:
        raise KeyError("seven is broken")
    return sample


def take(path):
    """Which take of a digit a recording named {digit}_{speaker}_{take}.wav is."""
    return int(path.stem.split("_")[2])
