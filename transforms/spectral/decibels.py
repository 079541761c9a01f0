"""Power and amplitudes in decibels and back, for arrays of any shape."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import Spec
from dataload.registry import register
from dataload.transforms.checks import Float32, Printed, as_float32, positive_float, store
from dataload.transforms.spectral.logarithm import log_factor, log_floor, take_log


def power_to_db(
    power: npt.NDArray[np.floating[Any]], *, ref: float = 1.0, amin: float = 1e-10, top_db: float | None = 80.0
) -> Float32:
    """Return power in decibels: 10·log10(max(power, amin) / max(ref, amin)).

    Args:
        power: floats of any shape, at least 0.
        ref: power that is 0 dB.
        amin: minimum of the power.
        top_db: range in dB: values further below the loudest one of the whole array are raised to that level; None
            raises none.

    Returns:
        float32 of the same shape, as `librosa.power_to_db`.

    Raises:
        ConfigError: a number that is not above 0.
        TransformError: not a float array.

    >>> power_to_db(np.array([1.0, 0.1, 0.0]))
    array([  0., -10., -80.], dtype=float32)
    """
    return _to_db("power_to_db", power, 2.0, ref, amin, top_db)


def amplitude_to_db(
    amplitude: npt.NDArray[np.floating[Any]], *, ref: float = 1.0, amin: float = 1e-5, top_db: float | None = 80.0
) -> Float32:
    """Return amplitudes in decibels: 20·log10(max(amplitude, amin) / max(ref, amin)).

    Args:
        amplitude: floats of any shape, at least 0.
        ref: amplitude that is 0 dB.
        amin: minimum of the amplitude.
        top_db: as in `power_to_db`.

    Returns:
        float32 of the same shape, as `librosa.amplitude_to_db` of what is not negative.

    Raises:
        ConfigError: a number that is not above 0.
        TransformError: not a float array.

    >>> amplitude_to_db(np.array([1.0, 0.1, 0.0]))
    array([  0., -20., -80.], dtype=float32)
    """
    return _to_db("amplitude_to_db", amplitude, 1.0, ref, amin, top_db)


def _to_db(owner: str, x: Any, power: float, ref: float, amin: float, top_db: float | None) -> Float32:
    floor = log_floor(amin, "amin")
    out = as_float32(owner, x).copy()
    take_log(out, floor, log_factor("db", power))
    out -= np.float32(20.0 / power * math.log10(max(floor, positive_float("ref", ref))))
    if top_db is not None and out.size:
        np.maximum(out, out.max() - np.float32(positive_float("top_db", top_db)), out=out)
    return out


def db_to_power(db: npt.NDArray[np.floating[Any]], *, ref: float = 1.0) -> Float32:
    """Return decibels as power: ref·10^(db / 10), the inverse of `power_to_db`.

    Args:
        db: floats of any shape.
        ref: power that is 0 dB.

    Returns:
        float32 of the same shape.

    Raises:
        ConfigError: a ref that is not above 0.
        TransformError: not a float array.

    >>> db_to_power(np.array([0.0, 20.0]))
    array([  1., 100.], dtype=float32)
    """
    return _from_db("db_to_power", db, 10.0, ref)


def db_to_amplitude(db: npt.NDArray[np.floating[Any]], *, ref: float = 1.0) -> Float32:
    """Return decibels as amplitudes: ref·10^(db / 20), the inverse of `amplitude_to_db`.

    Args:
        db: floats of any shape.
        ref: amplitude that is 0 dB.

    Returns:
        float32 of the same shape.

    Raises:
        ConfigError: a ref that is not above 0.
        TransformError: not a float array.

    >>> db_to_amplitude(np.array([0.0, 20.0])).round(3)
    array([ 1., 10.], dtype=float32)
    """
    return _from_db("db_to_amplitude", db, 20.0, ref)


def _from_db(owner: str, db: Any, per_decade: float, ref: float) -> Float32:
    out = np.multiply(as_float32(owner, db), np.float32(math.log(10.0) / per_decade))
    np.exp(out, out=out)
    return np.multiply(out, np.float32(positive_float("ref", ref)), out=out)


@register
@dataclass(frozen=True, repr=False)
class PowerToDB(Printed):
    """Power, such as that of a MelSpectrogram, in decibels: 10·log10(max(power, amin) / max(ref, amin)).

    Args:
        ref: power that is 0 dB.
        amin: minimum of the power.
        top_db: range in dB: values further below the loudest one of the clip are raised to that level; None raises
            none.

    Returns:
        (when called on floats of any shape) float32 of the same shape.

    Raises:
        ConfigError: a number that is not above 0.
        TransformError: (when called) not a float array.

    >>> PowerToDB()(np.array([[1.0, 0.1, 0.0]]))
    array([[  0., -10., -80.]], dtype=float32)
    """

    _: KW_ONLY
    ref: float = 1.0
    amin: float = 1e-10
    top_db: float | None = 80.0

    def __post_init__(self) -> None:
        store(self, ref=positive_float("ref", self.ref), amin=log_floor(self.amin, "amin"))
        if self.top_db is not None:
            store(self, top_db=positive_float("top_db", self.top_db))

    def __call__(self, power: npt.NDArray[np.floating[Any]]) -> Float32:
        """Return the power in decibels."""
        return _to_db("PowerToDB", power, 2.0, self.ref, self.amin, self.top_db)

    def output_spec(self, spec: Spec) -> Spec:
        """Return the same spec."""
        return spec
