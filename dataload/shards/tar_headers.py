"""Headers of tar archives: numbers, checksums, extended headers, and how a member's name makes a key."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

BLOCK = 512
ZEROS = bytes(BLOCK)

# What other files begin with, and what to call them.
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x04\x22\x4d\x18": "LZ4",
}
# The names that WebDataset keeps for itself, such as __meta__/info.json.
_META = re.compile(rb"__[^/]*__(?:$|/)")
_RECORD = re.compile(rb"(\d{1,20}) ([^=]+)=")


class BadHeader(Exception):
    """A header that cannot be read, or of what cannot be read by number; the message goes on after its place."""


def compression(begin: bytes) -> str | None:
    """Return the compression of a file that begins so, None where it has none."""
    return next((name for magic, name in _COMPRESSED.items() if begin.startswith(magic)), None)


def number(field: bytes) -> int:
    """Return a number of a header, octal or base-256, or raise BadHeader."""
    if field[:1] in (b"\x80", b"\xff"):
        return int.from_bytes(field[1:], "big", signed=False) - (256 ** (len(field) - 1) if field[0] == 0xFF else 0)
    text = field.split(b"\0", 1)[0].strip()
    if not re.fullmatch(rb"[0-7]*", text):
        raise BadHeader(f"has {field!r} where a number should be")
    return int(text or b"0", 8)


def wrong_checksum(headers: NDArray[np.uint8]) -> int | None:
    """Return which of these headers is the first that does not have the checksum that it says, or None.

    Args:
        headers: (n, 512).
    """
    counted = headers.sum(axis=1, dtype=np.int64) - headers[:, 148:156].sum(axis=1, dtype=np.int64) + 8 * ord(" ")
    digits = headers[:, 148:154].astype(np.int64) - ord("0")
    said = digits @ (8 ** np.arange(5, -1, -1))
    usual = ((digits >= 0) & (digits < 8)).all(axis=1) & np.isin(headers[:, 154], (0, ord(" ")))
    for row in np.flatnonzero(~usual | (said != counted)).tolist():
        if not _has_checksum(headers[row], int(counted[row])):
            return int(row)
    return None


def _has_checksum(header: NDArray[np.uint8], counted: int) -> bool:
    """Return whether a header that is written unusually has the checksum that it says, of signed bytes or unsigned."""
    try:
        said = number(header[148:156].tobytes())
    except BadHeader:
        return False
    signed = header.view(np.int8)
    return said in (counted, int(signed.sum(dtype=np.int64) - signed[148:156].sum(dtype=np.int64)) + 8 * ord(" "))


def short_name(header: bytes) -> bytes:
    """Return the name that stands in a header, with the prefix of ustar."""
    name = header[:100].split(b"\0", 1)[0]
    # GNU tar writes two spaces there, and has times where the prefix is.
    if header[257:263] == b"ustar\0" and header[345]:
        return header[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def pax_records(body: bytes) -> dict[bytes, bytes]:
    """Return the records of an extended header, or raise BadHeader."""
    records: dict[bytes, bytes] = {}
    place = 0
    while place < len(body) and body[place]:
        match = _RECORD.match(body, place)
        stop = place + int(match.group(1)) if match else 0
        if match is None or not match.end() < stop <= len(body) or body[stop - 1] != ord("\n"):
            raise BadHeader("is an extended header with a damaged record")
        records[match.group(2)] = body[match.end() : stop - 1]
        place = stop
    return records


def split_name(name: bytes) -> tuple[bytes, bytes] | None:
    """Return key and suffix of a member's name, None where it is no part of a sample.

    The key ends at the first dot of the last part of the path. Names whose last part begins with a dot or has none, and
    those that WebDataset keeps for itself, are no part of a sample.
    """
    begin = name.rfind(b"/") + 1
    dot = name.find(b".", begin)
    if dot <= begin or (name[0] == ord("_") and _META.match(name)):
        return None
    return name[:dot], name[dot + 1 :]
