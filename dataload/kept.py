"""What a `Cache` in a chain keeps: results of a row of transforms, by what goes into the first of them.

A result is named by the transforms with all of their parameters, by the versions of what computes them, and by the
value that goes in: of a file its path, size and times, of an object of a store its URL, size and tag, of everything
else its content. So nothing has to be declared, and what changed in any way is another value.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from dataload.cache.entries import VALUE
from dataload.cache.folder import make_folder
from dataload.cache.store import Cache, open_cache
from dataload.chain import CacheTransform
from dataload.counts import Counts, count
from dataload.errors import TransformError
from dataload.kept_recipes import Recipe, announce
from dataload.storage.fetched import Fetched
from dataload.storage.places import Url, as_url, is_url

# Of an encoded value: how long it is in all, and how long the part is that says what is in it.
_HEAD = struct.Struct("<QI")
_ALIGN = 64
_PLAIN = (bool, int, float, str, type(None))

_log = logging.getLogger("dataload")
_told: set[str] = set()


class _Unkept(Exception):
    """A value of which nobody could say whether it has changed."""


class _Missing:
    """Stands for a result that is not there."""


_MISSING = _Missing()


class Kept:
    """The results of some transforms.

    Args:
        transform: the Cache behind them.
        recipe: what stands before it.
        copies: whether what was kept is handed out in memory of its own, because it may be written to.

    Raises:
        ConfigError: the folder cannot be written to.
    """

    def __init__(self, transform: CacheTransform, recipe: Recipe, copies: bool) -> None:
        self._transform, self._recipe, self._copies = transform, recipe, copies
        folder, max_bytes = transform.place()
        make_folder(folder)
        self._name = announce(folder, recipe)
        self._folder, self._max_bytes = folder, max_bytes

    def _cache(self) -> Cache:
        # Asked for each time: a fork, such as a worker of torch, has one of its own.
        return open_cache(self._folder, self._max_bytes)

    def filled(self, values: list[Any], compute: Callable[[list[int]], list[Any]]) -> list[Any]:
        """Return the results for some values: those that are kept, and the others from `compute`, which are kept then.

        Args:
            values: what goes into the first transform.
            compute: returns the results for the values at some places.
        """
        keys = [self._key(value) for value in values]
        results = self._look_up(keys)
        missing = [place for place, result in enumerate(results) if result is _MISSING]
        if len(missing) < len(values):
            count(Counts(from_cache=len(values) - len(missing)))
        if missing:
            made = compute(missing)
            items = []
            for place, result in zip(missing, made, strict=True):
                results[place] = result
                key = keys[place]
                if key is not None:
                    items.append((key, _encode(result)))
            self._cache().put_all(items, VALUE)
        return results

    def lacks(self, values: list[Any]) -> list[bool]:
        """Return for each value whether its result would have to be computed."""
        return [result is _MISSING for result in self._look_up([self._key(value) for value in values])]

    def _look_up(self, keys: Sequence[bytes | None]) -> list[Any]:
        views = iter(self._cache().views([key for key in keys if key is not None]))
        return [_MISSING if key is None else self._decoded(next(views)) for key in keys]

    def _decoded(self, view: memoryview | None) -> Any:
        return _MISSING if view is None else _decode(view, self._copies)

    def _key(self, value: Any) -> bytes | None:
        digest = hashlib.blake2b(self._name, digest_size=16)
        try:
            _identify(value, digest.update)
        except _Unkept as why:
            if str(why) not in _told:
                _told.add(str(why))
                _log.warning("%s: its results are not kept in the cache %s", why, self._folder)
            return None
        return digest.digest()

    def __reduce__(self) -> tuple[Any, ...]:
        # Elsewhere other versions may compute.
        return Kept, (self._transform, self._recipe, self._copies)


def _identify(value: Any, update: Callable[[bytes], None]) -> None:
    """Tell a hash all that the result of transforms may depend on.

    Raises:
        TransformError: nothing says whether such a value is the same as another one.
        _Unkept: nothing says whether what it names is what it was.
    """
    if isinstance(value, Fetched):
        value = value.name
    if isinstance(value, str | os.PathLike):
        _identify_text(os.fspath(value), update)
    elif value is None or isinstance(value, bool | int | float | complex | np.generic):
        update(f"{type(value).__name__} {value!r};".encode())
    elif isinstance(value, bytes | bytearray | memoryview):
        update(b"bytes %d;" % len(value))
        update(value)  # type: ignore[arg-type]
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        update(f"array {value.dtype.str} {value.shape} {value.flags.f_contiguous};".encode())
        update(np.ascontiguousarray(value).data)  # type: ignore[arg-type]
    elif isinstance(value, dict):
        update(b"dict %d;" % len(value))
        for key, inner in value.items():
            _identify(key, update)
            _identify(inner, update)
    elif isinstance(value, list | tuple):
        update(f"{type(value).__name__} {len(value)};".encode())
        for inner in value:
            _identify(inner, update)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        update(f"{type(value).__qualname__};".encode())
        for field in dataclasses.fields(value):
            _identify(getattr(value, field.name), update)
    else:
        raise TransformError(
            f"a Cache cannot tell one {type(value).__name__} from another: what goes into the chain before it must be "
            "a path, a URL, bytes, an array, numbers, text, or containers of these"
        )


def _identify_text(text: Any, update: Callable[[bytes], None]) -> None:
    if isinstance(text, bytes):
        text = os.fsdecode(text)
    if "://" in text and is_url(text):
        url: Url = as_url(text).listed()
        if not url.tag:
            raise _Unkept(f"{url} has no ETag or the like that would say that it was replaced")
        update(f"url {len(url)} {url} {url.size} {url.tag};".encode())
        return
    said = f"text {len(text)} {text};"
    # Text that names no file is only text.
    with suppress(OSError, ValueError):
        about = os.stat(text)  # noqa: PTH116
        place = text if text[0] == "/" else os.path.abspath(text)  # noqa: PTH100
        said = f"file {len(place)} {place} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}; {said}"
    update(said.encode("utf-8", "surrogateescape"))


def _encode(value: Any) -> bytes:
    """Return a value as bytes; no pickle, since a cache may be shared with others.

    Raises:
        TransformError: it holds something else than arrays, numbers, text, bytes, None and containers of these.
    """
    arrays: list[Any] = []
    said = json.dumps(_say(value, arrays)).encode()
    size = _HEAD.size + len(said)
    parts = [b"", said]
    for data in arrays:
        pad = -size % _ALIGN
        parts += [bytes(pad), data]
        size += pad + len(data)
    parts[0] = _HEAD.pack(size, len(said))
    return b"".join(parts)


def _say(value: Any, arrays: list[Any]) -> Any:
    """Return a value as JSON can hold it, with the bytes of arrays apart."""
    kind = type(value)
    if kind in _PLAIN:
        return ["v", value]
    if isinstance(value, np.ndarray) and kind is np.ndarray and not value.dtype.hasobject and not value.dtype.names:
        fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        data = np.ascontiguousarray(value.T if fortran else value)
        arrays.append(data.reshape(-1).view(np.uint8).data)
        return ["a", value.dtype.str, value.shape, fortran]
    if isinstance(value, np.generic) and not value.dtype.hasobject and not value.dtype.names:
        arrays.append(value.tobytes())
        return ["g", value.dtype.str]
    if kind is bytes:
        arrays.append(value)
        return ["b", len(value)]
    if kind is list or kind is tuple:
        return ["l" if kind is list else "t", *(_say(inner, arrays) for inner in value)]
    if kind is dict and all(type(key) in _PLAIN for key in value):
        return ["d", *([key, _say(inner, arrays)] for key, inner in value.items())]
    raise TransformError(
        f"a Cache keeps arrays, numbers, text, bytes, None, and lists, tuples and dicts of these, not {kind.__name__} "
        f"({value!r:.100}): put it behind a transform that returns such values"
    )


def _decode(view: memoryview, copies: bool) -> Any:
    """Return the value that was encoded, on the memory given where it need not be copied."""
    if len(view) < _HEAD.size:
        return _MISSING
    size, said = _HEAD.unpack_from(view)
    if size != len(view):
        return _MISSING
    end = _HEAD.size + said
    return _hear(_read(bytes(view[_HEAD.size : end])), view, copies, [end])


@lru_cache(maxsize=4096)
def _read(said: bytes) -> Any:
    """Return what is said of a value, with the types of arrays as numpy wants them: most values look like others."""
    return _prepared(json.loads(said))


def _prepared(said: Any) -> Any:
    word, *rest = said
    if word == "a":
        kind, shape, fortran = rest
        dtype, order = np.dtype(kind), tuple(reversed(shape)) if fortran else tuple(shape)
        return word, dtype, order, fortran, dtype.itemsize * math.prod(shape)
    if word == "g":
        return word, np.dtype(rest[0])
    if word in "lt":
        return word, [_prepared(inner) for inner in rest]
    if word == "d":
        return word, [(key, _prepared(inner)) for key, inner in rest]
    return tuple(said)


def _hear(said: Any, view: memoryview, copies: bool, place: list[int]) -> Any:
    """Return a value; `place` is where the arrays that were not read yet begin."""
    word = said[0]
    if word == "a":
        _, dtype, order, fortran, size = said
        array: Any = np.ndarray(order, dtype, view, _take(place, size))
        if copies:
            array = array.copy()
        return array.T if fortran else array
    if word == "v":
        return said[1]
    if word == "g":
        dtype = said[1]
        return np.frombuffer(view, dtype, 1, _take(place, dtype.itemsize))[0]
    if word == "b":
        begin = _take(place, said[1])
        return bytes(view[begin : begin + said[1]])
    if word == "d":
        return {key: _hear(inner, view, copies, place) for key, inner in said[1]}
    inners = [_hear(inner, view, copies, place) for inner in said[1]]
    return inners if word == "l" else tuple(inners)


def _take(place: list[int], size: int) -> int:
    begin = place[0] + -place[0] % _ALIGN
    place[0] = begin + size
    return begin
