"""What augmentations of waveforms share: one channel or several, and ranges to draw numbers from."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataload.chain import RandomTransform, Spec
from dataload.errors import ConfigError, TransformError
from dataload.transforms.checks import Float32, Printed, as_float32, expect_waveform, finite_float

Range = float | tuple[float, float]


def as_sound(owner: str, value: Any) -> Float32:
    """Return `value` as a contiguous (samples,) or (channels, samples) float32 array, or raise TransformError."""
    sound = as_float32(owner, value)
    if sound.ndim not in (1, 2) or sound.size == 0:
        raise TransformError(
            f"{owner} takes a (samples,) or (channels, samples) waveform with samples but got shape {sound.shape}"
        )
    return sound


def mean_power(owner: str, sound: Float32) -> float:
    """Return the mean square over all samples, or raise TransformError where there are NaN or infinite ones."""
    flat = sound.reshape(-1)
    power = float(np.dot(flat, flat)) / flat.size
    if not math.isfinite(power):
        raise TransformError(f"{owner} got samples that are NaN, infinite or beyond ±1e15: leave the recording out")
    return power


def draw(rng: np.random.Generator, values: Range) -> float:
    """Return a number from the range, every one equally likely; a single number is always itself."""
    return float(rng.uniform(*values)) if isinstance(values, tuple) else values


def draw_octaves(rng: np.random.Generator, values: Range) -> float:
    """Return a number above 0 from the range, every octave of it equally likely."""
    return float(np.exp(rng.uniform(*np.log(values)))) if isinstance(values, tuple) else values


def number_range(name: str, value: Any, minimum: float = -math.inf, maximum: float = math.inf) -> Range:
    """Return one number as a float, two as a (low, high) tuple of floats, or raise ConfigError.

    Args:
        name: of the parameter, for messages.
        value: a number, or a pair of them.
        minimum, maximum: bounds of the numbers, both included.
    """
    pair = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    if pair and len(value) != 2:
        raise ConfigError(f"{name}={value!r} must be a number or a pair (low, high)")
    numbers = [finite_float(name, number) for number in (value if pair else (value,))]
    for number in numbers:
        if not minimum <= number <= maximum:
            allowed = f"at least {minimum:g}" if maximum == math.inf else f"from {minimum:g} to {maximum:g}"
            raise ConfigError(f"{name}={value!r} must be {allowed}")
    if not pair:
        return numbers[0]
    if numbers[0] > numbers[1]:
        raise ConfigError(f"{name}={value!r} must be (low, high) with low not above high")
    return numbers[0], numbers[1]


def factors(name: str, value: Any) -> tuple[float, ...]:
    """Return numbers to choose from as a tuple of floats from 0.25 to 4, or raise ConfigError."""
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str) or len(value) == 0:
        raise ConfigError(f"{name}={value!r} must be a row of numbers to choose from, such as (0.9, 1.0, 1.1)")
    numbers = tuple(finite_float(name, number) for number in value)
    if not all(0.25 <= number <= 4 for number in numbers):
        raise ConfigError(f"{name}={value!r} must all be from 0.25 to 4")
    return numbers


def probability(name: str, value: Any) -> float:
    """Return `value` as a float from 0 to 1, or raise ConfigError."""
    number = finite_float(name, value)
    if not 0 <= number <= 1:
        raise ConfigError(f"{name}={value!r} must be from 0 to 1")
    return number


@dataclass(frozen=True, repr=False)
class WaveTransform(Printed, RandomTransform):
    """Base of the augmentations that take one channel or several, and treat all channels alike."""

    def __call__(self, waveform: npt.NDArray[np.floating[Any]], rng: np.random.Generator) -> Float32:
        """Return the changed waveform; the one that came in stays as it is."""
        return self._apply(as_sound(type(self).__name__, waveform), rng)

    @abstractmethod
    def _apply(self, x: Float32, rng: np.random.Generator) -> Float32:
        """Return a contiguous (samples,) or (channels, samples) float32 array, changed."""

    def output_spec(self, spec: Spec) -> Spec:
        """Return the spec of the same waveform, or raise ChainError if what comes in is none, or of another rate."""
        expect_waveform(spec, getattr(self, "sample_rate", None) or spec.sample_rate or 0)
        return Spec(spec.kind, spec.sample_rate, varies=spec.varies or self._changes_length())

    def _changes_length(self) -> bool:
        return False
