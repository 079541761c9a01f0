"""Samples with values of every kind, for the tests that a batch is the same whoever makes it."""

import collections
import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid

import numpy as np

Pair = collections.namedtuple("Pair", "a b")


@dataclasses.dataclass(frozen=True)
class Derived:
    a: int
    c: int = dataclasses.field(init=False, default=3)


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """Its check knows one sample and no batch."""

    a: float
    start: dataclasses.InitVar[int]
    twice: float = dataclasses.field(init=False)

    def __post_init__(self, start):
        if self.a < 0:
            raise ValueError("negative")
        object.__setattr__(self, "twice", 2.0 * self.a + start)


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 2


class Text(str):
    pass


class Whole(int):
    pass


class Fields(dict):
    pass


class Plane(np.ndarray):
    pass


def rows(x):
    return np.arange(6, dtype=np.float32).reshape(2, 3) + x


def structured(x, kind):
    return np.array([(x, "q" if kind == "O" else 2)], [("a", "i4"), ("b", kind)])


# What every kind of worker makes the same batch of: a value for each x of 0, 1, 2.
ALIKE = {
    "float32": rows,
    "one number in an array": lambda x: np.array(x),
    "empty arrays": lambda x: np.zeros((0, 5)),
    "complex": lambda x: rows(x) * 1j,
    "long double": lambda x: rows(x).astype(np.longdouble),
    "big-endian": lambda x: rows(x).astype(">f4"),
    "every other": lambda x: (np.arange(9) + x)[::-2],
    "read-only": lambda x: np.broadcast_to(np.float32(x), (2, 2)),
    "an array of a subclass": lambda x: rows(x).view(Plane),
    "times": lambda x: np.array(["2020-01-01", "NaT"], "M8[s]") + x,
    "a time": lambda x: np.datetime64("2020-01-01") + x,
    "a structure": lambda x: structured(x, "f8"),
    "a structure with objects": lambda x: structured(x, "O"),
    "text of unlike widths": lambda x: np.array(["ab", "cde" * (x + 1)]),
    "bytes of unlike widths": lambda x: np.array([b"a" * (x + 1)]),
    "objects": lambda x: np.array([x, "s", None], object),
    "None": lambda x: None,
    "text and None": lambda x: None if x == 1 else "a",
    "None and text": lambda x: None if x == 0 else "a",
    "fields in another order": lambda x: {"a": 1, "b": 2} if x != 1 else {"b": 3, "a": 4},
    "a dict and its subclass": lambda x: {"a": x} if x else Fields(a=x),
    "a dataclass with a derived field": Derived,
    "a dataclass with a check": lambda x: Checked(float(x), 1),
    "a named tuple": lambda x: Pair(x, "s"),
    "a list of numbers": lambda x: [x, 2.5, np.float32(3)],
    "a list of truths": lambda x: [np.True_, np.bool_(x)],
    "a mixed list": lambda x: [x, "a", rows(x)],
    "lists of texts": lambda x: ["a"] * x,
    "lists of texts and None": lambda x: None if x == 1 else ["a"],
    "an empty tuple": lambda x: (),
    "an empty dict": lambda x: {},
    "the largest int64": lambda x: 2**63 - 1,
    "uint64": lambda x: np.uint64(2**63 + x),
    "int and int64": lambda x: x if x else np.int64(x),
    "an array and a number": lambda x: np.array(x) if x else x,
    "a complex number": lambda x: complex(x, 1),
    "a subclass of int": Whole,
    "a subclass of str": Text,
    "an enum": lambda x: Color.RED,
    "an enum of int": lambda x: Level.LOW,
    "text that is not Unicode": lambda x: "\udcff",
    "bytes": lambda x: b"\xff" * x,
    "bytes in memory": lambda x: memoryview(b"abc"),
    "bytes that change": lambda x: bytearray(b"abc"),
    "a set": lambda x: {x, 2},
    "a decimal": decimal.Decimal,
    "a date": lambda x: datetime.date(2020, 1, 1 + x),
    "a path": lambda x: pathlib.Path("/x"),
    "an id": lambda x: uuid.UUID(int=x),
    "a range": range,
    "a deque": lambda x: collections.deque([x]),
    "keys of any type": lambda x: {0: x, "a": 2, None: 3, (1, 2): 4},
}

# What makes no batch: a value for each x, and what the message says behind the name of the field.
REFUSED = {
    "a masked array": (
        lambda x: np.ma.masked_array(rows(x), rows(x) > 2),
        r"is a masked array.*x\.filled.*in sample 0",
    ),
    "a masked number": (lambda x: np.ma.masked if x == 1 else np.float64(x), "is a masked array.*in sample 1"),
    "None among numbers": (lambda x: None if x == 1 else x, "is 0 in sample 0 .* None in sample 1: .*-1 if x is None"),
    "numbers behind None": (lambda x: None if x == 0 else x, "is None in sample 0 .* 1 in sample 1: .*-1 if x is None"),
    "None among arrays": (lambda x: None if x == 2 else rows(x), "an array of shape .* None in sample 2"),
    "None among dicts": (lambda x: None if x == 0 else {"a": x}, "None in sample 0 .* a dict in sample 1"),
    "text behind numbers": (lambda x: x if x != 1 else "one", "is 0 in sample 0 .* 'one' in sample 1: .*number"),
    "numbers behind text": (lambda x: x if x else "one", "is 'one' in sample 0 .* 1 in sample 1: .*number"),
    "int then float": (
        lambda x: x if x != 1 else 1.5,
        r"int64 \(0\) in sample 0 .* float64 \(1.5\) in sample 1: .*float64, which keeps whole numbers up to 2\*\*53",
    ),
    "float then int": (lambda x: x if x else 1.5, r"float64 \(1.5\) in sample 0 .* int64 \(1\) in sample 1: .*float64"),
    "bool then int": (lambda x: x if x else True, r"bool \(True\) in sample 0 .* int64 \(1\) in sample 1: .*int64"),
    "float32 and float64 numbers": (lambda x: np.float32(x) if x else np.float64(x), "float64 .* float32.*float64$"),
    "float32 and float64": (
        lambda x: rows(x) if x != 1 else rows(x).astype("f8"),
        r"float32 in sample 0 .* float64 in sample 1: .*x\.astype\('float64'\)$",
    ),
    "an int64 column with a null": (
        lambda x: np.array([1, 2 if x else np.nan]) if x == 0 else np.array([1, 2]),
        r"float64 in sample 0 .* int64 in sample 1: .*x\.astype\('float64'\), which keeps whole numbers up to 2\*\*53",
    ),
    "an array and a list of text": (lambda x: rows(x) if x else ["a"], "a list of texts in sample 0 .* an array"),
    "an array and a number of one type": (lambda x: rows(x) if x else np.float32(1), r"shape \(\) .*\(2, 3\) in sampl"),
    "unlike shapes": (lambda x: np.zeros(2 + (x == 1)), r"shape \(2,\) in sample 0 .*\(3,\) in sample 1.*pad"),
    "0 and 1 axes": (lambda x: np.zeros(()) if x != 1 else np.zeros(1), r"shape \(\) in sample 0 .*\(1,\) in sample 1"),
    "other fields": (lambda x: {"a": 1} if x != 1 else {"a": 1, "b": 2}, r"\['a'\] .*\['a', 'b'\] in sample 1: give"),
    "other classes": (lambda x: Derived(x) if x else Checked(1.0, 1), "a Checked in sample 0 .* a Derived in sample 1"),
    "lists of numbers of unlike lengths": (lambda x: [1] * (x + 1), r"shape \(1,\) .*\(2,\) in sample 1.*pad"),
    "lists of anything of unlike lengths": (
        lambda x: [rows(x)] * (x + 1),
        "has 1 elements in sample 0 .* 2 in sample 1: .*WholeList",
    ),
    "numbers behind texts in lists": (
        lambda x: [x] if x else ["a"],
        "a list of texts in sample 0 .* of numbers in sam",
    ),
    "texts behind numbers in lists": (
        lambda x: ["a"] if x else [x],
        "a list of numbers in sample 0 .* of texts in sam",
    ),
    "nothing but empty lists": (lambda x: [], r"an empty list in every sample .*numpy\.asarray.*WholeList"),
    "int lists and float lists": (lambda x: [1.0 * x] if x else [x], "int64 in sample 0 .* float64 in sample 1"),
    "a huge number": (lambda x: 2**70 if x == 1 else x, r"whole numbers beyond 64 bits.*str.*in sample 1 of"),
    "a number beyond int64": (lambda x: 2**63 + x, "whole numbers beyond 64 bits.*uint64"),
    "a huge number in a list": (lambda x: [2**70, x], "whole numbers beyond 64 bits.*in sample 0 of"),
    "a number beyond int64 in a list": (lambda x: [2**63, -1], "whole numbers beyond 64 bits"),
    "uint64 and int in a list": (lambda x: [np.uint64(1), 2], "whole numbers beyond 64 bits"),
    "an iterator among lists": (lambda x: iter([x]) if x else [x], "a list of numbers in sample 0 .* a list_iterator"),
    "a view of numbers": (lambda x: memoryview(np.arange(3, dtype="i4")), r"memoryview of format 'i'.*numpy\.asarray"),
}
