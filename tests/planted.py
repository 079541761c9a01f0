"""Pipelines with a planted bottleneck, and the stage and the change that are right for each."""

import time
import zlib
from dataclasses import dataclass

import numpy as np

from dataload import Cache, Loader, RandomTransform
from dataload.chain_json import register
from dataload.collate import pad


class Arrays:
    def __init__(self, count=2000, size=1000, pause=0.0):
        self.count, self.size, self.pause = count, size, pause

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.pause:
            time.sleep(self.pause)
        return {"x": np.full(self.size, index, np.float32)}


class Uneven(Arrays):
    def __getitem__(self, index):
        return {"x": np.ones((200 + index % 300, 400), np.float32)}


@register
@dataclass(frozen=True)
class Light:
    factor: int

    def __call__(self, x):
        return x * np.float32(self.factor)


@register
@dataclass(frozen=True)
class Heavy:
    """Python that holds the GIL."""

    turns: int = 20_000

    def __call__(self, x):
        total = 0
        for number in range(self.turns):
            total += number
        return x + np.float32(total % 2)


class HeavyRandom(RandomTransform):
    def __call__(self, x, rng):
        return Heavy()(x)


class Native(RandomTransform):
    """C that lets go of the GIL."""

    def __call__(self, x, rng):
        zlib.compress(rng.bytes(30_000), 6)
        return x


def slow_collate(samples):
    for _ in range(3):
        pad(samples)
    return pad(samples)


def make(name, folder):
    """Return a loader, and the seconds of its training step."""
    five = [Light(2), Light(3), Heavy(30_000), Light(4), Light(5)]
    small = [Heavy(), Cache(str(folder), "2MB")]
    loaders = {
        "slow reads": lambda: Loader(Arrays(pause=0.003), batch_size=16, shuffle=True),
        "python": lambda: Loader(
            Arrays(), transforms={"x": HeavyRandom()}, batch_size=16, num_workers=2, worker="thread"
        ),
        "native": lambda: Loader(Arrays(), transforms={"x": Native()}, batch_size=16),
        "one of five": lambda: Loader(Arrays(), transforms={"x": five}, batch_size=16),
        "collate": lambda: Loader(Uneven(), batch_size=32, collate_fn=slow_collate),
        "large batches": lambda: Loader(Arrays(200, 3_000_000), batch_size=8, num_workers=2, worker="process"),
        "slow loop": lambda: Loader(
            Arrays(), transforms={"x": Light(2)}, batch_size=16, num_workers=1, worker="thread"
        ),
        "small cache": lambda: Loader(Arrays(400, 5000), transforms={"x": small}, batch_size=16),
    }
    loader = loaders[name]()
    if name == "small cache":
        for _ in range(2):
            for _ in loader:
                pass
    return loader, 0.02 if name == "slow loop" else 0.002


# Part of the name of the stage that takes longest, and of the changes of which one must be recommended.
RIGHT = {
    "slow reads": ("read", ["read_concurrency=16"]),
    "python": ("HeavyRandom", ['worker="process"']),
    "native": ("Native", ['worker="thread"', 'worker="process"']),
    "one of five": ("Heavy(turns=30000)", ["Cache("]),
    "collate": ("collate", ['worker="process"', 'worker="thread"']),
    "large batches": ("collate", ["nothing that was tried", 'worker="thread"', "prefetch_factor=1"]),
    "slow loop": ("", ["nothing to gain"]),
    "small cache": ("Cache", ["a Cache that holds all 400 results"]),
}


def is_right(name, report):
    """Whether stage and change are the right ones."""
    stage, changes = RIGHT[name]
    longest = max(report.stages, key=lambda one: one.seconds).name
    advice = " ".join(report.advice[2:])
    return stage in longest and any(change in advice for change in changes)
