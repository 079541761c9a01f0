"""Drawing samples with replacement, each with a probability of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dataload.errors import ConfigError
from dataload.keys import mix, mix_array
from dataload.samplers.arrays import OfArrays, digest, proportions
from dataload.samplers.base import IndexArray, Sampler, check_range, check_seed, known_seed


class WeightedSampler(OfArrays, Sampler):
    """Draws with replacement: sample i with a probability of weights[i] over their sum.

    Draw p of an epoch is a function of (seed, epoch, p), so an epoch can be entered anywhere, and costs two look-ups
    whatever the weights are.

    Args:
        weights: (samples,) finite and 0 or more, one for each sample of the source.
        num_samples: draws in an epoch; as many as there are weights by default.
        seed: whole number of any size; None is the seed of the Loader.

    Raises:
        ConfigError: a weight that is none, or num_samples below 1.

    >>> WeightedSampler([1, 0, 3], num_samples=8).indices(epoch=0, start=0, stop=8)
    array([0, 2, 2, 0, 2, 2, 0, 2])
    """

    def __init__(self, weights: ArrayLike, num_samples: int | None = None, seed: int | None = 0) -> None:
        chances = proportions("weights", weights)
        if num_samples is not None and num_samples < 1:
            raise ConfigError(f"num_samples={num_samples} must be 1 or more")
        self.num_samples = len(chances) if num_samples is None else num_samples
        check_seed(seed)
        self.seed = seed
        self._name = f"{len(chances)} weights {digest(chances)}"
        self._own, self._other = _alias_table(chances)

    def __len__(self) -> int:
        return self.num_samples

    def indices(self, epoch: int, start: int, stop: int) -> IndexArray:
        """Return what draws start <= p < stop gave: (stop - start,) int64."""
        check_range(self.num_samples, start, stop)
        draws = np.arange(start, stop, dtype=np.uint64)
        column = mix_array(mix("weighted column", known_seed(self), epoch), draws)
        column %= np.uint64(len(self._own))
        columns = column.astype(np.int64)
        # The upper 53 bits of a hash are a uniform number in [0, 1).
        uniform = (mix_array(mix("weighted side", known_seed(self), epoch), draws) >> np.uint64(11)) * 2.0**-53
        return np.where(uniform < self._own[columns], columns, self._other[columns])

    def __repr__(self) -> str:
        return f"WeightedSampler({self._name}, num_samples={self.num_samples}, seed={self.seed})"


def _alias_table(chances: NDArray[np.float64]) -> tuple[NDArray[np.float64], IndexArray]:
    """Return, for n columns of equal probability, the share that is the column's own, and whose the rest is.

    A. J. Walker, "An efficient method for generating discrete random variables with general distributions" (1977).
    What lacks in the columns of light items is filled by the heavy items one after the other: heavy item j is used up
    by the light item at which the sum of what lacked exceeds the sum of what items 0..j had too much; what it then
    lacks itself the next one fills. Both sums are known beforehand, so nothing is done one by one
    (the sweep of L. Hübschle-Schneider and P. Sanders, "Parallel Weighted Random Sampling", 2022).
    """
    mass = chances * len(chances)
    own, other = mass.copy(), np.arange(len(mass), dtype=np.int64)
    heavy_mask = mass >= 1
    # There is one; rounding may hide it where all weights are equal.
    heavy_mask[mass.argmax()] = True
    light, heavy = np.flatnonzero(~heavy_mask), np.flatnonzero(heavy_mask)
    lacking = np.concatenate(([0.0], np.cumsum(1 - mass[light])))
    excess = np.cumsum(mass[heavy] - 1)
    # Rounding may also leave the last heavy item a little short: it then fills columns that lack next to nothing.
    other[light] = heavy[np.minimum(excess.searchsorted(lacking[:-1], "right"), len(heavy) - 1)]
    used_up_at = np.minimum(lacking.searchsorted(excess, "left"), len(light))
    own[heavy] = 1 + excess - lacking[used_up_at]
    other[heavy[:-1]] = heavy[1:]
    own[heavy[-1]] = 1.0
    return np.clip(own, 0.0, 1.0), other
