"""A part of an audio file, and how long a file is: what can be said of sound without decoding it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dataload.errors import DecodeError, SourceNotFound

# libsndfile's figure for a length that it does not know is the largest there is.
_UNKNOWN = 1 << 62


@dataclass(frozen=True)
class Segment:
    """A stretch of an audio file, in seconds.

    A reader takes the samples from round(offset · rate) on, round(duration · rate) of them or as many as there are,
    `rate` being that of the file.

    Attributes:
        path: of the file.
        offset: where it begins.
        duration: how long it is.
    """

    path: str
    offset: float
    duration: float


def read_length(path: str) -> tuple[int, int]:
    """Return how many frames a file has, and its sample rate in Hz, from its header alone.

    Raises:
        SourceNotFound: there is no such file.
        DecodeError: it is no audio, or does not say how long it is.
    """
    import soundfile

    if not os.path.exists(path):  # noqa: PTH110
        raise SourceNotFound(f"{path}: no such file (looked from {os.getcwd()!r}): check the path")  # noqa: PTH109
    try:
        info = soundfile.info(path)
    except (soundfile.SoundFileError, TypeError) as error:
        raise DecodeError(f"{path}: cannot be read as audio ({error}): fetch or convert it again") from None
    if info.frames >= _UNKNOWN:
        raise DecodeError(f"{path}: its header does not say how long it is: convert it, e.g. with soundfile.write")
    return info.frames, info.samplerate
