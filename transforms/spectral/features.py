"""What all transforms to features share: parameters of framing, presets, and one pass over the frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.transforms.audio.preemphasis import emphasize
from dataload.transforms.checks import Float32, Printed, expect_waveform, positive_int, store
from dataload.transforms.spectral.frames import check_length, transform_frames
from dataload.transforms.spectral.framing import Complex64, Framing, FramingParameters, default_lengths, framing_of
from dataload.transforms.spectral.presets import resolve


@dataclass(frozen=True, repr=False)
class _Rated:
    sample_rate: int


# Dataclasses take the fields of the last base first: so the rate is the first one, and the only one by position.
@dataclass(frozen=True, repr=False)
class FrameTransform(Printed, FramingParameters, _Rated, ABC):
    """What all transforms to features share: how a waveform is cut into windowed frames."""

    def __post_init__(self) -> None:
        store(self, sample_rate=positive_int("sample_rate", self.sample_rate))
        for name in ("win_length", "n_fft", "hop_length"):
            if getattr(self, name) is None:
                store(self, **{name: self._derived()[name]})
        super().__post_init__()

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
        return {**default_lengths(self.sample_rate), "n_fft": self.win_length}

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

    def _cut(self, values: list[Any]) -> tuple[list[Float32], Framing]:
        """Return the waveforms, emphasized where that is asked for, and how each is cut.

        Raises:
            TransformError: a value that is no waveform, or one too short for a frame.
        """
        framing = framing_of(self)
        waveforms = [check_length(type(self).__name__, value, framing) for value in values]
        if framing.waveform_pre_emphasis:
            waveforms = [emphasize(waveform, framing.waveform_pre_emphasis) for waveform in waveforms]
        return waveforms, framing


@dataclass(frozen=True, repr=False)
class SpectrumTransform(FrameTransform):
    """What the transforms share that look at the spectrum of each frame."""

    def batch(self, values: list[Any]) -> list[Float32]:
        """Return one (frames, bins) float32 array per waveform; the lengths may differ."""
        return self._transform(*self._cut(values))

    def _transform(self, waveforms: list[Float32], framing: Framing) -> list[Float32]:
        return transform_frames(type(self).__name__, waveforms, framing, self._width(), self._reduce)

    def _width(self) -> int:
        return framing_of(self).n_bins

    @abstractmethod
    def _reduce(self, spectrum: Complex64, out: Float32) -> None:
        """Write what is kept of a chunk: spectrum (rows, n_fft // 2 + 1), out (rows, width)."""
