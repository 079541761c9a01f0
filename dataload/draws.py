"""The global generators of `random`, numpy and torch: seen when something draws from them, and seeded by a key.

Code of other libraries draws from them: samplers, augmentations, data sets. What it draws is then the next number of a
stream that depends on everything drawn before, in this process. Seeded by what it belongs to, it depends on that alone.
"""

from __future__ import annotations

import ctypes
import functools
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from dataload.chain import RandomBatchTransform, RandomTransform, name_of
from dataload.samples import is_container, leaves

# Of Mersenne Twister, behind its 624 words.
_POSITION = 624 * 4


class Snapshot(NamedTuple):
    """Where the global generators are; torch's is None until somebody has imported torch."""

    python: Any
    numpy: Any
    torch: bytes | None


def snapshot() -> Snapshot:
    """Return a value that differs after something was drawn from a global generator (about 10 µs)."""
    torch: Any = sys.modules.get("torch")
    loaded = _is_loaded(torch)
    return Snapshot(random.getstate(), _numpy_position(), torch.get_rng_state().numpy().tobytes() if loaded else None)


def _numpy_position() -> Any:
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    if isinstance(generator, np.random.MT19937):
        # Its state as Python sees it takes 30 µs to make; which word is next, and the first one, say enough.
        address = generator.ctypes.state_address
        return ctypes.string_at(address + _POSITION, 4), ctypes.string_at(address, 4)
    return repr(generator.state)


def _is_loaded(torch: Any) -> bool:
    # A half-imported torch has no generator yet.
    return hasattr(torch, "default_generator")


def save() -> Callable[[], None]:
    """Return a function that puts the global generators back to where they are now (about 50 µs each)."""
    # torch's is kept only where the user has imported it: nothing can draw from it otherwise.
    torch: Any = sys.modules.get("torch")
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state() if _is_loaded(torch) else None

    def restore() -> None:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        if torch_state is not None:
            torch.set_rng_state(torch_state)

    return restore


@contextmanager
def seeded(key: int) -> Iterator[None]:
    """Seed the global generators by a 64-bit key, and leave them as they were found."""
    restore = save()
    reseed(key)
    try:
        yield
    finally:
        restore()


def reseed(key: int) -> None:
    """Seed the global generators by a 64-bit key, inside of `seeded` (about 8 µs)."""
    torch: Any = sys.modules.get("torch")
    random.seed(key)
    np.random.seed(key & 0xFFFFFFFF)
    if _is_loaded(torch):
        torch.default_generator.manual_seed(key >> 1)


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
# A longer list holds samples, not transforms.
_MAX_PARTS = 64


def _parts(held: dict[str, Any]) -> Iterator[Any]:
    for value in held.values():
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
        if inner is None:
            yield value
        elif len(inner) <= _MAX_PARTS:
            yield from inner


def kept_generator(transform: Any) -> str | None:
    """Return the name of a generator that a transform keeps, which would repeat itself in every worker."""
    if isinstance(transform, RandomTransform | RandomBatchTransform) and needs_no_generator(transform):
        return None
    for place, value in _held(transform):
        if isinstance(value, np.random.Generator | np.random.RandomState | random.Random) or _is_torch_generator(value):
            return f"{name_of(transform)} keeps a {type(value).__module__}.{type(value).__name__} in {place}"
    return None


def _held(transform: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(transform, functools.partial):
        yield from (("its arguments", value) for value in (*transform.args, *transform.keywords.values()))
        yield from _held(transform.func)
    closure = getattr(transform, "__closure__", None) or ()
    names = getattr(getattr(transform, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, closure, strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue
    for name, value in getattr(transform, "__dict__", {}).items():
        yield name, value
        if is_container(value):
            yield from ((name, leaf) for _, leaf in leaves(value))


def _is_torch_generator(value: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    return _is_loaded(torch) and isinstance(value, torch.Generator)
