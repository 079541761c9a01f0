"""TFRecord files: length, checksum of the length, data, checksum of the data, and so on to the end."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np

from dataload.errors import DecodeError
from dataload.extras import require
from dataload.shards.scanning import Scan
from dataload.storage.places import Shard

KIND = "tfrecord"
# Of the index: where a record begins, with its frame.
FIELD = "record"
# Bytes in front of the data, and behind it.
HEAD, FOOT = 12, 4

_HEAD = struct.Struct("<QI")
_FOOT = struct.Struct("<I")
# As much is read at once. A next record that begins beyond it is hopped to: from a bucket, only where that saves more
# than a request takes.
_LOCAL_BYTES, _REMOTE_BYTES = 16 << 10, 4 << 20


def scan_tfrecord(shard: Shard) -> Scan:
    """Return where the records of a file are, with their frames.

    The checksum of each length is compared, that of the data is not: `unframe` does so.

    Raises:
        DecodeError: it is no TFRecord file, compressed, damaged or cut off; the text names record and byte.
        MissingExtra: google-crc32c is not installed.
        StorageError: it cannot be read.
    """
    offsets, sizes = array("q"), array("q")
    step = _REMOTE_BYTES if shard.place.store.remote else _LOCAL_BYTES
    block, base, at = b"", 0, 0
    while at < shard.size:
        here = at - base
        if here + HEAD > len(block):
            block, base, here = shard.place.read(at, min(at + step, shard.size), shard.tag), at, 0
        try:
            size = framed_size(block[here : here + HEAD])
            if size > shard.size - at:
                raise WrongFrame(
                    f"has {size} bytes, and the file has {shard.size - at} more: it was cut off; fetch it again"
                )
        except WrongFrame as error:
            packed = _compression(block) if not at else None
            if packed is not None:
                raise DecodeError(
                    f"{shard.place.url}: is compressed with {packed}, and such files cannot be read by number: write "
                    "it anew without compression (images and sound are compressed already)"
                ) from None
            raise DecodeError(f"{shard.place.url}: record {len(offsets)} at byte {at} {error}") from None
        offsets.append(at)
        sizes.append(size)
        at += size
    return Scan(None, {FIELD: np.array(offsets, np.int64)}, {FIELD: np.array(sizes, np.int64)})


def unframe(record: bytes) -> bytes:
    """Return the data of a record, its two checksums compared.

    Raises:
        DecodeError: it is damaged; the text goes on after the name of the record.
        MissingExtra: google-crc32c is not installed.
    """
    if record[:HEAD] != head_of(len(record) - HEAD - FOOT):
        raise DecodeError(_wrong_head(record))
    data = record[HEAD:-FOOT]
    if _FOOT.unpack_from(record, len(record) - FOOT)[0] != masked_crc(data):
        raise DecodeError("is damaged: its data do not have the checksum that was written with them; fetch it again")
    return data


@lru_cache(4096)
def head_of(size: int) -> bytes:
    """Return what stands in front of data of some size; many records have the same."""
    length = struct.pack("<q", size)
    return length + _FOOT.pack(masked_crc(length))


def _wrong_head(record: bytes) -> str:
    try:
        size = framed_size(record[:HEAD])
    except WrongFrame as error:
        return str(error)
    return f"has {size} bytes, and {len(record)} in the index: make that anew with `dataload index`"


def frame(data: bytes) -> bytes:
    """Return data as a record of a TFRecord file.

    Raises:
        MissingExtra: google-crc32c is not installed.
    """
    return b"".join((head_of(len(data)), data, _FOOT.pack(masked_crc(data))))


def masked_crc(data: bytes) -> int:
    """Return the CRC32C of data as TFRecord files have it: rotated, and a constant added.

    Raises:
        MissingExtra: google-crc32c is not installed.
    """
    found: int = masked(crc32c()(data))
    return found


def masked(crc: Any) -> Any:
    """Return a CRC32C, or a uint64 array of them, as TFRecord files have it: rotated, and a constant added."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def crc32c() -> Callable[[bytes], int]:
    """Return the function that gives the CRC32C of data.

    Raises:
        MissingExtra: google-crc32c is not installed.
    """
    require("google_crc32c", extra="tfrecord", purpose="a TFRecord file")
    from google_crc32c import value

    found: Callable[[bytes], int] = value
    return found


class WrongFrame(Exception):
    """What is wrong with a record; the message goes on after its number."""


def framed_size(head: bytes) -> int:
    """Return how many bytes a record that begins like this has with its frame.

    Raises:
        WrongFrame: it is no record, or damaged.
    """
    if len(head) < HEAD:
        raise WrongFrame(
            f"has {len(head)} of the {HEAD} bytes that it begins with: the file was cut off; fetch it again"
        )
    length, crc = _HEAD.unpack(head)
    if crc != masked_crc(head[:8]):
        raise WrongFrame(
            "begins with a length that does not have its checksum: this is no TFRecord file, or it is damaged"
        )
    return HEAD + int(length) + FOOT


def _compression(begin: bytes) -> str | None:
    """Return how a file that begins like this is compressed, None where it is not, as far as one can tell."""
    if begin.startswith(b"\x1f\x8b"):
        return "gzip"
    is_zlib = len(begin) > 1 and begin[0] == 0x78 and (begin[0] << 8 | begin[1]) % 31 == 0
    return "zlib" if is_zlib else None
