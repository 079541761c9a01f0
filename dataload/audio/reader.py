"""An audio file, whole or in part, as samples at its own rate.

Apart from `decode`, where the parameters of the transforms are, since whatever reads sound comes here. Everything that
can be wrong with a file is found here and said with its name, since libsndfile's messages lack it and some of its
silences (a WAV that was cut off) are worse.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

from dataload import fast
from dataload.audio.limits import Limits
from dataload.audio.wav import LEAD, ReadAt, WavHeader, by_container, read_header, settle, to_float32
from dataload.errors import DecodeError, SourceNotFound, TransformError
from dataload.memory import Float32
from dataload.storage.fetched import Fetched

AudioFile = str | os.PathLike[str] | bytes | BinaryIO
# Called as choose(frames, sample_rate) -> (first frame, number of frames); both may reach beyond the file.
Choose = Callable[[int, int], tuple[int, int]]
FlacReader = Callable[[bytes], tuple[Float32, int] | None]
_HEAD = 1 << 16
_FLAC_HEAD = 42
# A FIFO is not waited for, and a terminal does not become that of the process.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_LIMITS = Limits()


# What decodes is called as decode(name, descriptor, read_at, size): the name is for messages, the descriptor None where
# there are only bytes, read_at(offset, n) returns n bytes or those that are there, and the size is that of the file in
# bytes. These are not one object, because making it takes a twelfth of the time of a short WAV.
_Decode = Callable[[str, int | None, ReadAt, int], Any]


def read_audio(file: Any, limits: Limits = _LIMITS) -> tuple[Float32, int, str]:
    """Decode a whole file.

    Args:
        file: a path or URL, the bytes of a file, or a binary file object, which is read to its end.
        limits: what it may come to.

    Returns:
        (samples, channels) float32, the sample rate in Hz, and the file's name for messages. Several channels have the
        order of WAV: left, right, centre, low frequencies, rear left and right, side left and right.

    Raises:
        SourceNotFound: no such file.
        StorageError: a store that does not give it, or has another one now.
        DecodeError: a file that is empty, damaged, cut off, no audio, no regular file, or above a limit.
        TransformError: something else than a path, bytes or a binary file.
    """
    (samples, rate), name = _with_bytes(file, partial(_decode, limits=limits), whole=True)
    return samples, rate, name


def read_part(file: Any, choose: Choose, limits: Limits = _LIMITS) -> tuple[Float32, int, str]:
    """Decode a segment of a file, equal to the bit to the same segment of the whole file decoded.

    Of WAV, FLAC and the other formats in which libsndfile seeks exactly, only the segment is read, so that damage
    elsewhere goes unnoticed. Of Opus, Vorbis and MP3 see `sndfile.read_part`.

    Args:
        file: as for `read_audio`.
        choose: told the number of frames and the rate in Hz, says which frames: (first, number), not below 0. What
            reaches beyond the end is left out.
        limits: what the segment may come to.

    Returns:
        (samples, channels) float32, the sample rate in Hz, and the file's name for messages.

    Raises:
        The errors of `read_audio`.
    """
    (samples, rate), name = _with_bytes(file, partial(_decode_part, choose=choose, limits=limits))
    return samples, rate, name


def read_length(path: str, limits: Limits = _LIMITS) -> tuple[int, int]:
    """Return how many frames a file has, and its sample rate in Hz, as far as can be told without decoding it.

    What `read_audio` finds wrong with the headers of a file is found here too. A file that does not say how long it is
    is decoded.

    Raises:
        The errors of `read_audio`.
    """
    found: tuple[int, int] = _with_bytes(path, partial(_length, limits=limits))[0]
    return found


def _with_bytes(file: Any, decode: _Decode, whole: bool = False) -> tuple[Any, str]:
    if isinstance(file, str | os.PathLike):
        name = os.fspath(file)
        if "://" in name:
            return _with_url(name, decode, whole), name
        return _with_path(name, decode), name
    name, data = _bytes_of(file)
    return decode(name, None, lambda offset, n: data[offset : offset + n], len(data)), name


def _with_url(name: str, decode: _Decode, whole: bool) -> Any:
    # Only with the first URL: what comes with it is not needed for files of this machine.
    from dataload.audio import objects
    from dataload.storage.places import as_url

    url = as_url(name)
    read_at, size = objects.read_whole(url) if whole else objects.open_parts(url)
    return decode(url, None, read_at, size)


def _bytes_of(file: Any) -> tuple[str, bytes]:
    if isinstance(file, Fetched):
        return file.name, file.data
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


def _with_path(path: str, decode: _Decode) -> Any:
    try:
        # As few system calls as there can be, since each gives up the GIL and waits to have it back: a file that one
        # read takes whole is not asked for its size. For 6 KB 5.7 µs (8.4 with two threads at it), where open(path,
        # "rb", buffering=0), fstat and read take 8.7 (12.5).
        descriptor = os.open(path, _FLAGS)
        try:
            # What is no file has no places in it, and takes part in no such read.
            head = _read_at(descriptor, _HEAD, 0)
            if 0 < len(head) < _HEAD:
                return decode(path, descriptor, lambda offset, n: head[offset : offset + n], len(head))
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
                raise _not_regular(path)
            return decode(path, descriptor, _reader(descriptor, head), found.st_size)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFound(f"{path}: no such file (looked from {Path.cwd()}): check the path") from None
    except IsADirectoryError:
        raise DecodeError(f"{path}: is a directory: give the files in it, e.g. with FileSource") from None
    except PermissionError as error:
        raise DecodeError(f"{path}: cannot be opened ({error.strerror}): check its permissions") from None
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _not_regular(path) from None
        raise


# Of reading at a place in a FIFO, and of opening a socket or a device that is not there.
_NO_FILE = (errno.ESPIPE, errno.ENXIO, errno.EAGAIN)


def _not_regular(path: str) -> DecodeError:
    return DecodeError(f"{path}: is a FIFO, a socket or a device, not a file: write what it gives to a file first")


def _read_without_places(descriptor: int, n: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, n)


# Where there is no pread, on Windows, a FIFO is no file that could be opened.
_read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _read_without_places)


def _reader(descriptor: int, head: bytes) -> ReadAt:
    def read_at(offset: int, n: int) -> bytes:
        if offset + n <= len(head):
            return head[offset : offset + n]
        parts = []
        while n > 0 and (part := _read_at(descriptor, n, offset)):
            parts.append(part)
            n -= len(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    return read_at


def _decode(name: str, descriptor: int | None, read_at: ReadAt, size: int, *, limits: Limits) -> tuple[Float32, int]:
    """Return (samples, channels) and the rate of a file, by the first reader that is sure of it."""
    header = _plain_header(name, read_at, size, limits)
    if header is not None:
        frames = header.held // header.frame_bytes
        if frames > limits.max_frames or 4 * frames * header.channels > limits.max_bytes:
            limits.check(name, frames, header.channels)
        return to_float32(read_at(header.offset - LEAD, LEAD + frames * header.frame_bytes), header), header.sample_rate
    if (found := _fast_decoded(name, read_at, size, limits)) is not None:
        return found
    from dataload.audio import streams

    return streams.read(name, descriptor, read_at, size, limits)


def _decode_part(
    name: str, descriptor: int | None, read_at: ReadAt, size: int, *, choose: Choose, limits: Limits
) -> tuple[Float32, int]:
    header = _plain_header(name, read_at, size, limits)
    if header is None:
        from dataload.audio import streams

        if streams.only_fast(read_at) and (found := _fast_decoded(name, read_at, size, limits)) is not None:
            first, count = choose(len(found[0]), found[1])
            return found[0][first : first + count], found[1]
        return streams.read_part(name, descriptor, read_at, size, choose, limits)
    frames = header.held // header.frame_bytes
    first, count = choose(frames, header.sample_rate)
    first = min(first, frames)
    count = min(count, frames - first)
    limits.check(name, count, header.channels)
    begin = header.offset + first * header.frame_bytes
    return to_float32(read_at(begin - LEAD, LEAD + count * header.frame_bytes), header), header.sample_rate


def _length(name: str, descriptor: int | None, read_at: ReadAt, size: int, *, limits: Limits) -> tuple[int, int]:
    header = _plain_header(name, read_at, size, limits, settled=False)
    if header is not None:
        return header.held // header.frame_bytes, header.sample_rate
    from dataload.audio import streams

    return streams.length(name, descriptor, read_at, size, limits)


def _fast_decoded(name: str, read_at: ReadAt, size: int, limits: Limits) -> tuple[Float32, int] | None:
    """Return a FLAC file decoded by what the `fast` extra brings, None for others and where it is not sure."""
    if read_at(0, 4) != b"fLaC" or (read_flac := flac_reader()) is None:
        return None
    from dataload.audio import flac_stream

    data = read_at(0, size)
    if len(data) < _FLAC_HEAD or not flac_stream.is_whole(name, data[:_FLAC_HEAD], data, ends=False):
        return None
    # It takes no more memory than sixteen samples for each byte of the file.
    found = read_flac(data)
    if found is not None:
        limits.check(name, *found[0].shape)
    return found


def flac_reader() -> FlacReader | None:
    """Return the function that reads FLAC without libsndfile, described in `flac`, if the `fast` extra brings it."""
    return _fast_flac() if fast.switched_on() else None


@cache
def _fast_flac() -> FlacReader | None:
    module = fast.load("miniaudio", "dataload.audio.flac")
    return module.read if module else None


def _plain_header(name: str, read_at: ReadAt, size: int, limits: Limits, settled: bool = True) -> WavHeader | None:
    """Return the header of a WAV whose samples are plain numbers, having checked that all of them are there."""
    if size == 0:
        raise DecodeError(f"{name}: is empty (0 bytes): fetch or record it again, or leave it out")
    header = read_header(read_at, size)
    if header is None:
        return None
    if not header.plain:
        header = by_container(header)
        if header.used and settled:
            header = settle(header, read_at)
        if not header.plain:
            return None
    if header.claimed is not None and header.held < header.claimed:
        limits.check_complete(name, header.claimed, header.held, header.frame_bytes)
    return header if header.held >= header.frame_bytes else None
