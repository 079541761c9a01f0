"""What samples hold, by field: kinds, dtypes, sizes, shapes, and how long sound is by its headers."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from dataload.audio.reader import read_length, read_part
from dataload.audio.segment import Segment
from dataload.commands.target import AUDIO_SUFFIXES
from dataload.errors import DataloadError
from dataload.kinds import Kind, kind_of, number_dtype
from dataload.samples import field_names, get_field
from dataload.sources.base import describe, fetch
from dataload.sources.files import own_path
from dataload.sources.tfrecord import TFRecordSource
from dataload.storage.places import is_url, place

_SOUND = re.compile(
    rb"RIFF....WAVE|RF64|RIFX|fLaC|OggS|ID3|\xff[\xe2-\xff]|FORM....AIF|\.snd|caff|riff|NIST", re.DOTALL
)
_IMAGE = re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8|BM|RIFF....WEBP|II\*\0|MM\0\*", re.DOTALL)
# A file elsewhere is read whole for its length.
_MAX_FETCHED = 16 << 20
_FIRST = 3


@dataclass(frozen=True)
class Seen:
    """One value: what it is, and of the rest what it has; size in bytes."""

    kind: str
    size: int | None = None
    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    suffix: str | None = None
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Range:
    """The smallest, the middle and the largest of some figures."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Range | None:
        """Return the range of figures; None where there are none."""
        return cls(min(figures), median(figures), max(figures)) if figures else None


@dataclass(frozen=True)
class Field:
    """What a field holds.

    Attributes:
        name: of the field.
        kinds: of its values, with their dtypes or suffixes, the most frequent first.
        samples: how many of those looked at have it.
        bytes: sizes.
        shapes: the smallest and the largest of each axis; None where there are no arrays, or of unlike axes.
        seconds: of sound.
        mean_seconds: of sound; None where there is none.
        errors: how many values could not be read.
        error: why the first of them could not.
    """

    name: str
    kinds: tuple[str, ...]
    samples: int
    bytes: Range | None
    shapes: tuple[tuple[int, int], ...] | None
    seconds: Range | None
    mean_seconds: float | None
    errors: int
    error: str | None


@dataclass(frozen=True)
class Survey:
    """What a source holds.

    Attributes:
        source: what to call it.
        samples: how many it has.
        looked_at: how many the figures are of.
        fields: in order.
        first: the first samples, each field in a few words.
    """

    source: str
    samples: int
    looked_at: int
    fields: tuple[Field, ...]
    first: tuple[dict[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def survey(source: Any, most: int) -> Survey:
    """Look at samples of a source, spread evenly.

    Args:
        source: any source.
        most: how many samples to look at.

    Raises:
        The errors of the source, with a note that names the sample.
    """
    count = len(source)
    chosen = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)).tolist() if count else []
    seen: dict[str, list[Seen]] = {}
    for index in chosen:
        for name, value in fields_of(source, index).items():
            seen.setdefault(name, []).append(look_at(value, own_path(source, index)))
    first = tuple(
        {name: in_short(value) for name, value in fields_of(source, index).items()}
        for index in range(min(count, _FIRST))
    )
    fields = tuple(_field(name, values) for name, values in seen.items())
    return Survey(describe(source), count, len(chosen), fields, first)


def fields_of(source: Any, index: int) -> dict[str, Any]:
    """Return the fields of a sample; one without fields is one, named by nothing."""
    (sample,) = fetch(source, [index])
    if isinstance(source, TFRecordSource) and isinstance(sample, dict):
        # Every feature is a list, and most are lists of one.
        return {name: value[0] if len(value) == 1 else value for name, value in sample.items()}
    if isinstance(sample, list):
        return {"": sample}
    return {str(name): get_field(sample, name) for name in field_names(sample)} or {"": sample}


def is_file(value: Any, own: str | None) -> bool:
    """Return whether a value is the path of a file that should be looked into."""
    if isinstance(value, os.PathLike):
        return True
    if not isinstance(value, str) or not value:
        return False
    return value == own or (Path(value).suffix.lower() in AUDIO_SUFFIXES and (is_url(value) or Path(value).is_file()))


def is_sound(data: bytes) -> bool:
    """Return whether a file that begins so may be sound."""
    return _SOUND.match(data) is not None


def is_image(data: bytes) -> bool:
    """Return whether a file that begins so is an image."""
    return _IMAGE.match(data) is not None


def look_at(value: Any, own: str | None = None) -> Seen:
    """Return what a value is.

    Args:
        value: of a field.
        own: the path of the sample, if it is a file.
    """
    if is_file(value, own):
        return _file(os.fspath(value))
    if isinstance(value, Segment):
        return Seen("segment", seconds=value.duration)
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes(bytes(value))
    if isinstance(value, str):
        return Seen("text", len(value.encode("utf-8", "surrogatepass")))
    kind = kind_of(value)
    if kind is Kind.NUMBER:
        dtype = number_dtype(type(value))
        return Seen("number", dtype.itemsize, str(dtype))
    if kind is Kind.ARRAY:
        array = np.asarray(value)
        return Seen("array", array.nbytes, str(array.dtype), array.shape)
    return Seen(kind.value.removeprefix("an ").removeprefix("a "))


def _file(path: str) -> Seen:
    suffix = Path(path).suffix.lower() or None
    size = seconds = None
    try:
        at = place(path)
        size = at.stat().size
        if suffix in AUDIO_SUFFIXES:
            if not at.store.remote:
                frames, rate = read_length(path)
                seconds = frames / rate
            elif size <= _MAX_FETCHED:
                seconds = _seconds(at.read())
    except DataloadError as error:
        return Seen("file", size, suffix=suffix, error=str(error))
    return Seen("file", size, suffix=suffix, seconds=seconds)


def _bytes(data: bytes) -> Seen:
    if is_image(data):
        return Seen("image", len(data))
    if not is_sound(data):
        return Seen("bytes", len(data))
    try:
        return Seen("sound", len(data), seconds=_seconds(data))
    except DataloadError as error:
        return Seen("bytes", len(data), error=str(error))


def _seconds(data: bytes) -> float:
    length = []

    def choose(frames: int, rate: int) -> tuple[int, int]:
        length.append(frames / rate)
        return 0, 0

    read_part(data, choose)
    return length[0]


def _field(name: str, seen: Sequence[Seen]) -> Field:
    kinds = [" ".join(filter(None, (one.kind, one.dtype, one.suffix))) for one in seen]
    shapes = {len(one.shape) for one in seen if one.shape is not None}
    axes = None
    if len(shapes) == 1:
        all_shapes = np.array([one.shape for one in seen if one.shape is not None], np.int64)
        axes = tuple(zip(all_shapes.min(axis=0).tolist(), all_shapes.max(axis=0).tolist(), strict=True))
    seconds = [one.seconds for one in seen if one.seconds is not None]
    errors = [one.error for one in seen if one.error is not None]
    return Field(
        name,
        tuple(sorted(set(kinds), key=lambda kind: (-kinds.count(kind), kind))),
        len(seen),
        Range.of([one.size for one in seen if one.size is not None]),
        axes,
        Range.of(seconds),
        sum(seconds) / len(seconds) if seconds else None,
        len(errors),
        errors[0] if errors else None,
    )


def in_short(value: Any) -> str:
    """Return a value in a few words."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(bytes(value)):,} bytes"
    if kind_of(value) is Kind.ARRAY:
        array = np.asarray(value)
        return f"array {array.shape} {array.dtype}"
    return _SHORT.repr(value) if not isinstance(value, np.generic) else repr(value.item())


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
