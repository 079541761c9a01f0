"""Which type a column of text has: that of numbers only where nothing of what was written is lost.

What is known of a column grows value by value over all blocks and files, in any order, and ends in one type for all
of them. Whole numbers are those that come out as they were written: with leading zeros, a plus, a hexadecimal prefix
or beyond 64 bits they are text. Dates are text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

# What stands for "no value" among numbers, as pandas and R write it. In a column of text nothing does.
NULLS = (
    *("", "NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "-NaN", "-nan", "#N/A", "#N/A N/A", "#NA"),
    *("-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
)
_TRUTHS = ("true", "false", "True", "False", "TRUE", "FALSE")
_EXACT = 1 << 53
# What a float would not give back: leading zeros, a plus in front of digits alone (telephone numbers).
_NOT_FLOAT = r"^[+-]?0[0-9]|^\+[0-9]+$"
_LONG_WHOLE = r"^-?[0-9]{16,}$"
_TRIED_FIRST = 64


@dataclass(frozen=True)
class Known:
    """What all values of a column together are: "none", "bool", "whole", "float" or "text".

    Args:
        kind: that.
        exact: whether each of the whole numbers among them is the same as a float64.
        named_null: whether one of the words for a null stands among them, other than an empty value.
    """

    kind: str = "none"
    exact: bool = True
    named_null: bool = False

    def __or__(self, other: Known) -> Known:
        """Return what the values of both are together."""
        exact, named_null = self.exact and other.exact, self.named_null or other.named_null
        kinds = {self.kind, other.kind} - {"none"}
        if not kinds:
            kind = "none"
        elif len(kinds) == 1:
            kind = kinds.pop()
        else:
            kind = "float" if kinds == {"whole", "float"} else "text"
        if kind == "float" and not exact:
            kind = "text"
        return Known(kind, exact, named_null)

    def type(self) -> Any:
        """Return the pyarrow type that all of the values have without loss."""
        import pyarrow as pa

        if self.kind == "none":
            return pa.string() if self.named_null else pa.null()
        return {"bool": pa.bool_(), "whole": pa.int64(), "float": pa.float64(), "text": pa.string()}[self.kind]


TEXT = Known("text")


def known_of(values: Any, nulls: Sequence[str]) -> Known:
    """Return what the values of a text column are.

    Args:
        values: a pyarrow array of strings.
        nulls: which of them stand for no value if the others are numbers.
    """
    import pyarrow as pa
    from pyarrow import compute

    null = compute.is_in(values, value_set=pa.array(nulls, pa.string()))
    named = False
    if compute.any(null).as_py():
        named = bool(compute.any(compute.and_(null, compute.not_equal(values, ""))).as_py())
        values = values.filter(compute.invert(null))
    if not len(values):
        return Known(named_null=named)
    # Trying a type on all values costs thirty times as much where it fails as where it does not.
    found = _kind(values.slice(0, _TRIED_FIRST), (_whole, _truths, _float))
    if found != TEXT and len(values) > _TRIED_FIRST:
        tried = {"whole": (_whole, _float), "bool": (_truths,), "float": (_float,)}[found.kind]
        found = _kind(values, tried)
    return replace(found, named_null=named) if found != TEXT else TEXT


def _kind(values: Any, tried: Sequence[Callable[[Any], Known | None]]) -> Known:
    """Return what the first of some functions says that knows the values."""
    from pyarrow import compute

    trimmed = compute.utf8_trim_whitespace(values)
    for test in tried:
        found = test(values if test is _truths else trimmed)
        if found is not None:
            return found
    return TEXT


def _whole(values: Any) -> Known | None:
    import pyarrow as pa
    from pyarrow import compute

    try:
        numbers = values.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    if not compute.all(compute.equal(numbers.cast(pa.string()), values)).as_py():
        return TEXT
    return Known("whole", _exact(numbers))


def _exact(numbers: Any) -> bool:
    from pyarrow import compute

    ends = compute.min_max(numbers).as_py()
    return bool(ends["min"] >= -_EXACT and ends["max"] <= _EXACT)


def _float(values: Any) -> Known | None:
    import pyarrow as pa
    from pyarrow import compute

    try:
        numbers = values.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    if compute.any(compute.match_substring_regex(values, _NOT_FLOAT)).as_py():
        return TEXT
    infinite = values.filter(compute.is_inf(numbers))
    if compute.any(compute.match_substring_regex(infinite, "[0-9]")).as_py():
        return TEXT  # too large for a float
    long = values.filter(compute.match_substring_regex(values, _LONG_WHOLE))
    if len(long):
        whole = _whole(long)
        if whole is None or whole == TEXT or not whole.exact:
            return TEXT
    # A column of words such as "inf" alone is no column of numbers.
    return Known("float") if len(infinite) < len(values) else TEXT


def _truths(values: Any) -> Known | None:
    import pyarrow as pa
    from pyarrow import compute

    return Known("bool") if compute.all(compute.is_in(values, value_set=pa.array(_TRUTHS))).as_py() else None
