"""Where rows stand in JSON text: one per line, one behind the other over any lines, or in one array."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 100
_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class BadRow(ValueError):
    """A row that is no JSON object, or none that can be read.

    Args:
        why: what is wrong.
        row: its number among those that were given.
    """

    def __init__(self, why: str, row: int = 0) -> None:
        super().__init__(why)
        self.row = row


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRow(f"the key {twice!r} is there twice in one object")
    return row


_CHECKING = json.JSONDecoder(object_pairs_hook=_checked)
_READING = json.JSONDecoder()


def parse_rows(texts: list[str]) -> list[dict[str, Any]]:
    """Return rows that are seen for the first time.

    Raises:
        BadRow: one is no JSON, no object, nested more than `MAX_DEPTH` times, or has a key twice.
    """
    for number, text in enumerate(texts):
        # There are no more levels than brackets, and few texts have so many.
        if text.count("{") + text.count("[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
            raise BadRow(f"it is nested more than {MAX_DEPTH} times", number)
    try:
        # One call for all is faster by half.
        rows = _CHECKING.decode(f"[{','.join(texts)}]")
        if len(rows) == len(texts) and all(type(row) is dict for row in rows):
            return rows  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        pass  # Which of them it is shows below.
    return [parse_row(text, number, _CHECKING) for number, text in enumerate(texts)]


def parse_row(text: str, number: int = 0, decoder: json.JSONDecoder = _READING) -> dict[str, Any]:
    """Return one row.

    Raises:
        BadRow: it is no JSON or no object.
    """
    try:
        row = decoder.decode(text)
    except RecursionError:
        raise BadRow(f"it is nested more than {MAX_DEPTH} times", number) from None
    except BadRow as error:
        raise BadRow(str(error), number) from None
    except ValueError as error:
        raise BadRow(f"it is no JSON: {error}", number) from None
    if not isinstance(row, dict):
        example = '{"text": "hello"}'
        raise BadRow(f"it is a {type(row).__name__}, and a row must be an object, such as {example}", number)
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
