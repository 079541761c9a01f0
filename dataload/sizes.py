"""Numbers of bytes as people write them."""

from __future__ import annotations

import re

from dataload.errors import ConfigError


def byte_size(text: str) -> int:
    """Return a number of bytes: 1000000, 500MB, 1GiB.

    Raises:
        ConfigError: it is none, or below 1; the message goes on after the name of what was given.

    >>> byte_size("500MB"), byte_size("1.5 GiB")
    (500000000, 1610612736)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b)?", text.strip(), re.IGNORECASE)
    size = 0
    if found is not None:
        number, prefix, binary = found.groups(default="")
        size = int(float(number) * (1024 if binary else 1000) ** " kmgt".index(prefix.lower() or " "))
    if size < 1:
        raise ConfigError(f"{text!r} is not a number of bytes above 0, such as 500MB or 1GiB")
    return size


def size_text(size: int) -> str:
    """Return a number of bytes for people: "12.3 MB"."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size} bytes"
