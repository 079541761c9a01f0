"""tf.train.Example and tf.train.SequenceExample, read without protobuf.

What a serializer writes is read in one loop over its bytes. Whatever else the encoding allows (fields again, fields
that nobody knows, numbers that are not packed) is left to `messages`, which knows all of it and names what is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dataload.shards.encoding import encode_example as encode_example
from dataload.shards.messages import Value, feature_lists, features, int64s

_ONE_FIELD = 0x0A  # Field 1 with a length: features, an entry of a map, its key, a value of a list.
_ENTRY_VALUE = 0x12
_BYTES, _FLOATS, _INT64S = 0x0A, 0x12, 0x1A


def parse_example(data: bytes) -> dict[str, Value]:
    """Return the features of a serialized tf.train.Example by name, in the order in which they stand there.

    A feature without a list is left out, as TensorFlow takes it for one that is missing. Fields that Example does not
    have are passed over.

    Args:
        data: of a SequenceExample too, of which it gives the context.

    Returns:
        A bytes list as list[bytes], a float list as (n,) float32, an int64 list as (n,) int64; writable arrays that
        share no memory with `data`.

    Raises:
        DecodeError: it is no such message; the text names the byte.

    >>> parse_example(encode_example({"label": 3, "text": "hello"}))
    {'label': array([3]), 'text': [b'hello']}
    """
    try:
        found = _as_written(data)
    except (IndexError, ValueError):
        found = None
    return features(data, 1) if found is None else found


def parse_sequence_example(data: bytes) -> tuple[dict[str, Value], dict[str, list[Value | None]]]:
    """Return context and feature lists of a serialized tf.train.SequenceExample.

    Returns:
        The context as `parse_example` gives it, and for each feature list one value per step, None where a step's
        feature has no list.

    Raises:
        DecodeError: it is no such message; the text names the byte.
    """
    return features(data, 1), feature_lists(data, 2)


def _as_written(data: bytes) -> dict[str, Value] | None:
    """Return the features where they are written as serializers do, else None or any IndexError or ValueError.

    Every length is compared with the end of what it is in: a slice beyond it is short and no error.
    """
    found: dict[str, Value] = {}
    end = len(data)
    if not end:
        return found
    size, at = _length(data, 1)
    if data[0] != _ONE_FIELD or at + size != end:
        return None
    while at < end:
        if data[at] != _ONE_FIELD:
            return None
        size = data[at + 1]
        at += 2
        if size > 127:
            size, at = _length(data, at - 1)
        stop = at + size
        size = data[at + 1]
        if data[at] != _ONE_FIELD or size > 127 or stop > end:
            return None
        at += 2 + size
        key = data[at - size : at].decode()
        if data[at] != _ENTRY_VALUE:
            return None
        size = data[at + 1]
        at += 2
        if size > 127:
            size, at = _length(data, at - 1)
        kind = data[at]
        if at + size != stop:
            return None
        size = data[at + 1]
        at += 2
        if size > 127:
            size, at = _length(data, at - 1)
        if at + size != stop:
            return None
        value: Any
        if kind == _BYTES:
            value = []
            while at < stop:
                if data[at] != _ONE_FIELD:
                    return None
                size = data[at + 1]
                at += 2
                if size > 127:
                    size, at = _length(data, at - 1)
                value.append(data[at : at + size])
                at += size
            if at != stop:
                return None
        elif kind in (_FLOATS, _INT64S):
            if at < stop:
                size, start = _length(data, at + 1)
                if data[at] != _ONE_FIELD or start + size != stop:
                    return None
                at = start
            if kind == _FLOATS:
                if (stop - at) % 4:
                    return None
                value = np.frombuffer(data[at:stop], "<f4").astype(np.float32)
            elif stop - at == 1 and data[at] < 128:
                value = np.array([data[at]], np.int64)
            else:
                value = int64s(data[at:stop])
            at = stop
        else:
            return None
        found[key] = value
    return found


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at a byte, of four bytes at most, and where it ends."""
    first = data[at]
    if first < 128:
        return first, at + 1
    second = data[at + 1]
    if second < 128:
        return first & 127 | second << 7, at + 2
    third = data[at + 2]
    if third < 128:
        return first & 127 | (second & 127) << 7 | third << 14, at + 3
    fourth = data[at + 3]
    if fourth < 128:
        return first & 127 | (second & 127) << 7 | (third & 127) << 14 | fourth << 21, at + 4
    raise ValueError
