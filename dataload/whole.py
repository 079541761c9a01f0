"""Containers that are one value: a batch holds one of them per sample, where other lists and dicts are opened."""

from __future__ import annotations

from typing import Any


class WholeList(list[Any]):
    """A list whose length and element types say nothing about those of other samples, such as a list of tags."""


class WholeDict(dict[str, Any]):
    """A dict whose keys say nothing about those of other samples, such as the arguments of a call."""


def is_whole(value: Any) -> bool:
    """Tell whether a value is a list or dict that a batch does not open."""
    return isinstance(value, WholeList | WholeDict)


def opened(value: Any) -> Any:
    """Return a plain list or dict of what a whole value holds; anything else as it is."""
    if isinstance(value, WholeList):
        return list(value)
    return dict(value) if isinstance(value, WholeDict) else value
