"""A keyed permutation of range(n) that can be asked for any part of itself.

A Feistel network permutes the numbers of `bits` bits; numbers that land outside of range(n) are sent through again
until they land inside (cycle walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002), which keeps
it a bijection. `bits` is the least that fits, so fewer than two passes are needed on average. Nothing is ever
materialised: a part of m positions costs memory for m numbers, whatever n is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dataload.keys import UInt64Array, mix, mix_array

# The two halves of a tiny domain have few values, and a Feistel network over them is visibly not random: below this
# the permutation is the sort order of one hash per index.
EXPLICIT_BELOW = 4096
_ROUNDS = 12


@lru_cache(maxsize=16)
def _explicit(n: int, key: int) -> UInt64Array:
    order = np.argsort(mix_array(key, np.arange(n, dtype=np.uint64)), kind="stable").astype(np.uint64)
    order.setflags(write=False)
    return order


def _feistel(values: UInt64Array, bits: int, key: int) -> UInt64Array:
    # An odd number of bits makes unequal halves. Each round only changes one half by a function of the other, so
    # every round is a bijection for any split.
    low_bits = np.uint64(bits // 2)
    low_mask = np.uint64((1 << (bits // 2)) - 1)
    high_mask = np.uint64((1 << (bits - bits // 2)) - 1)
    high, low = values >> low_bits, values & low_mask
    for i in range(_ROUNDS):
        if i % 2:
            high = high ^ (mix_array(mix(key, i), low) & high_mask)
        else:
            low = low ^ (mix_array(mix(key, i), high) & low_mask)
    return (high << low_bits) | low


def permute(positions: UInt64Array, n: int, key: int) -> UInt64Array:
    """Return where a permutation of range(n) sends each position.

    Args:
        positions: (m,) uint64, each below n.
        n: size of the permuted range, below 2**63.
        key: 64 bits; another key is another permutation.

    Returns:
        (m,) uint64, each below n; distinct positions give distinct values.
    """
    if n < EXPLICIT_BELOW:
        return _explicit(n, key)[positions]
    bits = (n - 1).bit_length()
    result = _feistel(positions, bits, key)
    outside = np.flatnonzero(result >= n)
    while outside.size:
        result[outside] = _feistel(result[outside], bits, key)
        outside = outside[result[outside] >= n]
    return result
