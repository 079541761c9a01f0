"""Keys: the only place where numbers that look random come from.

Everything random in dataload is a hash of what it belongs to (seed, epoch, sample index, ...), never the next number
of a stream, so that any part of an epoch can be made anywhere, in any order, again. The hash is written out here, not
taken from `numpy.random`, whose streams may change between versions of numpy.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

UInt64Array = NDArray[np.uint64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
# The finaliser of splitmix64 (Steele, Lea, Flood 2014; variant 13 of D. Stafford): a bijection of 64 bits in which
# every input bit flips every output bit with a probability close to one half.
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def _finalise(x: int) -> int:
    x = ((x ^ (x >> 30)) * _MULTIPLIERS[0]) & _MASK
    x = ((x ^ (x >> 27)) * _MULTIPLIERS[1]) & _MASK
    return x ^ (x >> 31)


def mix(*values: int | str) -> int:
    """Return a 64-bit key that depends on every value and on their order.

    Values are mixed, never added, so that seed 0 epoch 1 has nothing in common with seed 1 epoch 0. Text counts by
    its UTF-8 bytes, a number of any size and sign by its 64-bit words.
    """
    key = _finalise(len(values) + _GOLDEN)
    for value in values:
        number = int.from_bytes(value.encode() + b"\1", "little") if isinstance(value, str) else value
        while True:
            key = _finalise((key ^ (number & _MASK)) + _GOLDEN & _MASK)
            number >>= 64
            if number in (0, -1):
                break
    return key


def mix_array(key: int, values: UInt64Array) -> UInt64Array:
    """Return one 64-bit hash per value under `key`, vectorised.

    Args:
        key: as made by `mix`.
        values: (n,) uint64; not modified.
    """
    # Keys that are close to each other would only swap neighbouring values; finalised, they have nothing in common.
    x = values + np.uint64(_GOLDEN)
    x ^= np.uint64(_finalise(key ^ _GOLDEN))
    x ^= x >> np.uint64(30)
    x *= np.uint64(_MULTIPLIERS[0])
    x ^= x >> np.uint64(27)
    x *= np.uint64(_MULTIPLIERS[1])
    x ^= x >> np.uint64(31)
    return cast(UInt64Array, x)


def generator(*values: int | str) -> np.random.Generator:
    """Return a numpy generator keyed by the values (about 15 µs: make one only where a transform is random)."""
    key = [mix(*values, 0), mix(*values, 1)]
    return np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))
