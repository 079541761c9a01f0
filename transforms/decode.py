"""DecodeAudio: the way from a file to a waveform.

Everything that can be wrong with a file is found here and said with its name, since libsndfile's messages
lack it and some of its silences (a WAV that was cut off) are worse.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dataload.chain import Spec
from dataload.errors import ChainError, DecodeError, SourceNotFound, TransformError
from dataload.transforms import fast
from dataload.transforms.checks import Float32, Printed, one_of, positive_int, store
from dataload.transforms.resample import change_rate
from dataload.transforms.wav import LEAD, WavHeader, read_header, to_float32

ReadAt = Callable[[int, int], bytes]
_HEAD = 1 << 16
# A damaged rate would otherwise ask for any amount of memory in resampling.
_RATIO = 1000


@dataclass(frozen=True, repr=False)
class DecodeAudio(Printed):
    """Read an audio file, whatever its format, as a waveform at one sample rate.

    WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF and whatever else libsndfile reads. A FLAC or WAV file that was
    cut off is an error. In OGG and MP3 the header does not say for certain how long the clip is: of those,
    what is there is taken. (An MP3 of variable bit rate without the usual Xing header is read as far as libsndfile
    estimates it to go, which may be too short: convert such files.)

    Args:
        sample_rate: in Hz, of the output; files with another rate are resampled (soxr, HQ).
        mono: True gives the mean of the channels, False keeps them.

    Returns:
        (when called on a path, the bytes of a file, or a binary file object, which is read to its end) a
        float32 waveform, ±1 being full scale: (samples,) when mono, otherwise (channels, samples).

    Raises:
        ConfigError: sample_rate is no positive integer.
        SourceNotFound: (when called) no such file.
        DecodeError: (when called) a file that is empty, damaged, cut off or no audio.
        TransformError: (when called) something else than a path, bytes or a binary file.

    >>> import io, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, np.zeros((441, 2)), 44_100, format="WAV")
    >>> DecodeAudio(16_000)(file.getvalue()).shape
    (160,)
    """

    sample_rate: int
    mono: bool = True

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        one_of("mono", self.mono, (True, False))

    def __call__(self, file: str | os.PathLike[str] | bytes | BinaryIO) -> Float32:
        """Return the waveform of one file."""
        if isinstance(file, str | os.PathLike):
            name = os.fspath(file)
            samples, rate = _read_path(name)
        else:
            name, data = _bytes_of(file)
            samples, rate = _read_bytes(name, data)
        if not self.sample_rate <= rate * _RATIO <= self.sample_rate * _RATIO**2:
            raise DecodeError(f"{name}: claims a sample rate of {rate} Hz: its header is damaged, fetch it again")
        waveform = _mean(samples) if self.mono else np.ascontiguousarray(samples.T)
        return change_rate(waveform, rate, self.sample_rate)

    def output_spec(self, spec: Spec) -> Spec:
        """Return a waveform of any length, or raise ChainError if what comes in is decoded already."""
        if spec.kind is not None:
            raise ChainError(f"it reads files but gets {spec.kind}, which is decoded already: put it first, or drop it")
        # Several channels are no "waveform" in the sense of Spec: LogMel and the like take one.
        return Spec("waveform" if self.mono else None, self.sample_rate, varies=True)


def _mean(samples: Float32) -> Float32:
    """Return the mean over the last axis: channel by channel, as numpy is slow along an axis of two."""
    channels = samples.shape[1]
    if channels == 1:
        return samples[:, 0]
    total: Float32 = samples[:, 0] + samples[:, 1]
    for channel in range(2, channels):
        total += samples[:, channel]
    total *= np.float32(1 / channels)
    return total


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


def _read_path(path: str) -> tuple[Float32, int]:
    try:
        # As few system calls as there can be, since each gives up the GIL and waits to have it back: a file that one
        # read takes whole is not asked for its size. For 6 KB 5.7 µs (8.4 with two threads at it), where open(path,
        # "rb", buffering=0), fstat and read take 8.7 (12.5).
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            head = os.read(descriptor, _HEAD)
            if len(head) < _HEAD:
                return _read_bytes(path, head, path)
            return _read_long(path, descriptor, head)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFound(f"{path}: no such file (looked from {Path.cwd()}): check the path") from None
    except IsADirectoryError:
        raise DecodeError(f"{path}: is a directory: give the files in it, e.g. with FileSource") from None
    except PermissionError as error:
        raise DecodeError(f"{path}: cannot be opened ({error.strerror}): check its permissions") from None


def _read_long(path: str, descriptor: int, head: bytes) -> tuple[Float32, int]:
    size = os.fstat(descriptor).st_size

    def read_at(offset: int, n: int) -> bytes:
        if offset + n <= len(head):
            return head[offset : offset + n]
        os.lseek(descriptor, offset, os.SEEK_SET)
        parts = []
        while n > 0 and (part := os.read(descriptor, n)):
            parts.append(part)
            n -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    return _read(path, path, read_at, size)


def _read_bytes(name: str, data: bytes, path: str | None = None) -> tuple[Float32, int]:
    return _read(name, path, lambda offset, n: data[offset : offset + n], len(data))


def _read(name: str, path: str | None, read_at: ReadAt, size: int) -> tuple[Float32, int]:
    """Return (samples, channels) and the rate of a file, by the first reader that is sure of it.

    Args:
        name: for messages.
        path: of the file; None where there are only bytes.
        read_at: returns `n` bytes, or those that are there, as read_at(offset, n).
        size: of the file in bytes.
    """
    if size == 0:
        raise DecodeError(f"{name}: is empty (0 bytes): fetch or record it again, or leave it out")
    header = read_header(read_at, size)
    if header is not None:
        _check_complete(name, header)
        if header.plain and header.held >= header.frame_bytes:
            length = header.held - header.held % header.frame_bytes
            return to_float32(read_at(header.offset - LEAD, LEAD + length), header), header.sample_rate
    start = read_at(0, 12)
    if start[:4] == b"fLaC" and (read_flac := fast.flac_reader()) and (found := read_flac(read_at(0, size))):
        return found
    from dataload.transforms import sndfile

    return sndfile.read(name, io.BytesIO(read_at(0, size)) if path is None else path, size, start)


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
