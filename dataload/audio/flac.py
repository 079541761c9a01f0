"""FLAC through miniaudio, which decodes it in about half of the time that libsndfile takes.

Apart because importing this module imports miniaudio; only `fast` does so. It reads nothing but files that are whole
and ordinary: for all others, and for what is wrong with them, there is libsndfile.
"""

from __future__ import annotations

import miniaudio
import numpy as np

from dataload.memory import Float32

# The rest libsndfile reads: 8 bits to other floats, 32 bits, which miniaudio gives up on.
_BITS = (*range(4, 8), *range(9, 32))
# More samples than this per byte of the file are left to the reader that takes its memory bit by bit.
_PLAUSIBLE = 16


def read(data: bytes) -> tuple[Float32, int] | None:
    """Decode a whole file.

    Args:
        data: a file that begins with "fLaC".

    Returns:
        (samples, channels) float32 and the sample rate in Hz; None where anything is unusual.
    """
    if len(data) < 42 or data[4] & 0x7F != 0:  # the first block is STREAMINFO in any file that keeps to the format
        return None
    packed = int.from_bytes(data[18:26], "big")
    rate, channels, bits = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    frames = packed & (1 << 36) - 1
    if bits not in _BITS or rate == 0 or not 0 < frames * channels <= _PLAUSIBLE * len(data):
        return None
    # One more than there should be: where it is found, the header claims too little, or a second stream stands behind
    # the first. Looking for that in the file itself takes twice as long as this copy of it.
    asked = b"".join((data[:18], (packed + 1).to_bytes(8, "big"), memoryview(data)[26:]))
    try:
        sound = miniaudio.flac_read_f32(asked)
    except miniaudio.MiniaudioError:
        return None
    samples = np.frombuffer(sound.samples, np.float32)
    if (len(samples), sound.nchannels, sound.sample_rate) != (frames * channels, channels, rate):
        return None
    return samples.reshape(frames, channels), rate
