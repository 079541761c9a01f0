"""Reading through libsndfile, with bounds on what it may allocate and with messages that name the file.

Apart from `decode`, which imports it when it first meets a file that needs it: plain WAV files do without,
and the library takes a while to load.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
import soundfile

from dataload.errors import DecodeError
from dataload.memory import reused_empty
from dataload.transforms.checks import Float32

# The lengths in the headers of these two may be estimates, so a clip that is shorter is no error.
_INEXACT = ("MP3", "OGG")
_BLOCK = 1 << 20
# Above this many samples per byte of the file, memory is taken block by block as the decoder delivers, so that a
# damaged header cannot ask for more than the file decodes to. Little more than silence is packed so tightly.
_PLAUSIBLE = 16


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    def seekable(self) -> bool:
        """Say no: soundfile would seek after every read, which fails at the end of a streamed FLAC."""
        return False


def read(name: str, file: str | BinaryIO, size: int, start: bytes) -> tuple[Float32, int]:
    """Decode a whole file.

    Args:
        name: of the file, for messages.
        file: a path or a binary file at its start.
        size: of the file in bytes.
        start: its first bytes, for messages.

    Returns:
        (samples, channels) float32 and the sample rate in Hz.

    Raises:
        DecodeError: not audio, damaged, cut off or without samples.
    """
    try:
        with _Stream(file) as sound:
            samples = _read_all(sound, size)
            claimed, rate, kind = sound.frames, sound.samplerate, sound.format
    except soundfile.SoundFileError as error:
        raise DecodeError(f"{name}: cannot be decoded{_why(error)}; {_look(size, start)}") from None
    except TypeError:  # the name ends in .raw, of which soundfile asks for rate and format
        raise DecodeError(f"{name}: has no header that says rate and format: convert it to WAV or FLAC") from None
    if len(samples) == 0:
        raise DecodeError(f"{name}: holds no samples (0 frames, {kind}): leave it out")
    if len(samples) < claimed and claimed < 1 << 62 and kind not in _INEXACT:
        raise DecodeError(
            f"{name}: is damaged or cut off: its header claims {claimed} frames but {len(samples)} can be "
            f"decoded, {claimed - len(samples)} frames are missing: fetch it again, or leave it out"
        )
    return samples, rate


def _read_all(sound: Any, size: int) -> Float32:
    if 0 <= sound.frames * sound.channels <= max(_BLOCK, _PLAUSIBLE * size):
        whole: Float32 = sound.read(out=reused_empty((sound.frames, sound.channels), np.float32))
        return whole
    blocks: list[Float32] = []
    rows = max(1, _BLOCK // sound.channels)
    while not blocks or len(blocks[-1]) == rows:
        blocks.append(sound.read(out=np.empty((rows, sound.channels), np.float32)))
    return np.concatenate(blocks)


def _why(error: Any) -> str:
    text = str(getattr(error, "error_string", error)).strip()
    return f" (libsndfile: {text.rstrip('.')})" if text else ""


def _look(size: int, start: bytes) -> str:
    return (
        f"the file has {size} bytes and begins with {start!r}: if that is no audio the name is wrong, "
        "otherwise it is damaged or cut off: fetch or convert it again, or leave it out"
    )
