"""tf.train.Example as bytes: in every way that protobuf allows, and in ways that it does not."""

import random

from hypothesis import strategies as st

VARINT, EIGHT, LENGTH, GROUP, END_GROUP, FOUR = range(6)


def varint(value, width=0):
    """A number of 64 bits, in `width` bytes at least: longer than needed is allowed."""
    value &= 2**64 - 1
    parts = []
    while value > 127 or len(parts) + 1 < width:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def field(number, wire, content, width=0):
    """A field with its tag, and where there is one its length in `width` bytes at least."""
    length = varint(len(content), width) if wire == LENGTH else b""
    return varint(number << 3 | wire) + length + content


def inside(number, *parts):
    """A message in a field."""
    return field(number, LENGTH, b"".join(parts))


def entry(key, *values):
    """An entry of the map of features; a value is the bytes of a Feature."""
    return inside(1, inside(1, key), *(inside(2, value) for value in values))


def example(*entries):
    """An Example of entries."""
    return inside(1, *entries)


@st.composite
def unknown(draw):
    """A field that no message here has, or has in another encoding."""
    number = draw(st.integers(4, 2**29 - 1))
    wire = draw(st.sampled_from([VARINT, EIGHT, LENGTH, GROUP, FOUR]))
    if wire == VARINT:
        return field(number, wire, varint(draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 10))))
    if wire == GROUP:
        inner = b"".join(draw(st.lists(unknown(), max_size=2)))
        return field(number, wire, inner) + field(number, END_GROUP, b"")
    size = {EIGHT: 8, FOUR: 4}.get(wire)
    return field(number, wire, draw(st.binary(min_size=size or 0, max_size=size or 6)), draw(st.integers(0, 5)))


_INTS = st.one_of(st.integers(-5, 300), st.integers(-(2**63), 2**63 - 1)).map(varint)
_FLOATS = st.binary(min_size=4, max_size=4)


@st.composite
def lists(draw):
    """A list of a Feature: packed, not packed, or both, with unknown fields."""
    kind = draw(st.sampled_from([1, 2, 3]))
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        if kind == 1:
            parts.append(inside(1, draw(st.binary(max_size=200))))
        elif draw(st.booleans()):
            parts.append(inside(1, *draw(st.lists(_FLOATS if kind == 2 else _INTS, max_size=30))))
        else:
            parts.append(field(1, FOUR, draw(_FLOATS)) if kind == 2 else field(1, VARINT, draw(_INTS)))
        if draw(st.integers(0, 5)) == 0:
            parts.append(draw(unknown()))
    return inside(kind, *parts)


_FEATURES = st.lists(st.one_of(lists(), lists(), unknown()), max_size=3).map(b"".join)
_KEYS = st.one_of(st.sampled_from([b"a", b"b", "ü".encode(), b"", b"k" * 130]), st.text(max_size=4).map(str.encode))
# Protobuf's Python takes an entry with an unknown field for an unknown field itself, its C++ does not: left out.
_ENTRIES = st.builds(lambda key, values: entry(key, *values), _KEYS, st.lists(_FEATURES, max_size=2))
VALID = st.lists(
    st.one_of(st.lists(st.one_of(_ENTRIES, _ENTRIES, unknown()), max_size=3).map(lambda e: example(*e)), unknown()),
    max_size=3,
).map(b"".join)
"""Bytes that are an Example."""


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bytes with a few changes: a byte, a cut, a part that is left out or there twice, bytes in between."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(changed) + 1)
        way = rng.randrange(5)
        if way == 0 and at < len(changed):
            changed[at] = rng.choice([0, 8, 10, 13, 18, 26, 127, 128, 255, rng.randrange(256)])
        elif way == 1:
            del changed[at:]
        elif way == 2:
            del changed[at : at + rng.randrange(4)]
        elif way == 3:
            changed[at:at] = changed[: rng.randrange(len(changed) + 1)]
        else:
            changed[at:at] = rng.randbytes(rng.randrange(3))
    return bytes(changed)
