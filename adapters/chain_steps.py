"""A chain of transforms as a few kinds of arithmetic, with the numbers in them: what a framework has to know of it.

Apart from the frameworks, which each say how they do such a step; here stands which transforms have a counterpart at
all, and that the counterpart gives what the chain gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.chain import Chain, RandomTransform, Transform, name_of
from dataload.errors import ChainError, ConfigError
from dataload.transforms import (
    MFCC,
    DecodeAudio,
    LogMel,
    MelSpectrogram,
    Normalize,
    PadOrTrim,
    Resample,
    Spectrogram,
)
from dataload.transforms.spectral.cepstrum import dct_matrix, lifter_weights
from dataload.transforms.spectral.framing import framing_of
from dataload.transforms.spectral.logarithm import log_factor

Float64 = NDArray[np.float64]
# Of the largest value; a wrong window, scale or frame is off by far more, rounding by far less.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Frames:
    """Cut a waveform (..., samples) into frames and take a power of their spectra: (..., frames, n_fft // 2 + 1).

    Frame t starts at sample t·hop - pad; there are (samples + more) // hop of them.

    Attributes:
        basis: (length, 2·bins), from a frame to the real parts of its spectrum in the first half of the columns and the
            imaginary ones in the second. All that is done to a frame is linear: its mean, pre-emphasis, window and the
            discrete Fourier transform are one matrix product, in float64 because a float32 product would lose the
            quiet bins, where the logarithm looks.
        pad_mode: what stands outside of the waveform: "reflect", "symmetric", "edge" or "constant" for zeros.
        power: of the magnitudes.
    """

    basis: Float64
    hop: int
    pad: int
    more: int
    pad_mode: str
    power: float


@dataclass(frozen=True)
class Emphasize:
    """x[t] - factor·x[t - 1], with the first sample as it is."""

    factor: float


@dataclass(frozen=True)
class Weigh:
    """Multiply the last axis by a matrix (in, out)."""

    matrix: Float64


@dataclass(frozen=True)
class Log:
    """factor·ln(max(x + offset, floor))."""

    offset: float
    floor: float
    factor: float


@dataclass(frozen=True)
class Ceil:
    """Raise what lies more than `span` below the largest value of the clip, over its last two axes."""

    span: float


@dataclass(frozen=True)
class Fit:
    """Cut or fill up an axis to a fixed length."""

    axis: int
    length: int
    value: float


@dataclass(frozen=True)
class Scale:
    """(x - mean) / std, along the last axis or with one number."""

    mean: Float64
    std: Float64


@dataclass(frozen=True)
class Standardize:
    """(x - mean) / (std + eps), measured along an axis, the variance over its length less ddof."""

    axis: int
    eps: float
    ddof: int


ChainStep = Frames | Emphasize | Weigh | Log | Ceil | Fit | Scale | Standardize


def chain_steps(chain: Chain | Sequence[Transform] | Transform) -> list[ChainStep]:
    """Return a chain on waveforms as steps on (..., samples).

    Raises:
        ChainError: a transform has no counterpart; the message names it and says what to do.
        ConfigError: a transform has a parameter, or a value of one, that has no counterpart; likewise.
    """
    steps: list[ChainStep] = []
    features = False
    for transform in _transforms(chain):
        make = _MAKERS.get(type(transform))
        if make is None:
            raise ChainError(f"{name_of(transform)} has no counterpart in a graph{_advice(transform)}")
        _check_parameters(transform)
        steps += make(transform, -2 if features else -1)
        features = features or isinstance(transform, Spectrogram | MelSpectrogram | LogMel)
    return steps


def check_equal(chain: Chain | Sequence[Transform] | Transform, run: Callable[[NDArray[np.float32]], Any]) -> None:
    """Compare a counterpart with its chain on noise; `run` takes and returns (1, ...) arrays.

    Raises:
        ConfigError: they differ by more than rounding. What is trained on would not be what is served.
    """
    row = _transforms(chain)
    longest = max((int(getattr(transform, "n_fft", 1)) for transform in row), default=1)
    noise = np.random.default_rng(0).normal(0.0, 0.1, 8 * longest + 1000).astype(np.float32)
    expected = np.asarray(Chain(row)(noise), np.float64)
    got = np.asarray(run(noise[None]), np.float64)[0]
    if got.shape == expected.shape:
        difference = float(np.max(np.abs(got - expected), initial=0.0))
        if difference <= _TOLERANCE * float(np.max(np.abs(expected), initial=0.0)):
            return
        found = f"values that differ by up to {difference:.3g}"
    else:
        found = f"shape {got.shape} where the chain gives {expected.shape}"
    raise ConfigError(f"the counterpart of {', '.join(map(name_of, row))} gives {found}, so it must not be served")


def _transforms(chain: Chain | Sequence[Transform] | Transform) -> list[Transform]:
    return list((chain if isinstance(chain, Chain) else Chain(chain)).transforms)


def _frames(transform: Any, power: float) -> list[ChainStep]:
    framing = framing_of(transform)
    # Every column is what becomes of a frame with one sample in it.
    frame = np.eye(framing.length)
    if framing.remove_dc:
        frame -= 1.0 / framing.length
    if framing.frame_pre_emphasis:
        before = np.concatenate([frame[:, :1], frame[:, :-1]], axis=1)
        frame = frame - framing.frame_pre_emphasis * before
    frame = frame * framing.analysis_window.astype(np.float64)
    n_fft = framing.n_fft
    # Reduced before the cosine is taken: of a large argument it would lose digits.
    phase = 2.0 * np.pi * (np.arange(framing.length)[:, None] * np.arange(framing.n_bins) % n_fft) / n_fft
    basis = frame @ np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    hop = framing.hop_length
    whole = 2 * framing.pad - framing.length + hop
    more = {"whole": whole, "floor": 0, "round": hop // 2, "ceil": hop - 1}[framing.frame_count]
    steps: list[ChainStep] = []
    if transform.pre_emphasis and transform.pre_emphasis_on == "waveform":
        steps.append(Emphasize(transform.pre_emphasis))
    return [*steps, Frames(basis, hop, framing.pad, more, framing.pad_mode, power)]


def _mel(transform: Any) -> list[ChainStep]:
    return [*_frames(transform, transform.power), Weigh(transform._bank().filters().astype(np.float64))]


def _log_mel(transform: Any) -> list[ChainStep]:
    factor = log_factor(transform.log, transform.power)
    # float32, as the chain has it: below that, another value would be raised to another floor.
    steps = [*_mel(transform), Log(transform.offset, float(np.float32(transform.floor)), factor)]
    if transform.top_db is not None:
        steps.append(Ceil(transform.top_db * factor / log_factor("db", transform.power)))
    return steps


def _mfcc(transform: Any) -> list[ChainStep]:
    basis = dct_matrix(transform.n_mels, transform.n_mfcc, norm=transform.dct_norm).astype(np.float64)
    if transform.lifter:
        basis = basis * lifter_weights(transform.n_mfcc, transform.lifter)
    return [*_log_mel(transform), Weigh(basis)]


def _normalized(steps: list[ChainStep], normalize: Normalize | None) -> list[ChainStep]:
    return steps if normalize is None else [*steps, *_normalize(normalize, -2)]


def _normalize(transform: Any, axis: int) -> list[ChainStep]:
    if transform.mean is None:
        return [Standardize(axis, transform.eps, transform.ddof)]
    return [Scale(np.asarray(transform.mean, np.float64), np.asarray(transform.std, np.float64))]


def _resample(transform: Any, axis: int) -> list[ChainStep]:
    if transform.orig_rate != transform.new_rate:
        raise ChainError(
            f"{transform!r} has no counterpart in a graph: resample before the module, or record at "
            f"{transform.new_rate} Hz"
        )
    return []


_MAKERS: dict[type, Callable[[Any, int], list[ChainStep]]] = {
    Spectrogram: lambda transform, axis: _frames(transform, transform.power),
    MelSpectrogram: lambda transform, axis: _mel(transform),
    LogMel: lambda transform, axis: _normalized(_log_mel(transform), transform.normalize),
    MFCC: lambda transform, axis: _normalized(_mfcc(transform), transform.normalize),
    PadOrTrim: lambda transform, axis: [Fit(axis, transform.length, transform.value)],
    Normalize: _normalize,
    Resample: _resample,
}
_FRAMED = {
    *("sample_rate", "n_fft", "win_length", "hop_length", "window", "periodic", "window_align", "center", "pad_mode"),
    *("frame_count", "scale", "remove_dc", "pre_emphasis", "pre_emphasis_on"),
}
_BANK = _FRAMED | {"n_mels", "f_min", "f_max", "mel_scale", "norm", "triangles", "power"}
_LOG = _BANK | {"log", "offset", "floor", "top_db", "normalize"}
_PARAMETERS = {
    Spectrogram: _FRAMED | {"power"},
    MelSpectrogram: _BANK,
    LogMel: _LOG,
    MFCC: _LOG | {"n_mfcc", "dct_norm", "lifter"},
    PadOrTrim: {"length", "value"},
    Normalize: {"mean", "std", "eps", "ddof"},
    Resample: {"orig_rate", "new_rate"},
}


def _check_parameters(transform: Any) -> None:
    """Raise ConfigError for a parameter that the makers above do not look at, unless it is left at its default."""
    known = _PARAMETERS[type(transform)]
    derived = transform._derived()
    for field in fields(transform):
        default = derived.get(field.name, field.default)
        value = getattr(transform, field.name)
        if field.name not in known and (default is MISSING or value != default):
            raise ConfigError(
                f"{transform!r}: {field.name}={value!r} has no counterpart in a graph: leave it out, or compute the "
                "features before the module"
            )


def _advice(transform: Any) -> str:
    if isinstance(transform, DecodeAudio):
        return ", which starts at the waveform: leave it out, Chain(chain.transforms[1:])"
    if isinstance(transform, RandomTransform):
        return ": it is random, and belongs to training only: leave it out"
    names = ", ".join(sorted(kind.__name__ for kind in _MAKERS))
    return f": those that have are {names}. Do it before the module, or write it in the framework"
