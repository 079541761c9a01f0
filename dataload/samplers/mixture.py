"""Several sources in one stream, in fixed proportions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataload.errors import ConfigError
from dataload.keys import mix, mix_array
from dataload.samplers.arrays import OfArrays, proportions, whole_numbers
from dataload.samplers.base import IndexArray, Sampler, check_range, check_seed, known_seed
from dataload.samplers.permutation import permute

# Weights are taken as fractions with denominators up to this.
_FINEST = 1000
_LONGEST_CYCLE = 10_000


class MixtureSampler(OfArrays, Sampler):
    """Mixes sources in exact proportions: for a `ConcatSource` of them.

    The weights become whole numbers of samples per cycle (7, 2 and 1 of 10 for weights of 0.7, 0.2 and 0.1), and each
    cycle has exactly these, in random order. Every source is gone through in random order without repetition; one that
    is used up before the epoch is over begins again in another order.

    Args:
        lengths: (sources,) samples of each source, in the order of the `ConcatSource`.
        weights: (sources,) proportions, 0 or more.
        num_samples: samples in an epoch; by default as many as all sources have together.
        seed: whole number of any size; None is the seed of the Loader.

    Raises:
        ConfigError: lengths and weights that do not fit together.

    >>> MixtureSampler([100, 10], [3, 1]).indices(epoch=0, start=0, stop=8)
    array([104,  43,  18,  17,  32,  41, 105,  24])
    """

    def __init__(
        self, lengths: ArrayLike, weights: ArrayLike, *, num_samples: int | None = None, seed: int | None = 0
    ) -> None:
        self._lengths = whole_numbers("lengths", lengths, minimum=1)
        shares = proportions("weights", weights)
        if len(shares) != len(self._lengths):
            raise ConfigError(f"{len(shares)} weights for {len(self._lengths)} sources: give one for each")
        if num_samples is not None and num_samples < 1:
            raise ConfigError(f"num_samples={num_samples} must be 1 or more")
        self._counts = _per_cycle(shares)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._num_samples = int(self._lengths.sum()) if num_samples is None else num_samples
        check_seed(seed)
        self.seed = seed

    @property
    def counts(self) -> tuple[int, ...]:
        """How many samples of each source there are in every cycle of sum(counts) samples."""
        return tuple(self._counts.tolist())

    def __len__(self) -> int:
        return self._num_samples

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return the indices at positions start <= p < stop: (stop - start,) int64."""
        check_range(self._num_samples, start, stop)
        cycle = int(self._counts.sum())
        first, last = start // cycle, -(-stop // cycle)
        source, draw = self._cycles(epoch, first, last)
        chosen = slice(start - first * cycle, stop - first * cycle)
        source, draw = source[chosen], draw[chosen]
        found = np.empty(len(source), np.int64)
        for i in range(len(self._lengths)):
            mine = np.flatnonzero(source == i)
            found[mine] = self._starts[i] + self._samples(epoch, i, draw[mine])
        return found

    def _cycles(self, epoch: int, first: int, last: int) -> tuple[IndexArray, IndexArray]:
        """Return, for each position of some cycles, the source and how many of that source came before."""
        cycle, numbers = int(self._counts.sum()), np.arange(first, last)
        positions = (numbers[:, None] * cycle + np.arange(cycle)).astype(np.uint64)
        hashes = mix_array(mix("mixture", known_seed(self), epoch), positions.reshape(-1)).reshape(positions.shape)
        # Place j of the unshuffled cycle is a certain source's sample of a certain turn; the turns are handed out in
        # the order in which the places come, so that within a cycle a source counts up.
        source = np.repeat(np.arange(len(self._counts)), self._counts)[np.argsort(hashes, axis=1, kind="stable")]
        draw = np.empty_like(source)
        for i, count in enumerate(self._counts.tolist()):
            rows, columns = np.nonzero(source == i)
            draw[rows, columns] = numbers[rows] * count + np.tile(np.arange(count), len(numbers))
        return source.reshape(-1), draw.reshape(-1)

    def _samples(self, epoch: int, source: int, draws: IndexArray) -> IndexArray:
        """Return which samples of a source its draws are."""
        length = int(self._lengths[source])
        found = np.empty(len(draws), np.int64)
        for turn in np.unique(draws // length).tolist():
            mine = np.flatnonzero(draws // length == turn)
            key = mix("mixture source", known_seed(self), epoch, source, turn)
            found[mine] = permute((draws[mine] % length).astype(np.uint64), length, key).astype(np.int64)
        return found

    def __repr__(self) -> str:
        return (
            f"MixtureSampler(lengths={self._lengths.tolist()}, {self.counts} per {sum(self.counts)}, "
            f"num_samples={self._num_samples}, seed={self.seed})"
        )


def _per_cycle(shares: NDArray[np.float64]) -> IndexArray:
    """Return the least whole numbers in these proportions; nearly so where they would be large."""
    fractions = [Fraction(float(share)).limit_denominator(_FINEST) for share in shares]
    cycle = math.lcm(*(fraction.denominator for fraction in fractions))
    if sum(fractions) == 1 and cycle <= _LONGEST_CYCLE:
        return np.array([int(fraction * cycle) for fraction in fractions], np.int64)
    exact = shares * _LONGEST_CYCLE
    counts = np.floor(exact).astype(np.int64)
    # What rounding down has left over goes to those that lost most.
    counts[np.argsort(counts - exact, kind="stable")[: _LONGEST_CYCLE - int(counts.sum())]] += 1
    counts //= np.gcd.reduce(counts)
    return counts
