"""The encoding of protobuf, as far as tf.train.Example has it: every way to write a message, and what is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import DecodeError

Value = list[bytes] | NDArray[np.float32] | NDArray[np.int64]

# What stands in the three low bits of a tag.
_VARINT, _EIGHT_BYTES, _LENGTH, _GROUP, _END_GROUP, _FOUR_BYTES = range(6)
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
# As deep as protobuf reads messages and groups within one another.
_MAX_DEPTH = 100
_TOO_LONG = re.compile(rb"[\x80-\xff]{10}")
# Fewer bytes are read one by one sooner than all together.
_MANY = 24


def features(data: bytes, number: int) -> dict[str, Value]:
    """Return what a message has in a field of the type tf.train.Features, a feature without a list left out.

    Where the field stands there again, its features are added; of features of one name the last counts.

    Raises:
        DecodeError: it is no message; the text names the byte.
    """
    found: dict[str, Value] = {}
    for key, spans in _map(data, number):
        value = _feature(data, spans, 3)
        if value is None:
            found.pop(key, None)
        else:
            found[key] = value
    return found


def feature_lists(data: bytes, number: int) -> dict[str, list[Value | None]]:
    """Return what a message has in a field of the type tf.train.FeatureLists; None is a feature without a list.

    Raises:
        DecodeError: it is no message; the text names the byte.
    """
    return {
        key: [_feature(data, [span], 4) for one in spans for span in _parts(data, *one, 1, 3)]
        for key, spans in _map(data, number)
    }


def int64s(raw: bytes) -> NDArray[np.int64]:
    """Return the numbers that varints stand for; (n,) int64.

    Raises:
        ValueError: the last one is cut off, or one has more than ten bytes.
    """
    if 0 < len(raw) < 10 and raw[-1] < 128 <= min(raw[:-1], default=128):
        # One number of up to nine bytes, as most features are: a label.
        value = 0
        for byte in reversed(raw):
            value = value << 7 | byte & 127
        return np.array([value], np.int64)
    if wrong_varints(raw):
        raise ValueError("no varints")
    if len(raw) < _MANY:
        values, value, shift = [], 0, 0
        for byte in raw:
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                value &= (1 << 64) - 1
                values.append(value - (1 << 64) if value >> 63 else value)
                value = shift = 0
        return np.array(values, np.int64)
    parts = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(parts < 128)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends + 1 - starts
    numbers = (parts[starts] & 127).astype(np.uint64)
    for i in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > i)
        numbers[longer] |= (parts[starts[longer] + i] & 127).astype(np.uint64) << np.uint64(7 * i)
    found: NDArray[np.int64] = numbers.view(np.int64)
    return found


def wrong_varints(raw: bytes) -> bool:
    """Return whether bytes are not whole varints of at most ten bytes each."""
    return bool(raw) and (raw[-1] > 127 or _TOO_LONG.search(raw) is not None)


def _map(data: bytes, number: int) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield the entries of a map from text to messages: its key, and where parts of its value are."""
    for start, stop in _parts(data, 0, len(data), number, 0):
        for entry in _parts(data, start, stop, 1, 1):
            key, spans = b"", []
            for field, wire, first, last in _fields(data, *entry, 2):
                if wire == _LENGTH and field == 1:
                    key = data[first:last]
                    if not _is_utf8(key):
                        raise _wrong(first, f"the name of a feature, {key[:40]!r}, is no UTF-8")
                elif wire == _LENGTH and field == 2:
                    spans.append((first, last))
            yield key.decode(), spans


def _is_utf8(key: bytes) -> bool:
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True


def _feature(data: bytes, spans: Sequence[tuple[int, int]], depth: int) -> Value | None:
    """Return the list of a feature that stands there in parts; None where it has none.

    A list of the same kind goes on with the one before it, and one of another kind takes its place.
    """
    kind, parts = 0, list[bytes]()
    for start, stop in spans:
        for field, wire, first, last in _fields(data, start, stop, depth):
            if wire == _LENGTH and field in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST):
                if field != kind:
                    kind, parts = field, []
                parts += _list(data, first, last, kind, depth + 1)
    if kind == _BYTES_LIST:
        return parts
    raw = b"".join(parts)
    if kind == _FLOAT_LIST:
        return np.frombuffer(raw, "<f4").astype(np.float32)
    return int64s(raw) if kind else None


def _list(data: bytes, start: int, stop: int, kind: int, depth: int) -> Iterator[bytes]:
    """Yield the bytes of the values of a list: of each, or of several that are packed."""
    single = {_BYTES_LIST: _LENGTH, _FLOAT_LIST: _FOUR_BYTES, _INT64_LIST: _VARINT}[kind]
    for field, wire, first, last in _fields(data, start, stop, depth):
        if field == 1 and wire in (single, _LENGTH):
            part = data[first:last]
            if kind == _FLOAT_LIST and len(part) % 4:
                raise _wrong(first, f"a list of floats has {len(part)} bytes, which is no multiple of 4")
            if kind == _INT64_LIST and wrong_varints(part):
                raise _wrong(first, "a list of integers holds one that is cut off, or has more than 10 bytes")
            yield part


def _parts(data: bytes, start: int, stop: int, number: int, depth: int) -> Iterator[tuple[int, int]]:
    """Yield where the messages in a field begin and end."""
    for field, wire, first, last in _fields(data, start, stop, depth):
        if field == number and wire == _LENGTH:
            yield first, last


def _fields(data: bytes, at: int, stop: int, depth: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the fields of a message but groups: number, kind of encoding, where the value begins and ends."""
    while at < stop:
        tag, first = _tag(data, at, stop)
        if tag < 8 or tag & 7 == _END_GROUP:
            raise _wrong(at, f"there is no field with the tag {tag}")
        if tag & 7 == _GROUP:
            at = _after_group(data, first, stop, tag, depth + 1)
            continue
        first, at = _value(data, first, stop, tag)
        yield tag >> 3, tag & 7, first, at


def _after_group(data: bytes, at: int, stop: int, tag: int, depth: int) -> int:
    """Return where a group ends, which no message here has, so that it is a field to pass over."""
    inside = [tag]
    while inside:
        if depth + len(inside) > _MAX_DEPTH + 1:
            raise _wrong(at, f"messages lie more than {_MAX_DEPTH} deep within one another")
        tag, first = _tag(data, at, stop)
        if tag & 7 == _GROUP:
            inside.append(tag)
            at = first
        elif tag & 7 == _END_GROUP:
            if tag - 1 != inside.pop():
                raise _wrong(at, f"field {tag >> 3} ends, which had not begun")
            at = first
        else:
            _, at = _value(data, first, stop, tag)
    return at


def _value(data: bytes, at: int, stop: int, tag: int) -> tuple[int, int]:
    """Return where the value behind a tag begins and ends."""
    wire, first = tag & 7, at
    if wire == _VARINT:
        end = _after_varint(data, at, stop, 10)
    elif wire == _LENGTH:
        first = _after_varint(data, at, stop, 5)
        end = first + _number(data, at, first)
    elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
        end = at + (8 if wire == _EIGHT_BYTES else 4)
    else:
        raise _wrong(at, f"field {tag >> 3} is encoded in way {wire}, which there is not")
    if end > stop:
        raise _wrong(at, f"field {tag >> 3} has {end - first} bytes, and {max(stop - first, 0)} are left")
    return first, end


def _tag(data: bytes, at: int, stop: int) -> tuple[int, int]:
    end = _after_varint(data, at, stop, 5)
    tag = _number(data, at, end)
    if tag >> 32:
        raise _wrong(at, f"there is no field with the tag {tag}")
    return tag, end


def _after_varint(data: bytes, at: int, stop: int, most: int) -> int:
    for end in range(at, min(at + most, stop)):
        if data[end] < 128:
            return end + 1
    raise _wrong(at, f"a number is cut off, or has more than {most} bytes")


def _number(data: bytes, at: int, end: int) -> int:
    value: Any = 0
    for i in range(end - at):
        value |= (data[at + i] & 127) << 7 * i
    return int(value)


def _wrong(at: int, why: str) -> DecodeError:
    return DecodeError(f"byte {at}: {why}: it is no tf.train.Example, or it is damaged")
