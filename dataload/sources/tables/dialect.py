"""How delimited text says where a value and a row end.

A quote opens a value only where the value begins; inside, a doubled quote is one quote, and line ends belong to the
value. A character behind an escape means itself, inside quotes or not. Rows end at LF, CRLF or CR.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dataload.errors import ConfigError

_ENDS = b"\n\r"


@dataclass(frozen=True)
class Dialect:
    """Delimiter, quote and escape: one ASCII character each, the last two may be None.

    Raises:
        ConfigError: one is longer, no ASCII character or a line end, or two are the same.
    """

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None

    def __post_init__(self) -> None:
        given = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape}
        for name, value in given.items():
            optional = name != "delimiter"
            if value is None and optional:
                continue
            if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in "\n\r\0":
                allowed = "one ASCII character that is no line end" + " or None" * optional
                raise ConfigError(f"{name}={value!r} must be {allowed}")
        characters = [value for value in given.values() if value is not None]
        if len(set(characters)) < len(characters):
            raise ConfigError(f"delimiter, quote and escape must differ: {given}")

    def split(self, row: str) -> list[str]:
        """Return the values of one row of text."""
        reader = csv.reader(
            io.StringIO(row, newline=""),
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
        )
        return next(reader, [])

    def row_end(self, data: bytes, at_least: int, *, last: bool) -> int | None:
        """Return where the first row ends whose line end stands at `at_least` or behind, or None if none does.

        Args:
            data: bytes that begin where a row begins.
            at_least: the line end may not stand before this position.
            last: whether the file ends with `data`.
        """
        if len(data) <= at_least:
            return None
        inside = self._inside(data)
        # LF first: where both occur a CR alone is part of a text more often than the end of a row.
        for end in _ENDS:
            places = np.flatnonzero(np.frombuffer(data, np.uint8)[at_least:] == end) + at_least
            for place in map(int, places[~inside(places)][:1]):
                if end == _ENDS[1] and not last and place + 1 == len(data):
                    return None  # An LF may follow.
                return place + 1 + (data[place : place + 2] == b"\r\n")
        return None

    def open_quote(self, data: bytes) -> int | None:
        """Return where the quoted value begins that `data` end in, or None where they end outside of quotes."""
        inside = self._inside(data)
        if self.quote is None or not inside(np.array([len(data)]))[0]:
            return None
        return inside.starts_before(len(data))

    def _inside(self, data: bytes) -> _Inside:
        """Return what tells which positions of `data` are part of a value, whatever stands there."""
        escapes = self.escape is not None and self.escape.encode() in data
        if not escapes:
            found = _Inside.of_pairs(data, self.delimiter, self.quote)
            if found is not None:
                return found
        starts, ends = [], []
        # A line end in front, because the first value is quoted like any other.
        for match in self._tokens.finditer(b"\n" + data):
            # Of a quoted value the match holds what stands in front of it, which may be a line end.
            starts.append(match.start() - (match.lastgroup is None))
            ends.append(match.end() - 1 + (match.group("close") == b""))
        return _Inside(np.array(starts, np.int64), np.array(ends, np.int64))

    @cached_property
    def _tokens(self) -> re.Pattern[bytes]:
        delimiter, quote, escape = (re.escape(c or "").encode() for c in (self.delimiter, self.quote, self.escape))
        escaped = escape + rb"." if escape else rb"(?!)"
        if not quote:
            return re.compile(rb"%s(?P<close>(?!))?" % escaped, re.DOTALL)
        body = rb"(?:[^%s%s]++|%s%s|%s)*+" % (quote, escape, quote, quote, escaped)
        return re.compile(rb"%s|[%s\n\r]%s%s(?P<close>%s?)" % (escaped, delimiter, quote, body, quote), re.DOTALL)


@dataclass(frozen=True)
class _Inside:
    """Stretches, in order, that are part of a value: start inclusive, end exclusive."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __call__(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        before = np.searchsorted(self.starts, places, side="right") - 1
        inside: NDArray[np.bool_] = (before >= 0) & (places < np.append(self.ends, 0)[before])
        return inside

    def starts_before(self, place: int) -> int:
        return int(self.starts[np.searchsorted(self.starts, place) - 1])

    @classmethod
    def of_pairs(cls, data: bytes, delimiter: str, quote: str | None) -> _Inside | None:
        """Return the stretches between quotes taken in pairs, or None where some quote is part of a text.

        Pairs are right if every first one stands where a value begins, or behind a quote, which then is a doubled one.
        """
        if quote is None or quote.encode() not in data:
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))
        array = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(array == ord(quote))
        first = quotes[::2]
        before = array[first[first > 0] - 1]
        allowed = np.zeros(256, np.bool_)
        allowed[[ord(delimiter), ord(quote), *_ENDS]] = True
        if not allowed[before].all():
            return None
        ends = quotes[1::2] + 1
        return cls(first, ends if len(ends) == len(first) else np.append(ends, len(data) + 1))
