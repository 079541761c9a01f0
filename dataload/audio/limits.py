"""What reading one file may come to: how much memory it takes, and whether a part of it will do."""

from __future__ import annotations

from typing import NamedTuple

from dataload.counts import Counts, count
from dataload.errors import DecodeError

# A day of stereo at 48 kHz: no honest file of a data set decodes to more, one that is made to fill memory does.
MAX_FRAMES = 1 << 32
MAX_BYTES = 32 << 30


class Limits(NamedTuple):
    """Bounds on one file.

    Attributes:
        max_frames: samples of each channel.
        max_bytes: of all samples as float32.
        keep: whether a file that was cut off gives what is there; otherwise it is an error.
    """

    max_frames: int = MAX_FRAMES
    max_bytes: int = MAX_BYTES
    keep: bool = False

    def check(self, name: str, frames: int, channels: int) -> None:
        """Raise DecodeError where so many samples are above a bound."""
        if frames > self.max_frames:
            raise DecodeError(
                f"{name}: has {frames} frames, above max_frames={self.max_frames}: raise it, read a part of the file "
                "(offset=, duration=, SegmentSource), or leave it out"
            )
        if 4 * frames * channels > self.max_bytes:
            raise DecodeError(
                f"{name}: takes {4 * frames * channels} bytes of memory ({frames} frames of {channels} channels), "
                f"above max_bytes={self.max_bytes}: raise it, read a part of the file, or leave it out"
            )

    def check_complete(self, name: str, claimed: int | None, held: int, frame_bytes: int) -> None:
        """Raise DecodeError where a header claims more bytes of samples than there are, or count a file that is kept.

        Args:
            name: of the file.
            claimed: bytes that the header speaks of; None where it does not know.
            held: bytes that are there.
            frame_bytes: of one frame.
        """
        if claimed is None:
            return
        unit = max(1, frame_bytes)
        wanted, there = claimed // unit, held // unit
        if there >= wanted:
            return
        if self.keep:
            if there:
                count(Counts(truncated=1))
            return
        raise DecodeError(
            f"{name}: is cut off: its header claims {wanted} frames but the file holds {there}, "
            f"{wanted - there} frames are missing: fetch it again, leave it out, or take what is there with "
            'truncated="keep"'
        )


UNLIMITED = Limits(max_frames=1 << 62, max_bytes=1 << 66)
