"""The global generators of `random`, numpy and torch: seen when something draws from them, and seeded by a key.

Code of other libraries draws from them: samplers, augmentations, data sets. What it draws is then the next number of a
stream that depends on everything drawn before, in this process. Seeded by what it belongs to, it depends on that alone.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from dataload.generators import MAX_PARTS, Kept, global_generators, imported_torch, save, seed
from dataload.keys import mix

# Of Mersenne Twister, behind its 624 words.
_POSITION = 624 * 4


class Snapshot(NamedTuple):
    """Where the global generators are; torch's is None until somebody has imported torch."""

    python: Any
    numpy: Any
    torch: bytes | None


def snapshot() -> Snapshot:
    """Return a value that differs after something was drawn from a global generator (about 10 µs)."""
    torch = imported_torch()
    position = None if torch is None else torch.get_rng_state().numpy().tobytes()
    return Snapshot(random.getstate(), _numpy_position(), position)


def _numpy_position() -> Any:
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    if isinstance(generator, np.random.MT19937):
        # Its state as Python sees it takes 30 µs to make; which word is next, and the first one, say enough.
        address = generator.ctypes.state_address
        return ctypes.string_at(address + _POSITION, 4), ctypes.string_at(address, 4)
    return repr(generator.state)


@contextmanager
def seeded(key: int, kept: Sequence[Kept] = ()) -> Iterator[None]:
    """Seed the global generators by a 64-bit key, and leave them and some others as they were found."""
    restore = save([*global_generators(), *(generator for _, generator in kept)])
    reseed(key)
    try:
        yield
    finally:
        restore()


def reseed(key: int, kept: Sequence[Kept] = ()) -> None:
    """Seed the global generators by a 64-bit key, and others by it and where they are kept, inside of `seeded`."""
    for generator in global_generators():
        seed(generator, key)
    for place, generator in kept:
        seed(generator, mix("kept", key, place))


def needs_no_generator(value: Any) -> bool:
    """Return whether a transform, source or collate function is known never to draw from a global generator.

    Those are the library's own, unless they hold one of another library as `Sometimes` and `ConcatSource` may, arrays,
    lists, and numpy's functions.
    """
    if isinstance(value, _PLAIN):
        return True
    if not type(value).__module__.startswith("dataload."):
        return not callable(value) and not hasattr(value, "__getitem__")
    return all(map(needs_no_generator, _parts(getattr(value, "__dict__", {}))))


_PLAIN = (type, np.ufunc, np.ndarray, list, tuple, range, str, bytes, int, float, type(None))


def _parts(held: dict[str, Any]) -> Iterator[Any]:
    for value in held.values():
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
        if inner is None:
            yield value
        elif len(inner) <= MAX_PARTS:
            yield from inner
