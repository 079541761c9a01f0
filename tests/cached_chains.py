"""Chains with a `Cache`, and what a program of its own does with them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataload import Cache, Loader
from dataload.chain_json import register


@register
@dataclass(frozen=True)
class Scaled:
    """Counts its calls in a file, so that those in other processes count too."""

    factor: float
    log: str = ""

    def __call__(self, value):
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(".")
        return np.asarray(value, np.float64) * self.factor


def epochs(transforms, count=2, source=None, **options):
    source = [{"x": np.arange(4.0) + n} for n in range(20)] if source is None else source
    with Loader(source, transforms=transforms, batch_size=8, shuffle=True, seed=3, **options) as loader:
        batches = [[{key: np.array(value) for key, value in batch.items()} for batch in loader] for _ in range(count)]
        return batches, loader.stats


def same(first, second):
    return all(
        a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def again(log, kept):
    """Run the epoch of the test above in a process that has checked nothing yet."""
    chain = {"x": [Scaled(2.0, log), Cache(kept, "1MB")]}
    assert same(epochs(chain, 1)[0], epochs({"x": [Scaled(2.0)]}, 1)[0])
