"""An audio file, whole or in part, as samples at its own rate.

Apart from `decode`, where the parameters of the transforms are, since whatever reads sound comes here. Everything that
can be wrong with a file is found here and said with its name, since libsndfile's messages lack it and some of its
silences (a WAV that was cut off) are worse.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

from dataload import fast
from dataload.audio.wav import LEAD, WavHeader, read_header, to_float32
from dataload.errors import DecodeError, SourceNotFound, TransformError
from dataload.memory import Float32

AudioFile = str | os.PathLike[str] | bytes | BinaryIO
# Called as choose(frames, sample_rate) -> (first frame, number of frames); both may reach beyond the file.
Choose = Callable[[int, int], tuple[int, int]]
FlacReader = Callable[[bytes], tuple[Float32, int] | None]
_HEAD = 1 << 16


# What decodes is called as decode(name, path, read_at, size): the name is for messages, the path None where there are
# only bytes, read_at(offset, n) returns n bytes or those that are there, and the size is that of the file in bytes.
# These are not one object, because making it takes a twelfth of the time of a short WAV.
_ReadAt = Callable[[int, int], bytes]
_Decode = Callable[[str, str | None, _ReadAt, int], tuple[Float32, int]]


def read_audio(file: Any) -> tuple[Float32, int, str]:
    """Decode a whole file.

    Args:
        file: a path, the bytes of a file, or a binary file object, which is read to its end.

    Returns:
        (samples, channels) float32, the sample rate in Hz, and the file's name for messages.

    Raises:
        SourceNotFound: no such file.
        DecodeError: a file that is empty, damaged, cut off or no audio.
        TransformError: something else than a path, bytes or a binary file.
    """
    return _with_bytes(file, _decode)


def read_part(file: Any, choose: Choose) -> tuple[Float32, int, str]:
    """Decode a stretch of a file, equal to the bit to the same stretch of the whole file decoded.

    Of WAV, FLAC and the other formats in which libsndfile seeks exactly, only the stretch is read, so that damage
    elsewhere goes unnoticed. Of Opus, Vorbis and MP3 see `sndfile.read_part`.

    Args:
        file: as for `read_audio`.
        choose: told the number of frames and the rate in Hz, says which frames: (first, number), not below 0. What
            reaches beyond the end is left out.

    Returns:
        (samples, channels) float32, the sample rate in Hz, and the file's name for messages.

    Raises:
        The errors of `read_audio`.
    """
    return _with_bytes(file, partial(_decode_part, choose=choose))


def _with_bytes(file: Any, decode: _Decode) -> tuple[Float32, int, str]:
    if isinstance(file, str | os.PathLike):
        name = os.fspath(file)
        samples, rate = _with_path(name, decode)
    else:
        name, data = _bytes_of(file)
        samples, rate = decode(name, None, lambda offset, n: data[offset : offset + n], len(data))
    return samples, rate, name


def _bytes_of(file: Any) -> tuple[str, bytes]:
    if isinstance(file, bytes | bytearray | memoryview):
        data = bytes(file)
        return f"<bytes, {len(data)} bytes>", data
    if not hasattr(file, "read"):
        raise TransformError(
            f"DecodeAudio takes a path, bytes or a binary file object but got {type(file).__name__} ({_short(file)})"
        )
    data = file.read()
    if not isinstance(data, bytes):
        raise TransformError(f"DecodeAudio got a file opened as text: open {_short(file)} with mode 'rb'")
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else f"<{type(file).__name__}, {len(data)} bytes>", data


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _with_path(path: str, decode: _Decode) -> tuple[Float32, int]:
    try:
        # As few system calls as there can be, since each gives up the GIL and waits to have it back: a file that one
        # read takes whole is not asked for its size. For 6 KB 5.7 µs (8.4 with two threads at it), where open(path,
        # "rb", buffering=0), fstat and read take 8.7 (12.5).
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            head = os.read(descriptor, _HEAD)
            if len(head) < _HEAD:
                return decode(path, path, lambda offset, n: head[offset : offset + n], len(head))
            return decode(path, path, _reader(descriptor, head), os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFound(f"{path}: no such file (looked from {Path.cwd()}): check the path") from None
    except IsADirectoryError:
        raise DecodeError(f"{path}: is a directory: give the files in it, e.g. with FileSource") from None
    except PermissionError as error:
        raise DecodeError(f"{path}: cannot be opened ({error.strerror}): check its permissions") from None


def _reader(descriptor: int, head: bytes) -> _ReadAt:
    def read_at(offset: int, n: int) -> bytes:
        if offset + n <= len(head):
            return head[offset : offset + n]
        os.lseek(descriptor, offset, os.SEEK_SET)
        parts = []
        while n > 0 and (part := os.read(descriptor, n)):
            parts.append(part)
            n -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    return read_at


def _decode(name: str, path: str | None, read_at: _ReadAt, size: int) -> tuple[Float32, int]:
    """Return (samples, channels) and the rate of a file, by the first reader that is sure of it."""
    header = _plain_header(name, read_at, size)
    if header is not None:
        length = header.held - header.held % header.frame_bytes
        return to_float32(read_at(header.offset - LEAD, LEAD + length), header), header.sample_rate
    start = read_at(0, 12)
    if start[:4] == b"fLaC" and (read_flac := flac_reader()) and (found := read_flac(read_at(0, size))):
        return found
    from dataload.audio import sndfile

    return sndfile.read(name, io.BytesIO(read_at(0, size)) if path is None else path, size, start)


def _decode_part(name: str, path: str | None, read_at: _ReadAt, size: int, *, choose: Choose) -> tuple[Float32, int]:
    header = _plain_header(name, read_at, size)
    if header is None:
        from dataload.audio import sndfile

        file = io.BytesIO(read_at(0, size)) if path is None else path
        return sndfile.read_part(name, file, size, read_at(0, 12), choose)
    frames = header.held // header.frame_bytes
    first, count = choose(frames, header.sample_rate)
    first = min(first, frames)
    begin = header.offset + first * header.frame_bytes
    length = min(count, frames - first) * header.frame_bytes
    return to_float32(read_at(begin - LEAD, LEAD + length), header), header.sample_rate


def flac_reader() -> FlacReader | None:
    """Return the function that reads FLAC without libsndfile, described in `flac`, if the `fast` extra brings it."""
    return _fast_flac() if fast.switched_on() else None


@cache
def _fast_flac() -> FlacReader | None:
    module = fast.load("miniaudio", "dataload.audio.flac")
    return module.read if module else None


def _plain_header(name: str, read_at: _ReadAt, size: int) -> WavHeader | None:
    """Return the header of a WAV whose samples are plain numbers, having checked that all of them are there."""
    if size == 0:
        raise DecodeError(f"{name}: is empty (0 bytes): fetch or record it again, or leave it out")
    header = read_header(read_at, size)
    if header is None:
        return None
    _check_complete(name, header)
    return header if header.plain and header.held >= header.frame_bytes else None


def _check_complete(name: str, header: WavHeader) -> None:
    if header.claimed is None:
        return
    unit = max(1, header.frame_bytes)
    claimed, held = header.claimed // unit, header.held // unit
    if held >= claimed:
        return
    raise DecodeError(
        f"{name}: is cut off: its header claims {claimed} frames but the file holds {held}, "
        f"{claimed - held} frames are missing: fetch it again, or leave it out"
    )
