"""How often a waveform changes its sign, a measure of noisiness that needs no spectrum."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.registry import register
from dataload.transforms.checks import (
    Float32,
    Printed,
    check_finite,
    expect_waveform,
    one_of,
    positive_int,
    store,
)
from dataload.transforms.spectral.frames import check_length
from dataload.transforms.spectral.framing import Framing, default_lengths

# As librosa: what is nearer to zero counts as zero.
_QUIET = 1e-10


def zero_crossings(
    x: npt.NDArray[np.floating[Any]], *, frame_length: int, hop_length: int, center: bool = True
) -> Float32:
    """Return the share of samples of each frame that have another sign than the sample before them.

    Args:
        x: (samples,) float waveform. What is within ±1e-10 counts as positive.
        frame_length: samples in a frame.
        hop_length: samples from one frame to the next.
        center: True puts frame t around sample t·hop_length, the ends repeated; False takes only whole frames.

    Returns:
        (frames,) float32 from 0 to 1, as `librosa.feature.zero_crossing_rate`.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: not a float waveform, one too short for a frame, or one that is not finite.

    >>> zero_crossings(np.array([1.0, -1.0, 1.0, 1.0]), frame_length=4, hop_length=4, center=False)
    array([0.5], dtype=float32)
    """
    length, hop = positive_int("frame_length", frame_length), positive_int("hop_length", hop_length)
    one_of("center", center, (True, False))
    framing = _framing(length, hop, center)
    waveform = check_length("zero_crossings", x, framing)
    check_finite("zero_crossings", waveform)
    return _count_crossings(waveform, framing)


def _framing(length: int, hop: int, center: bool) -> Framing:
    return Framing(
        n_fft=length, win_length=length, hop_length=hop, window="rectangular", center=center, pad_mode="edge"
    )


def _count_crossings(waveform: Float32, framing: Framing) -> Float32:
    negative = waveform < -_QUIET
    before = np.zeros(len(waveform), np.int64)
    np.cumsum(negative[1:] != negative[:-1], out=before[1:])
    starts = np.arange(framing.n_frames(len(waveform))) * framing.hop_length - framing.pad
    last = len(waveform) - 1
    ends = np.minimum(starts + framing.length - 1, last)
    counts = before[ends] - before[np.clip(starts, 0, last)]
    return (counts / framing.length).astype(np.float32)


@register
@dataclass(frozen=True, repr=False)
class ZeroCrossingRate(Printed):
    """The share of samples of each frame that have another sign than the sample before them.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        win_length: samples in a frame; None is 25 ms.
        hop_length: samples from one frame to the next; None is 10 ms.
        center: True puts frame t around sample t·hop_length, the ends repeated; False takes only whole frames.

    Returns:
        (when called on a (samples,) float waveform) (frames, 1) float32 from 0 to 1, as
        `librosa.feature.zero_crossing_rate`, whose lengths are win_length=2048, hop_length=512.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, one too short for a frame, or one that is not finite.

    >>> ZeroCrossingRate(8_000)(np.array([1, -1] * 4_000, np.float32))[50]
    array([0.995], dtype=float32)
    """

    sample_rate: int
    _: KW_ONLY
    win_length: int | None = None
    hop_length: int | None = None
    center: bool = True

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        for name, value in self._derived().items():
            given = getattr(self, name)
            store(self, **{name: positive_int(name, value if given is None else given)})
        one_of("center", self.center, (True, False))

    def _derived(self) -> dict[str, Any]:
        return default_lengths(self.sample_rate)

    def __call__(self, waveform: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the rate of each frame as (frames, 1) float32."""
        assert self.win_length is not None and self.hop_length is not None
        framing = _framing(self.win_length, self.hop_length, self.center)
        x = check_length("ZeroCrossingRate", waveform, framing)
        check_finite("ZeroCrossingRate", x)
        return _count_crossings(x, framing)[:, None]

    def output_spec(self, spec: Spec) -> Spec:
        """Return features of this sample rate, or raise ChainError if what comes in is no such waveform."""
        expect_waveform(spec, self.sample_rate)
        return Spec("features", self.sample_rate, varies=spec.varies)
