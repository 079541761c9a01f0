"""Windows of long recordings as a source: one sample per window, none of them decoded here.

Apart from `files` because it stands on any source of paths, and multiplies its samples. What it gives for the sound is
a `Segment`, a path with a place in it; `DecodeAudio` reads that segment of the file and no more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.audio.limits import Limits
from dataload.audio.reader import read_length
from dataload.audio.segment import Segment
from dataload.counts import take_counts
from dataload.errors import ConfigError, SourceError
from dataload.samples import Field, field_names, get_field, replace_field
from dataload.sources.base import check_source, describe, fetch, fingerprint, suits_concurrency
from dataload.storage.cached import Keeper
from dataload.storage.places import is_url
from dataload.storage.pool import side_by_side

Int64Array = NDArray[np.int64]

_AT_A_TIME = 256


class SegmentSource:
    """Sliding windows over the recordings of another source.

    Window k of a file begins at k·hop seconds. There are as many as it takes to reach the end of the file, so the last
    one, and the only one of a file that is shorter than a window, may be shorter than the rest; with `drop_last` those
    are left out. The order is that of the files, and of time within a file. Making the source reads the header of every
    file, and its end (of an MP3 without a length in it, and of Ogg: the whole file), but decodes no sound unless
    nothing else tells how much there is.

    Args:
        files: any source whose samples are paths, or have one in `field`: a list of paths, a `FileSource`, a
            `TableSource` with a column of paths.
        window: length of a window in seconds.
        hop: from the start of one window to the next in seconds; None is `window`, so that they do not overlap.
        field: where the path stands in a sample; None where the sample is the path. That field becomes the `Segment`;
            the others stay as they are.
        drop_last: whether windows with less than `window` seconds are left out.
        truncated: as in `DecodeAudio`: what becomes of a file whose header claims more than is there. "error" raises
            now, "keep" gives the windows of what is there.
        cache: a folder where bytes that were read from a store are kept: see `FileSource`.
        cache_bytes: that it may take, such as "100GB".

    Raises:
        ConfigError: `files` is no source, a length is not above 0, or no window is left.
        FieldError: a sample has no such field.
        SourceNotFound: there is no such file.
        DecodeError: a file is empty, no audio, no regular file, cut off, or of a sample rate that changes.

    >>> SegmentSource(FileSource("talks", "*.flac", audio=str), 10.0, hop=5.0, field="audio")[1]  # doctest: +SKIP
    {'audio': Segment(path='talks/a.flac', offset=5.0, duration=10.0)}
    """

    def __init__(
        self,
        files: Any,
        window: float,
        *,
        hop: float | None = None,
        field: Field | None = None,
        drop_last: bool = False,
        truncated: str = "error",
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int | str | None = None,
    ) -> None:
        check_source(files)
        if truncated not in ("error", "keep"):
            raise ConfigError(f'truncated={truncated!r} must be "error" or "keep"')
        self._files = files
        self._window = _seconds("window", window)
        self._hop = self._window if hop is None else _seconds("hop", hop)
        self._field = field
        self._drop_last = drop_last
        self._keeper = Keeper(cache, cache_bytes)
        limits = Limits(keep=truncated == "keep")
        paths = list(self._paths())
        self._keeper.check(describe(files))
        lengths = (
            side_by_side(partial(read_length, limits=limits), paths)
            if any(map(is_url, paths))
            else [read_length(path, limits) for path in paths]
        )
        # Making a list of files is no reading of them.
        take_counts()
        self._frames = np.array([frames for frames, _ in lengths], np.int64)
        self._rates = np.array([rate for _, rate in lengths], np.int64)
        self._ends = np.cumsum(self._counts())
        if len(self) == 0:
            raise ConfigError(
                f"no file of {describe(files)} is as long as a window of {window} s: take a shorter window, "
                "or drop_last=False"
            )

    @property
    def read_concurrency(self) -> int:
        """How many samples each worker should read at the same time: as of the files."""
        return suits_concurrency(self._files)

    def _paths(self) -> Iterator[str]:
        # Some at a time: a sample may hold more than its path.
        for start in range(0, len(self._files), _AT_A_TIME):
            numbers = range(start, min(start + _AT_A_TIME, len(self._files)))
            for number, sample in zip(numbers, fetch(self._files, numbers), strict=True):
                yield self._path(number, sample)

    def _counts(self) -> Int64Array:
        """Return how many windows each file has: (files,) int64."""
        window = np.rint(self._window * self._rates).astype(np.int64)
        hop = np.rint(self._hop * self._rates)
        for name, seconds, frames in (("window", self._window, window), ("hop", self._hop, hop)):
            if not frames.all():
                raise ConfigError(f"{name}={seconds} s is shorter than a sample at {self._rates.min()} Hz")
        behind_first = self._frames - window
        if self._drop_last:
            return self._windows_before(behind_first + 1)
        # Where there are gaps between the windows, the one that would reach the end may begin behind it.
        counts: Int64Array = np.minimum(self._windows_before(behind_first) + 1, self._windows_before(self._frames))
        return counts

    def _windows_before(self, frames: Int64Array) -> Int64Array:
        """Return how many windows of each file begin before a frame, counted as a reader does, rounding included."""

        def begins(number: Int64Array) -> Int64Array:
            begun: Int64Array = np.rint(number * self._hop * self._rates).astype(np.int64)
            return begun

        # Seconds times rates are rarely whole in binary, so that an estimate may be one too many or too few.
        number: Int64Array = np.maximum(0, np.ceil((frames - 0.5) / (self._hop * self._rates))).astype(np.int64)
        number -= (number > 0) & (begins(number - 1) >= frames)
        number += begins(number) < frames
        return number

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def _place(self, index: int) -> tuple[int, float]:
        """Return the number of the file of a window, and where in it the window begins, in seconds."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is outside of {self!r}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[number - 1]) if number else 0
        return number, (index - before) * self._hop

    def _path(self, number: int, sample: Any) -> str:
        path = sample if self._field is None else get_field(sample, self._field)
        if isinstance(path, str | os.PathLike):
            return self._keeper.url(os.fspath(path))
        names = field_names(sample) if self._field is None else []
        hint = f": name the field with the path, field= one of {names}" if names else ""
        raise SourceError(
            f"a SegmentSource needs paths of files but {describe(self._files, number)} gives a "
            f"{type(path).__name__}{hint}"
        )

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return one sample per window; a file with several windows among them is asked of `files` once."""
        places = [self._place(index) for index in indices]
        numbers = sorted({number for number, _ in places})
        samples = dict(zip(numbers, fetch(self._files, numbers), strict=True))
        return [self._cut(number, samples[number], offset) for number, offset in places]

    def _cut(self, number: int, sample: Any, offset: float) -> Any:
        segment = Segment(self._path(number, sample), offset, self._window)
        return segment if self._field is None else replace_field(sample, self._field, segment)

    def runs(self) -> Int64Array:
        """Return how many windows each file has: (files,) int64."""
        return np.diff(self._ends, prepend=0)

    def describe(self, index: int) -> str:
        """Return the file and the place in it, for messages."""
        number, offset = self._place(index)
        path = self._path(number, fetch(self._files, [number])[0])
        return f"{path} at {offset:g} s"

    def fingerprint(self) -> str:
        """Return a digest of the files' own fingerprint, their lengths, and how they are cut."""
        cut = f"{fingerprint(self._files)} {self._window} {self._hop} {self._drop_last}"
        digest = hashlib.blake2b(cut.encode(), digest_size=8)
        digest.update(self._frames.astype("<i8").tobytes())
        digest.update(self._rates.astype("<i8").tobytes())
        return f"SegmentSource[{len(self)}]:{digest.hexdigest()}"

    def __repr__(self) -> str:
        return (
            f"SegmentSource({describe(self._files)}, window={self._window:g}, hop={self._hop:g}: {len(self)} windows)"
        )


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigError(f"{name}={value!r} must be a number of seconds above 0")
    return float(value)
