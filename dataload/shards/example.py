"""tf.train.Example and tf.train.SequenceExample, read without protobuf.

What a serializer writes is read by its layout. Whatever else the encoding allows (fields again, fields that nobody
knows, numbers that are not packed) is left to `messages`, which knows all of it and names what is wrong.
"""

from __future__ import annotations

import numpy as np

from dataload.shards.encoding import encode_example as encode_example
from dataload.shards.layouts import BYTES, FLOATS, Layouts
from dataload.shards.messages import Value, feature_lists, features, int64s

# For all sources of this process: their records are of few layouts.
_layouts = Layouts()


def parse_example(data: bytes, layouts: Layouts = _layouts) -> dict[str, Value]:
    """Return the features of a serialized tf.train.Example by name, in the order in which they stand there.

    A feature without a list is left out, as TensorFlow takes it for one that is missing. Fields that Example does not
    have are passed over.

    Args:
        data: of a SequenceExample too, of which it gives the context.
        layouts: of Examples before this one, which make it fast.

    Returns:
        A bytes list as list[bytes], a float list as (n,) float32, an int64 list as (n,) int64; writable arrays that
        share no memory with `data`.

    Raises:
        DecodeError: it is no such message; the text names the byte.

    >>> parse_example(encode_example({"label": 3, "text": "hello"}))
    {'label': array([3]), 'text': [b'hello']}
    """
    try:
        found = _as_written(data, layouts)
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


def _as_written(data: bytes, layouts: Layouts) -> dict[str, Value] | None:
    """Return the features where they are written as serializers do, else None or any IndexError or ValueError."""
    entries = layouts.of(data)
    if entries is None:
        return None
    found: dict[str, Value] = {}
    for name, kind, spans in entries:
        if kind == BYTES:
            found[name] = [data[start:stop] for start, stop in spans]
            continue
        [(start, stop)] = spans
        if kind == FLOATS:
            found[name] = np.frombuffer(data[start:stop], "<f4").astype(np.float32)
        elif stop - start == 1 and data[start] < 128:
            found[name] = np.array([data[start]], np.int64)
        else:
            found[name] = int64s(data[start:stop])
    return found
