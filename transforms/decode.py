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
from dataload.transforms.checks import Float32, Printed, one_of, positive_int, store
from dataload.transforms.resample import change_rate
from dataload.transforms.wav import WavHeader, read_header

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
        # Unbuffered: the head is one read, and for a short clip the whole file.
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(_HEAD)

            def read_at(offset: int, n: int) -> bytes:
                if offset + n <= len(head) or len(head) == size:
                    return head[offset : offset + n]
                stream.seek(offset)
                parts = []
                while n > 0 and (part := stream.read(n)):
                    parts.append(part)
                    n -= len(part)
                return b"".join(parts)

            found = _read_wav(path, read_at, size)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFound(f"{path}: no such file (looked from {Path.cwd()}): check the path") from None
    except IsADirectoryError:
        raise DecodeError(f"{path}: is a directory: give the files in it, e.g. with FileSource") from None
    except PermissionError as error:
        raise DecodeError(f"{path}: cannot be opened ({error.strerror}): check its permissions") from None
    return found or _read_other(path, path, size, head[:12])


def _read_bytes(name: str, data: bytes) -> tuple[Float32, int]:
    found = _read_wav(name, lambda offset, n: data[offset : offset + n], len(data))
    return found or _read_other(name, io.BytesIO(data), len(data), data[:12])


def _read_other(name: str, file: str | BinaryIO, size: int, start: bytes) -> tuple[Float32, int]:
    from dataload.transforms import sndfile

    return sndfile.read(name, file, size, start)


def _read_wav(name: str, read_at: Callable[[int, int], bytes], size: int) -> tuple[Float32, int] | None:
    """Return the samples and rate of a plain 16-bit WAV, None for what libsndfile has to read."""
    if size == 0:
        raise DecodeError(f"{name}: is empty (0 bytes): fetch or record it again, or leave it out")
    header = read_header(read_at, size)
    if header is None:
        return None
    _check_complete(name, header)
    if not header.plain or header.held < header.frame_bytes:
        return None
    frames = header.held // header.frame_bytes
    raw = read_at(header.offset, frames * header.frame_bytes)
    samples = np.frombuffer(raw, ">i2" if header.big_endian else "<i2").astype(np.float32)
    samples *= np.float32(1 / 32768)
    return samples.reshape(-1, header.channels), header.sample_rate


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
