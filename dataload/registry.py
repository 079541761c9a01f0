"""Dataclasses that JSON may name, and how their fields are written and read.

This table is what outlives a version: names of classes, and versions of their fields. A name is looked up among the
registered classes; nothing is imported because a file names it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dataload.errors import ChainError, ConfigError

Upgrade = Callable[[int, dict[str, Any]], dict[str, Any]]
_Class = TypeVar("_Class", bound=type)
# Far above any version, and short enough for a message.
_MAX_VERSION = 1 << 31


@dataclass(frozen=True)
class _Entry:
    kind: Any
    version: int
    upgrade: Upgrade | None


_table: dict[str, _Entry] = {}
_loaders: list[Callable[[], None]] = []


def register(kind: _Class, *, version: int = 1, upgrade: Upgrade | None = None) -> _Class:
    """Let chains with transforms of a class be written as JSON and read again; returns the class.

    JSON holds the values of all fields. A field added later, with a default that keeps the behaviour, needs nothing.
    For any other change raise the version and say how to read the older ones. `functools.partial(register, version=2,
    upgrade=...)` is the decorator of such a class.

    Args:
        kind: a dataclass that compares by value, whose fields are numbers, text, None, registered transforms, or
            sequences of these. No other registered class may have its name.
        version: of its fields.
        upgrade: called as upgrade(version, fields) with what an older version wrote; returns the fields of this one.

    Raises:
        ChainError: not such a class, or its name is taken.

    >>> @register
    ... @dataclass(frozen=True)
    ... class Louder:
    ...     factor: float
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> decode(encode(Louder(2.0), "a transform"), "a transform")
    Louder(factor=2.0)
    """
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ChainError(f"{kind!r} is no dataclass: only the fields of a dataclass are known to make it again")
    taken = _table.get(kind.__name__)
    if taken is not None and (taken.kind.__module__, taken.kind.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ChainError(f"a transform named {kind.__name__} is registered already, from {taken.kind.__module__}")
    _table[kind.__name__] = _Entry(kind, version, upgrade)
    return kind


def add_loader(load: Callable[[], None]) -> None:
    """Have `load` called before a name is reported as unknown: it imports modules that register their classes."""
    _loaders.append(load)


def registered() -> list[type]:
    """Return all registered classes, those of the library included, sorted by name."""
    _load()
    return [entry.kind for _, entry in sorted(_table.items())]


def name_of(transform: Any) -> str:
    """Return what messages call a transform: the name of a function or class; of anything else its repr, or class."""
    own: Any = type(transform).__repr__
    called = type(transform).__qualname__ if own is object.__repr__ else None
    return getattr(transform, "__qualname__", None) or called or repr(transform)


def encode(value: Any, where: str) -> dict[str, Any]:
    """Return an instance of a registered class as what JSON can hold, with the values of all of its fields.

    Args:
        value: the instance.
        where: place of the value, for messages.

    Raises:
        ChainError: it is not registered, or a field has a value that JSON cannot hold; the message names it.
    """
    entry = _table.get(type(value).__name__)
    if entry is None or entry.kind is not type(value):
        raise ChainError(
            f"{where} is {name_of(value)}, which JSON has no name for: write it as a dataclass with __call__, and "
            "pass that to dataload.chain_json.register"
        )
    values = {
        field.name: _encode_field(getattr(value, field.name), f"{field.name} of {entry.kind.__name__}")
        for field in dataclasses.fields(entry.kind)
        if field.init
    }
    encoded = {"transform": entry.kind.__name__, "version": entry.version, "fields": values}
    if decode(encoded, where) != value:
        raise ChainError(f"{where}, {name_of(value)}, is not equal to what its fields make again: see register")
    return encoded


def _encode_field(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [_encode_field(item, where) for item in value]
    if dataclasses.is_dataclass(value):
        return encode(value, where)
    raise ChainError(f"{where} is {value!r:.100}, which JSON has no word for: use numbers, text or sequences of them")


def decode(value: Any, where: str) -> Any:
    """Return what `encode` was given, this version's or an older one's; sequences come back as tuples.

    Args:
        value: an encoded instance, or a field of one.
        where: place of the value, for messages.

    Raises:
        ChainError: a class, a version or a field that is not known here, or a value that its class refuses; the
            message names it.
    """
    if isinstance(value, list):
        return tuple(decode(item, where) for item in value)
    if not isinstance(value, dict):
        return value
    if not {"transform", "version", "fields"} <= value.keys():
        raise ChainError(
            f"{where} is damaged: it has {sorted(value)!s:.200}, where transform, version and fields are needed"
        )
    entry = _find(value["transform"], where)
    name, version, fields = entry.kind.__name__, value["version"], value["fields"]
    if type(version) is not int or not -_MAX_VERSION < version < _MAX_VERSION or not isinstance(fields, dict):
        raise ChainError(f"{where}, {name}, is damaged: its version is {version!r:.40}, its fields are {fields!r:.100}")
    if version > entry.version:
        raise ChainError(
            f"{where}, {name}, was written in version {version} of its fields, here is {entry.version}: install newer "
            "code"
        )
    if version < entry.version:
        if entry.upgrade is None:
            raise ChainError(f"{where}, {name}, was written in version {version} of its fields, which nothing upgrades")
        try:
            fields = entry.upgrade(version, dict(fields))
        except Exception as error:
            raise ChainError(f"{where}, {name}, cannot be upgraded from version {version}: {_text(error)}") from error
    unknown = set(fields) - {field.name for field in dataclasses.fields(entry.kind) if field.init}
    if unknown:
        raise ChainError(f"{where}: {name} has no parameter {', '.join(sorted(unknown)):.200} here: install newer code")
    values = {key: decode(item, f"{key} of {name}") for key, item in fields.items()}
    try:
        return entry.kind(**values)
    except Exception as error:  # a file may hold anything, so its values may be refused in any way
        raise ChainError(f"{where}, {name}, cannot be made of its fields: {_text(error)}") from error


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"


def _find(name: Any, where: str) -> _Entry:
    if not isinstance(name, str):
        raise ChainError(f"{where} is damaged: {name!r:.40} stands for the name of a transform")
    if name not in _table:
        _load()
    if name not in _table:
        raise ChainError(
            f"{where} is {name!r:.100}, which is not registered here: import the module that defines it, and pass the "
            "class to dataload.chain_json.register"
        )
    return _table[name]


def _load() -> None:
    for load in _loaders:
        load()
