"""Where rows stand in JSON text: one per line, one behind the other over any lines, or in one array."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 100
_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class BadRow(ValueError):
    """A row that is no JSON object, or none that can be read."""


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRow(f"the key {twice!r} is there twice in one object")
    return row


_CHECKING = json.JSONDecoder(object_pairs_hook=_checked)
_READING = json.JSONDecoder()


def parse_row(text: str, *, check: bool = False) -> dict[str, Any]:
    """Return one row.

    Args:
        text: one JSON object.
        check: whether to look for what can only be wrong when a row is seen first, such as a key that is there twice.

    Raises:
        BadRow: it is no JSON, no object, or nested more than `MAX_DEPTH` times.
    """
    try:
        # There are no more levels than brackets, and few texts have so many.
        if check and text.count("{") + text.count("[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
            raise BadRow(f"it is nested more than {MAX_DEPTH} times")
        row = (_CHECKING if check else _READING).decode(text)
    except RecursionError:
        raise BadRow(f"it is nested more than {MAX_DEPTH} times") from None
    except BadRow:
        raise
    except ValueError as error:
        raise BadRow(f"it is no JSON: {error}") from None
    if not isinstance(row, dict):
        raise BadRow(f'it is a {type(row).__name__}, and a row must be an object, such as {{"text": "hello"}}')
    return row


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def lines(text: str) -> list[str]:
    """Return the lines that hold something."""
    return [line for line in text.split("\n") if line and not line.isspace()]


def objects(text: str) -> tuple[list[str], int]:
    """Return the objects that stand one behind the other, and where the last whole one ends.

    Commas between them, and brackets around them, are taken as parts of one array.
    """
    found: list[str] = []
    place = end = 0
    while True:
        while (place := _SPACE.match(text, place).end()) < len(text) and text[place] in ",[]":  # type: ignore[union-attr]
            place += 1
        if place == len(text):
            return found, place
        try:
            _, end_of_value = _READING.raw_decode(text, place)
        except (ValueError, RecursionError):
            return found, end
        found.append(text[place:end_of_value])
        place = end = end_of_value
