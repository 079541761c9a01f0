"""The logarithms that energies, mel spectra and decibels take of power or magnitude."""

from __future__ import annotations

import math

import numpy as np

from dataload.errors import ConfigError
from dataload.transforms.checks import Float32, positive_float

LOGS = ("ln", "log10", "db")


def take_log(x: Float32, floor: float, factor: float) -> None:
    """Replace values by factor·ln(max(x, floor))."""
    np.maximum(x, np.float32(floor), out=x)
    np.log(x, out=x)
    if factor != 1.0:
        np.multiply(x, np.float32(factor), out=x)


def log_factor(log: str, power: float) -> float:
    """Return the factor from the natural logarithm to another one, of magnitudes to a power.

    numpy's float32 log is vectorised everywhere, its log10 only with AVX-512.
    """
    return {"ln": 1.0, "log10": 1.0 / math.log(10.0), "db": 20.0 / power / math.log(10.0)}[log]


def log_floor(floor: float, name: str = "floor") -> float:
    """Return the minimum under a logarithm as a float, or raise ConfigError unless it is a positive float32."""
    number = positive_float(name, floor)
    smallest = float(np.finfo(np.float32).tiny)
    if number < smallest:
        raise ConfigError(f"{name}={floor!r} must be at least {smallest} to be a float32")
    return number
