"""A part of an audio file, named and not yet read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """A segment of an audio file, in seconds.

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
