"""What all transforms to features share: the numbers that say how a waveform is cut, and presets.

Apart from `blocks`, which does the work, because here stand the names and numbers that a user sets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.errors import ConfigError
from dataload.transforms.audio.preemphasis import emphasize
from dataload.transforms.checks import (
    Float32,
    Printed,
    expect_waveform,
    number_within,
    one_of,
    positive_float,
    positive_int,
    store,
)
from dataload.transforms.spectral.frames import check_length, transform_frames
from dataload.transforms.spectral.framing import ALIGNMENTS, CENTERS, FRAME_COUNTS, PAD_MODES, Complex64, Framing
from dataload.transforms.spectral.presets import resolve
from dataload.transforms.spectral.windows import window


@dataclass(frozen=True, repr=False)
class Framed(Printed, ABC):
    """What all transforms to features share: how a waveform is cut into windowed frames."""

    sample_rate: int
    _: KW_ONLY
    n_fft: int | None = None
    win_length: int | None = None
    hop_length: int | None = None
    window: str = "hann"
    periodic: bool = True
    window_align: str = "center"
    center: bool | str = True
    pad_mode: str = "reflect"
    frame_count: str = "whole"
    scale: float = 1.0
    remove_dc: bool = False
    pre_emphasis: float = 0.0
    pre_emphasis_on: str = "waveform"

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
        for name, allowed in _WORDS.items():
            one_of(name, getattr(self, name), allowed)
        store(self, scale=positive_float("scale", self.scale))
        store(self, pre_emphasis=number_within("pre_emphasis", self.pre_emphasis, 0, 1))

    @classmethod
    def preset(cls, name: str, **parameters: Any) -> Self:
        """Return the transform with the numbers and conventions of another package.

        Args:
            name: "librosa", "torchaudio", "kaldi", "tf.signal", "whisper" or "nemo", as far as that package has this
                transform; see `dataload.transforms.spectral.presets`.
            parameters: any parameters by name, which replace those of the preset; what follows from them (n_fft from
                win_length, or the other way round) follows as in that package.

        Raises:
            ConfigError: no such preset, or none of this transform; the message lists what there is.

        The repr says what a preset became.
        """
        return cls(**resolve([base.__name__ for base in cls.__mro__], name, parameters))

    def _derived(self) -> dict[str, Any]:
        return {
            "win_length": max(1, round(0.025 * self.sample_rate)),
            "hop_length": max(1, round(0.010 * self.sample_rate)),
            "n_fft": self.win_length,
        }

    def _framing(self) -> Framing:
        assert self.n_fft is not None and self.win_length is not None and self.hop_length is not None
        return Framing(
            self.n_fft,
            self.win_length,
            self.hop_length,
            self.window,
            center=self.center,
            pad_mode=self.pad_mode,
            periodic=self.periodic,
            window_align=self.window_align,
            frame_count=self.frame_count,
            scale=self.scale,
            remove_dc=self.remove_dc,
            frame_pre_emphasis=self.pre_emphasis if self.pre_emphasis_on == "frame" else 0.0,
        )

    def __call__(self, waveform: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the features of one (samples,) float waveform as (frames, bins) float32."""
        return self.batch([waveform])[0]

    @abstractmethod
    def batch(self, values: list[Any]) -> list[Float32]:
        """Return one (frames, bins) float32 array per waveform; the lengths may differ."""

    def output_spec(self, spec: Spec) -> Spec:
        """Return features of this sample rate, or raise ChainError if what comes in is no such waveform."""
        expect_waveform(spec, self.sample_rate)
        return Spec("features", self.sample_rate, varies=spec.varies)

    def _waveforms(self, values: list[Any]) -> list[Float32]:
        """Return the waveforms that are cut, or raise TransformError if there are no frames in one of them."""
        waveforms = [check_length(type(self).__name__, value, self._framing()) for value in values]
        if self.pre_emphasis and self.pre_emphasis_on == "waveform":
            return [emphasize(waveform, self.pre_emphasis) for waveform in waveforms]
        return waveforms


@dataclass(frozen=True, repr=False)
class Spectral(Framed):
    """What the transforms share that look at the spectrum of each frame."""

    def batch(self, values: list[Any]) -> list[Float32]:
        """Return one (frames, bins) float32 array per waveform; the lengths may differ."""
        return self._transform(self._waveforms(values))

    def _transform(self, waveforms: list[Float32]) -> list[Float32]:
        return transform_frames(type(self).__name__, waveforms, self._framing(), self._width(), self._reduce)

    def _width(self) -> int:
        return self._framing().n_bins

    @abstractmethod
    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        """Write what is kept of a block: spectrum (rows, n_fft // 2 + 1), out (rows, width)."""


_WORDS: dict[str, tuple[Any, ...]] = {
    "periodic": (True, False),
    "window_align": ALIGNMENTS,
    "center": CENTERS,
    "pad_mode": PAD_MODES,
    "frame_count": FRAME_COUNTS,
    "remove_dc": (True, False),
    "pre_emphasis_on": ("waveform", "frame"),
}
