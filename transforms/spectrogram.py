"""Spectrogram, and the base that it shares with the mel features: how a waveform is cut.

Apart from `blocks`, which does the work, because here stand the names and numbers that a user sets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.errors import ConfigError
from dataload.transforms.blocks import transform_frames
from dataload.transforms.checks import Float32, Printed, expect_waveform, one_of, positive_float, positive_int, store
from dataload.transforms.framing import PAD_MODES, Complex64, Framing
from dataload.transforms.windows import window


@dataclass(frozen=True, repr=False)
class Framed(Printed, ABC):
    """What all transforms to features share: how a waveform is cut into windowed frames."""

    sample_rate: int
    _: KW_ONLY
    n_fft: int | None = None
    win_length: int | None = None
    hop_length: int | None = None
    window: str = "hann"
    center: bool = True
    pad_mode: str = "reflect"

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        for name in ("win_length", "n_fft", "hop_length"):
            given = getattr(self, name)
            store(self, **{name: positive_int(name, self._derived()[name] if given is None else given)})
        framing = self._framing()
        if framing.win_length > framing.n_fft:
            raise ConfigError(
                f"win_length={self.win_length} must not be longer than n_fft={self.n_fft}: "
                f"give win_length={self.n_fft} too (it is 25 ms unless given)"
            )
        window(self.window, framing.win_length)
        one_of("center", self.center, (True, False))
        one_of("pad_mode", self.pad_mode, PAD_MODES)

    def _derived(self) -> dict[str, Any]:
        return {
            "win_length": max(1, round(0.025 * self.sample_rate)),
            "hop_length": max(1, round(0.010 * self.sample_rate)),
            "n_fft": self.win_length,
        }

    def _framing(self) -> Framing:
        assert self.n_fft is not None and self.win_length is not None and self.hop_length is not None
        return Framing(self.n_fft, self.win_length, self.hop_length, self.window, self.center, self.pad_mode)

    def __call__(self, waveform: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the features of one (samples,) float waveform as (frames, bins) float32."""
        return self.batch([waveform])[0]

    def batch(self, values: list[Any]) -> list[Float32]:
        """Return one (frames, bins) float32 array per waveform; the lengths may differ."""
        return transform_frames(type(self).__name__, values, self._framing(), self._width(), self._reduce)

    def output_spec(self, spec: Spec) -> Spec:
        """Return features of this sample rate, or raise ChainError if what comes in is no such waveform."""
        expect_waveform(spec, self.sample_rate)
        return Spec("features", self.sample_rate, varies=spec.varies)

    def _width(self) -> int:
        return self._framing().n_bins

    @abstractmethod
    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        """Write what is kept of a block: spectrum (rows, n_fft // 2 + 1), out (rows, width)."""


@dataclass(frozen=True, repr=False)
class Spectrogram(Framed):
    """Magnitudes of the short-time Fourier transform, to a power.

    Args:
        sample_rate: in Hz, of the waveforms that come in.
        n_fft: points of the Fourier transform; None is win_length.
        win_length: length of the window in samples, at most n_fft; None is 25 ms. A window shorter than n_fft
            stands in its middle, as in librosa and torch.
        hop_length: samples from one frame to the next; None is 10 ms.
        window: "hann", "hamming", "rectangular", or a name that `scipy.signal.get_window` takes; always
            periodic.
        center: True puts frame t around sample t·hop_length by padding n_fft // 2 samples at either end,
            which gives 1 + samples // hop_length frames for an even n_fft. False takes only frames that lie
            inside the clip.
        pad_mode: what is padded: "reflect" (needs more than n_fft // 2 samples), "constant" (zeros) or
            "edge".
        power: 2.0 for power, 1.0 for magnitude.

    Returns:
        (when called on a (samples,) float waveform) (frames, n_fft // 2 + 1) float32.

    Raises:
        ConfigError: a number that cannot work.
        TransformError: (when called) not a float waveform, or one too short for a frame.

    >>> Spectrogram(16_000)(np.zeros(16_000, np.float32)).shape
    (101, 201)
    """

    _: KW_ONLY
    power: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        store(self, power=positive_float("power", self.power))

    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        np.abs(spectrum, out=out)
        raise_to(out, self.power)


def raise_to(magnitudes: Float32, power: float) -> None:
    """Raise magnitudes to a power in place."""
    if power == 2.0:
        np.multiply(magnitudes, magnitudes, out=magnitudes)
    elif power != 1.0:
        np.power(magnitudes, power, out=magnitudes)
