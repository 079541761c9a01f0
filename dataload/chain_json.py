"""Chains as JSON, for a pipeline that must run again when the code has changed.

Apart from the chain, because here is kept what outlives a version: names of transforms, and the versions of their
parameters. A name is looked up among the classes that were registered; nothing is imported because a file names it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dataload.chain import Chain, name_of
from dataload.errors import ChainError

FORMAT = 1
Upgrade = Callable[[int, dict[str, Any]], dict[str, Any]]
_Class = TypeVar("_Class", bound=type)


@dataclass(frozen=True)
class _Entry:
    kind: Any
    version: int
    upgrade: Upgrade | None


_registry: dict[str, _Entry] = {}


def register(kind: _Class, *, version: int = 1, upgrade: Upgrade | None = None) -> _Class:
    """Let chains with transforms of a class be written as JSON and read again; returns the class.

    What is written are the values of all of its fields. So a field added later, with a default that does what was done
    before, needs nothing; for any other change raise the version and say how to read the older ones.

    Args:
        kind: a dataclass that compares by value, whose fields are numbers, text, None, registered transforms, or
            sequences of these. Its name must be one that no other registered class has.
        version: of its fields.
        upgrade: called as upgrade(version, fields) for what an older version wrote; returns the fields of this one.

    Raises:
        ChainError: not such a class, or its name is taken.

    >>> @register
    ... @dataclass(frozen=True)
    ... class Louder:
    ...     factor: float
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> from_json(to_json(Chain([Louder(2.0)])))(21)
    42.0
    """
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ChainError(f"{kind!r} is no dataclass: only of those it is known which values make one again")
    taken = _registry.get(kind.__name__)
    if taken is not None and (taken.kind.__module__, taken.kind.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ChainError(f"a transform named {kind.__name__} is registered already, from {taken.kind.__module__}")
    _registry[kind.__name__] = _Entry(kind, version, upgrade)
    return kind


def to_json(chain: Chain) -> str:
    """Return a chain as JSON text, with the value of every parameter in it, defaults included.

    Raises:
        ChainError: a transform is not registered or holds something that JSON has no word for; it is named.
    """
    transforms = [_encode_transform(transform, f"transform {i}") for i, transform in enumerate(chain.transforms)]
    return json.dumps({"dataload_chain": FORMAT, "transforms": transforms}, indent=2, allow_nan=False)


def from_json(text: str) -> Chain:
    """Return the chain that was written by `to_json`, by this version or an older one.

    Raises:
        ChainError: no such text, one of a newer version, or one that names a transform or parameter that is not known
            here; the message says which.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ChainError(f"this is no JSON ({error}): a chain is written by chain.to_json()") from error
    if not isinstance(content, dict) or not isinstance(content.get("transforms"), list):
        raise ChainError("this is not a chain written by chain.to_json(): it has no list of transforms")
    if content.get("dataload_chain") != FORMAT:
        raise ChainError(
            f"the chain is written in format {content.get('dataload_chain')!r}, this dataload reads {FORMAT}: "
            "install a newer dataload"
        )
    return Chain([_decode(transform, f"transform {i}") for i, transform in enumerate(content["transforms"])])


def _encode_transform(transform: Any, where: str) -> dict[str, Any]:
    entry = _registry.get(type(transform).__name__)
    if entry is None or entry.kind is not type(transform):
        raise ChainError(
            f"{where} is {name_of(transform)}, which JSON has no name for: write it as a dataclass with __call__, and "
            "pass that to dataload.chain_json.register"
        )
    values = {
        field.name: _encode(getattr(transform, field.name), f"{field.name} of {entry.kind.__name__}")
        for field in dataclasses.fields(entry.kind)
        if field.init
    }
    encoded = {"transform": entry.kind.__name__, "version": entry.version, "fields": values}
    if _decode(encoded, where) != transform:
        raise ChainError(f"{where}, {name_of(transform)}, is not equal to what its fields make again: see register")
    return encoded


def _encode(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [_encode(item, where) for item in value]
    if dataclasses.is_dataclass(value):
        return _encode_transform(value, where)
    raise ChainError(f"{where} is {value!r:.100}, which JSON has no word for: use numbers, text or sequences of them")


def _decode(value: Any, where: str) -> Any:
    """Return a transform, or a field of one: sequences come back as tuples."""
    if isinstance(value, list):
        return tuple(_decode(item, where) for item in value)
    if not isinstance(value, dict):
        return value
    if not {"transform", "version", "fields"} <= value.keys():
        raise ChainError(f"{where} is damaged: it has {sorted(value)}, where transform, version and fields are needed")
    entry = _find(value["transform"], where)
    name, version, fields = entry.kind.__name__, value["version"], value["fields"]
    if version > entry.version:
        raise ChainError(
            f"{where}, {name}, was written in version {version} of its fields, here is {entry.version}: install newer "
            "code"
        )
    if version < entry.version:
        if entry.upgrade is None:
            raise ChainError(f"{where}, {name}, was written in version {version} of its fields, which nothing upgrades")
        fields = entry.upgrade(version, dict(fields))
    unknown = set(fields) - {field.name for field in dataclasses.fields(entry.kind) if field.init}
    if unknown:
        raise ChainError(f"{where}: {name} has no parameter {', '.join(sorted(unknown))} here: install newer code")
    return entry.kind(**{key: _decode(item, f"{key} of {name}") for key, item in fields.items()})


def _find(name: Any, where: str) -> _Entry:
    if name not in _registry:
        # A constant, not a name from the file: the library's own transforms register themselves.
        importlib.import_module("dataload.transforms")
    if name not in _registry:
        raise ChainError(
            f"{where} is {name!r}, which is not registered here: import the module that defines it, and pass the class "
            "to dataload.chain_json.register"
        )
    return _registry[name]
