"""Checks of arguments, values and neighbours in a chain, so that a mistake reads the same in every transform."""

from __future__ import annotations

import math
import operator
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.memory import Float32 as Float32

# Above this a float cannot hold every whole number. No length, rate or count comes near.
_MAX_INT = 1 << 53
# As 1024 filters on 32768 points: a few hundred megabytes while it is made.
_MAX_MATRIX = 1 << 25


class Printed:
    """Gives a dataclass a repr that is the shortest call that makes it again: `LogMel(16000, n_mels=40)`."""

    def __repr__(self) -> str:
        derived = self._derived()
        parts = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.default is MISSING:
                parts.append(repr(value) if not field.kw_only else f"{field.name}={value!r}")
            elif value != derived.get(field.name, field.default):
                parts.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _derived(self) -> dict[str, Any]:
        """Return the defaults that follow from other fields: the values of those left at None."""
        return {}


def store(instance: object, **values: Any) -> None:
    """Set fields of a frozen dataclass while it is made."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def positive_int(name: str, value: Any) -> int:
    """Return `value` as an int, or raise ConfigError."""
    return _integer(name, value, 1, "a positive integer")


def natural_int(name: str, value: Any) -> int:
    """Return `value` as an int of at least 0, or raise ConfigError."""
    return _integer(name, value, 0, "an integer of at least 0")


def _integer(name: str, value: Any, minimum: int, wanted: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = minimum - 1
    if isinstance(value, bool | np.bool_) or not minimum <= number <= _MAX_INT:
        raise ConfigError(f"{name}={value!r:.100} must be {wanted}")
    return number


def positive_float(name: str, value: Any) -> float:
    """Return `value` as a float, or raise ConfigError unless it is finite and above 0."""
    number = finite_float(name, value)
    if number <= 0:
        raise ConfigError(f"{name}={value!r} must be above 0")
    return number


def finite_float(name: str, value: Any) -> float:
    """Return `value` as a float, or raise ConfigError unless it is a finite number."""
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # a whole number of more than 308 digits
            number = math.inf
        if math.isfinite(number):
            return number
    raise ConfigError(f"{name}={value!r:.100} must be a finite number")


def number_within(name: str, value: Any, low: float, high: float) -> float:
    """Return `value` as a float, or raise ConfigError unless it is a number from `low` to `high`, both included."""
    number = finite_float(name, value)
    if not low <= number <= high:
        raise ConfigError(f"{name}={value!r} must be from {low:g} to {high:g}")
    return number


def check_matrix(**sizes: int) -> None:
    """Raise ConfigError where a matrix of these sizes would take memory that no machine should be asked for."""
    if math.prod(sizes.values()) > _MAX_MATRIX:
        names = " x ".join(f"{name}={size:.6g}" for name, size in sizes.items())
        raise ConfigError(f"{names} makes a matrix of more than {_MAX_MATRIX} numbers: use smaller ones")


def one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Raise ConfigError unless `value` is one of `allowed`."""
    if not any(value is option or (isinstance(value, str) and value == option) for option in allowed):
        raise ConfigError(f"{name}={value!r} must be one of {', '.join(map(repr, allowed))}")


def as_float32(owner: str, value: Any) -> Float32:
    """Return floats of any shape as C-contiguous float32, the array itself where it is that already."""
    if not isinstance(value, np.ndarray):
        hint = ": put DecodeAudio before it" if isinstance(value, str | bytes) or hasattr(value, "__fspath__") else ""
        raise TransformError(f"{owner} takes a numpy array but got {type(value).__name__}{hint}")
    if value.dtype.kind != "f":
        raise TransformError(
            f"{owner} takes floats but got dtype {value.dtype}: read the file with DecodeAudio, "
            "or scale it to ±1 first, e.g. x.astype('float32') / 32768 for int16"
        )
    return np.ascontiguousarray(value, dtype=np.float32)


def as_waveform(owner: str, value: Any) -> Float32:
    """Return `value` as a contiguous (samples,) float32 waveform, or raise TransformError."""
    if isinstance(value, np.ndarray) and value.ndim != 1:
        raise TransformError(
            f"{owner} takes one (samples,) waveform but got shape {value.shape}: "
            "decode with DecodeAudio(..., mono=True), or pick a channel, e.g. x[0]"
        )
    waveform = as_float32(owner, value)
    if waveform.size == 0:
        raise TransformError(f"{owner} got an empty waveform (0 samples): drop the sample, or put PadOrTrim before it")
    return waveform


def check_finite(owner: str, waveform: Float32) -> None:
    """Raise TransformError where a sample is NaN or infinite."""
    if len(bad := np.flatnonzero(~np.isfinite(waveform))):
        raise TransformError(
            f"{owner} got {waveform[bad[0]]} at sample {bad[0]} ({len(bad)} of {len(waveform)} are not finite): "
            "drop the recording, or repair it, e.g. with numpy.nan_to_num"
        )


def as_array(owner: str, value: Any, min_axes: int = 1) -> npt.NDArray[Any]:
    """Return `value` if it is an array with at least `min_axes` axes, or raise TransformError."""
    if not isinstance(value, np.ndarray):
        raise TransformError(f"{owner} takes a numpy array but got {type(value).__name__}")
    if value.ndim < min_axes:
        raise TransformError(f"{owner} takes an array with at least {min_axes} axis but got shape {value.shape}")
    return value


def expect_features(spec: Spec) -> None:
    """Raise ChainError unless `spec` may be features."""
    if spec.kind not in (None, "features"):
        raise ChainError(f"it takes (frames, bins) features but gets a {spec.kind}: put LogMel before it")


def as_features(owner: str, value: Any) -> Float32:
    """Return `value` as (frames, bins) float32 with at least one frame, or raise TransformError."""
    if isinstance(value, np.ndarray) and (value.ndim != 2 or value.size == 0):
        raise TransformError(f"{owner} takes (frames, bins) features but got shape {value.shape}")
    return as_float32(owner, value)


def expect_waveform(spec: Spec, sample_rate: int | None = None) -> None:
    """Raise ChainError unless `spec` may be a waveform, of this rate where one is given."""
    if spec.kind not in (None, "waveform"):
        raise ChainError(f"it takes a waveform but gets {spec.kind}: put it before what makes the {spec.kind}")
    if sample_rate is not None and spec.sample_rate not in (None, sample_rate):
        raise ChainError(
            f"it expects {sample_rate} Hz but gets {spec.sample_rate} Hz: use DecodeAudio({sample_rate}), "
            f"or add Resample({spec.sample_rate}, {sample_rate})"
        )
