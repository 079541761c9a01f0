"""How a waveform is cut into frames: the parameters, their defaults and checks, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from dataload.errors import ConfigError
from dataload.graph import Emphasize, Frames, GraphStep
from dataload.transforms.checks import Float32, check_matrix, number_within, one_of, positive_float, positive_int, store
from dataload.transforms.spectral.windows import window

Complex64 = npt.NDArray[np.complex64]
PAD_MODES = ("reflect", "constant", "edge", "symmetric")
CENTERS = (True, False, "hop")
FRAME_COUNTS = ("whole", "floor", "round", "ceil")
ALIGNMENTS = ("center", "left")
_ALLOWED = {
    "periodic": (True, False),
    "window_align": ALIGNMENTS,
    "center": CENTERS,
    "pad_mode": PAD_MODES,
    "frame_count": FRAME_COUNTS,
    "remove_dc": (True, False),
    "pre_emphasis_on": ("waveform", "frame"),
}


@dataclass(frozen=True, kw_only=True, repr=False)
class FramingParameters:
    """The parameters of framing, checked; see `dataload.transforms.Spectrogram` for their meaning.

    Transforms inherit them, and functions take their defaults from here.

    Raises:
        ConfigError: a number or a word that cannot work.
    """

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
        for name in ("win_length", "n_fft", "hop_length"):
            store(self, **{name: positive_int(name, getattr(self, name))})
        assert self.n_fft is not None and self.win_length is not None  # positive_int refuses None
        if self.win_length > self.n_fft:
            raise ConfigError(
                f"win_length={self.win_length} must not be longer than n_fft={self.n_fft}: "
                f"give win_length={self.n_fft} too (in transforms it is 25 ms unless given)"
            )
        check_matrix(n_fft=self.n_fft)
        window(self.window, self.win_length)
        for name, allowed in _ALLOWED.items():
            one_of(name, getattr(self, name), allowed)
        store(self, scale=positive_float("scale", self.scale))
        store(self, pre_emphasis=number_within("pre_emphasis", self.pre_emphasis, 0, 1))


def default_lengths(sample_rate: int) -> dict[str, int]:
    """Return the window and the hop of transforms that are given neither, in samples: 25 and 10 ms."""
    return {"win_length": max(1, round(0.025 * sample_rate)), "hop_length": max(1, round(0.010 * sample_rate))}


@dataclass(frozen=True, kw_only=True)
class Framing(FramingParameters):
    """How a waveform is cut, with everything that follows from the parameters."""

    n_fft: int = field()
    win_length: int = field()
    hop_length: int = field()

    @property
    def length(self) -> int:
        """Samples in a frame; zeros follow up to n_fft."""
        return self.n_fft if self.window_align == "center" else self.win_length

    @property
    def pad(self) -> int:
        """Samples between the start of the first frame and the start of the clip; negative where it starts later."""
        if self.center == "hop":
            return self.length // 2 - self.hop_length // 2
        return self.length // 2 if self.center else 0

    @property
    def chunk(self) -> int:
        """Frames transformed in one call.

        Measured with 400 points on 10 s at 16 kHz: 1.43 ms in chunks of 32, 1.24 of 128, 1.17 of 256, 1.13 of 512;
        on 64 clips of 0.4 s at 8 kHz: 65, 47, 44 and 41 µs a clip. 256 keeps most of it in half of the memory.
        """
        return min(256, max(16, (1 << 19) // self.n_fft))

    @property
    def n_bins(self) -> int:
        """Frequencies from 0 to half the sample rate."""
        return self.n_fft // 2 + 1

    @property
    def analysis_window(self) -> Float32:
        """The window with the scale in it: (length,)."""
        return window(self.window, self.win_length, n_fft=self.length, periodic=self.periodic, scale=self.scale)

    @property
    def waveform_pre_emphasis(self) -> float:
        """Coefficient of the pre-emphasis of the waveform, before it is cut; 0 is none."""
        return self.pre_emphasis if self.pre_emphasis_on == "waveform" else 0.0

    @property
    def frame_pre_emphasis(self) -> float:
        """Coefficient of the pre-emphasis inside each frame; 0 is none."""
        return self.pre_emphasis if self.pre_emphasis_on == "frame" else 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether the frames hold the samples of the waveform as they are."""
        windowed = self.window != "rectangular" or self.win_length < self.length or self.scale != 1.0
        return not (windowed or self.remove_dc or self.frame_pre_emphasis)

    @property
    def more_samples(self) -> int:
        """How many samples more than the clip has, at `hop_length` for a frame, the frames are counted from."""
        hop = self.hop_length
        whole = 2 * self.pad - self.length + hop
        return {"whole": whole, "floor": 0, "round": hop // 2, "ceil": hop - 1}[self.frame_count]

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a clip."""
        return max(0, (n_samples + self.more_samples) // self.hop_length)

    def overhang(self, n_samples: int) -> int:
        """Return how many samples the frames reach over the nearer end of a clip, at most."""
        end = (self.n_frames(n_samples) - 1) * self.hop_length - self.pad + self.length
        return max(0, self.pad, end - n_samples)

    def without_window(self) -> Framing:
        """Return the same frames as they are before pre-emphasis and window."""
        return replace(self, window="rectangular", window_align="left", win_length=self.length, pre_emphasis=0.0)

    def graph_steps(self, power: float) -> list[GraphStep]:
        """Return how a graph makes the spectra of the frames, their magnitudes to a power."""
        # Row n is the frame whose only sample is n: what each operation makes of it is that row of its matrix.
        frame = np.eye(self.length)
        if self.remove_dc:
            frame -= 1.0 / self.length
        if self.frame_pre_emphasis:
            before = np.concatenate([frame[:, :1], frame[:, :-1]], axis=1)
            frame = frame - self.frame_pre_emphasis * before
        frame = frame * self.analysis_window.astype(np.float64)
        # Reduced before the cosine is taken: of a large argument it would lose digits.
        turns = np.arange(self.length)[:, None] * np.arange(self.n_bins) % self.n_fft
        phase = 2.0 * np.pi * turns / self.n_fft
        basis = frame @ np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
        frames = Frames(basis, self.hop_length, self.pad, self.more_samples, self.pad_mode, power)
        return [Emphasize(self.waveform_pre_emphasis), frames] if self.waveform_pre_emphasis else [frames]


_NAMES = tuple(parameter.name for parameter in fields(FramingParameters))
_values = attrgetter(*_NAMES)


def framing_of(transform: FramingParameters) -> Framing:
    """Return the framing of a transform, made once for equal parameters: it is asked for in every call."""
    return _framing(*_values(transform))


@lru_cache(maxsize=256)
def _framing(*values: object) -> Framing:
    return Framing(**dict(zip(_NAMES, values, strict=True)))  # type: ignore[arg-type]
