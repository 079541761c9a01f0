"""The generators of `random`, numpy and torch that code may draw from: the global ones, and those that an object keeps.

A generator goes on from where it is: in two workers its copies draw the same numbers, and after a resume other ones.
"""

from __future__ import annotations

import functools
import random
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

# A longer list holds samples, not transforms; what holds more objects than this is no transform.
MAX_PARTS = 64
_MAX_OBJECTS = 1000
_PLAIN = (type, types.ModuleType, np.ufunc, np.ndarray, str, bytes, int, float, range, type(None))


class Kept(NamedTuple):
    """A generator, and where it is kept: the same text in every process."""

    place: str
    generator: Any


def imported_torch() -> Any:
    """Return torch where the program has imported it, else None: nothing draws from it then."""
    torch = sys.modules.get("torch")
    # A half-imported torch has no generator yet.
    return torch if hasattr(torch, "default_generator") else None


def global_generators() -> list[Any]:
    """Return those of `random` and numpy, and torch's where it is imported."""
    torch = imported_torch()
    ours = [random.getstate.__self__, np.random.mtrand._rand]  # type: ignore[attr-defined]
    return ours if torch is None else [*ours, torch.default_generator]


def kept_generators(holder: Any) -> list[Kept]:
    """Return the generators of numpy, `random` and torch that can be reached from an object or function.

    The global ones are not among them, nor those that take what they draw from the operating system.
    """
    found: list[Kept] = []
    seen = set(map(id, global_generators()))
    waiting = [("", holder)]
    while waiting and len(seen) < _MAX_OBJECTS:
        place, value = waiting.pop(0)
        if id(value) in seen or isinstance(value, _PLAIN):
            continue
        seen.add(id(value))
        if _is_generator(value):
            found.append(Kept(place, value))
        else:
            waiting += _held(place, value)
    return found


def _is_generator(value: Any) -> bool:
    if isinstance(value, np.random.Generator):
        # Those of other makers may not be seeded by a number.
        return type(value.bit_generator).__module__.startswith("numpy.")
    if isinstance(value, random.Random):
        return not isinstance(value, random.SystemRandom)
    torch = imported_torch()
    return isinstance(value, np.random.RandomState) or (torch is not None and isinstance(value, torch.Generator))


def _held(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object holds or a function uses, with the names by which it does."""
    if isinstance(value, dict | list | tuple):
        if len(value) <= MAX_PARTS:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{place}[{key!r}]", inner) for key, inner in items)
        return
    within = f"{place}." if place else ""
    if isinstance(value, functools.partial):
        yield from ((f"{within}{name}", getattr(value, name)) for name in ("func", "args", "keywords"))
    elif isinstance(value, types.MethodType):
        yield f"{within}__self__", value.__self__
        yield from _used(within, value.__func__)
    elif isinstance(value, types.FunctionType):
        yield from _used(within, value)
    else:
        yield from ((f"{within}{name}", inner) for name, inner in getattr(value, "__dict__", {}).items())
        for method in ("__call__", "__getitem__", "__getitems__"):
            yield from _used(within, getattr(type(value), method, None))


def _used(within: str, function: Any) -> Iterator[tuple[str, Any]]:
    """Yield the variables around a function, and the generators among the global ones that it names."""
    if not isinstance(function, types.FunctionType):
        return
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{within}{name}", cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue
    for name in function.__code__.co_names:
        if _is_generator(value := function.__globals__.get(name)):
            yield f"{within}{name}", value


def save(generators: Sequence[Any]) -> Callable[[], None]:
    """Return a function that puts generators back to where they are now (up to 50 µs each)."""
    before = [_state(generator) for generator in generators]

    def restore() -> None:
        for generator, state in zip(generators, before, strict=True):
            if isinstance(generator, np.random.Generator):
                generator.bit_generator.state = state
            elif isinstance(generator, random.Random):
                generator.setstate(state)
            else:
                generator.set_state(state)

    return restore


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.getstate() if isinstance(generator, random.Random) else generator.get_state()


def seed(generator: Any, key: int) -> None:
    """Seed a generator by a 64-bit key (2 to 20 µs)."""
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = type(generator.bit_generator)(key).state
    elif isinstance(generator, np.random.RandomState):
        generator.seed(key & 0xFFFFFFFF)
    elif isinstance(generator, random.Random):
        generator.seed(key)
    else:
        generator.manual_seed(key >> 1)
