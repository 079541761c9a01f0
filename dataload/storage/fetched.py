"""What was read ahead of the transform that wants it."""

from __future__ import annotations

from typing import NamedTuple


class Fetched(NamedTuple):
    """An object that was read ahead: what to call it, and its bytes."""

    name: str
    data: bytes
