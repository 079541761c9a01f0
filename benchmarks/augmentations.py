"""`python -m benchmarks.augmentations`: what each augmentation costs on one thread, beside the log-mel it goes with.

Apart from the benchmarks of whole loaders: one call on one clip is timed here, by the CPU time of its thread. The
transforms take turns, so that a machine that slows down slows all of them down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import machine, versions
from dataload.blas import single_threaded_blas
from dataload.chain import Chain, RandomTransform, apply
from dataload.keys import generator
from dataload.transforms import (
    AddNoise,
    Clipping,
    Gain,
    HighPass,
    LogMel,
    LowPass,
    PitchShift,
    Polarity,
    RandomCrop,
    RoomImpulse,
    SpecAugment,
    SpeedPerturb,
    TempoPerturb,
    TimeShift,
    TrimSilence,
)
from dataload.transforms.fast import packages

_RATE, _SECONDS, _ROUNDS = 16_000, 10, 100


def main() -> None:
    """Print a table of milliseconds, and of multiples of the log-mel's: means, as chance is a part of the cost."""
    rng = np.random.default_rng(0)
    n = _SECONDS * _RATE
    clip = (0.3 * np.sin(2 * np.pi * 180 * np.arange(n) / _RATE) + 0.05 * rng.standard_normal(n)).astype(np.float32)
    noises = [(0.1 * rng.standard_normal(3 * n)).astype(np.float32)]
    rooms = [(rng.standard_normal(_RATE // 2) * np.exp(-np.arange(_RATE // 2) / 1_500)).astype(np.float32)]
    log_mel = LogMel(_RATE)
    features = log_mel(clip)
    noise = AddNoise((5, 25), source=noises, sample_rate=_RATE)
    on_waves: list[Any] = [
        Gain(),
        Polarity(),
        Clipping(),
        TimeShift(),
        RandomCrop(8 * _RATE),
        TrimSilence(_RATE),
        LowPass(_RATE, (2_000, 7_000)),
        HighPass(_RATE, (20, 300)),
        SpeedPerturb(),
        TempoPerturb(_RATE),
        PitchShift(_RATE),
        AddNoise((5, 25)),
        noise,
        RoomImpulse(rooms, _RATE),
    ]
    recipe = Chain([SpeedPerturb(), noise, Gain(), TimeShift()])
    cases: list[tuple[str, Callable[[int], Any]]] = [("LogMel(16000)", lambda i: log_mel(clip))]
    cases += [(_name(transform), _call(transform, clip)) for transform in on_waves]
    masks = SpecAugment.policy("LD")
    cases += [("SpecAugment.policy('LD')", _call(masks, features))]
    cases += [
        (
            "SpeedPerturb, AddNoise of a source, Gain, TimeShift and SpecAugment together",
            lambda i: (recipe(clip, generator(0, 0, i)), masks(features, generator(0, 1, i))),
        )
    ]
    seconds = _measure(cases)
    base = seconds["LogMel(16000)"]
    here = machine()
    found = versions()
    print(f"{_SECONDS} s at {_RATE} Hz, CPU time of one thread, mean of {_ROUNDS} rounds")
    print(f"fast: {', '.join(packages()) or 'none'}")
    print(f"{here['processor']}; " + ", ".join(f"{name} {found[name]}" for name in ("python", "numpy", "scipy")))
    print("\n| transform | ms | × log-mel |\n|---|---|---|")
    for name, took in seconds.items():
        print(f"| {name} | {1e3 * took:.2f} | {took / base:.2f} |")


def _name(transform: Any) -> str:
    return (
        "AddNoise of a source" if getattr(transform, "source", None) and "Noise" in repr(transform) else repr(transform)
    )


def _call(transform: Any, value: Any) -> Callable[[int], Any]:
    if isinstance(transform, RandomTransform):
        return lambda i: apply([transform], value, generator(0, 0, i))
    return lambda i: transform(value)


def _measure(cases: list[tuple[str, Callable[[int], Any]]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name, _ in cases}
    with single_threaded_blas:
        for i in range(-3, _ROUNDS):
            for name, call in cases:
                start = time.thread_time()
                call(abs(i))
                if i >= 0:
                    times[name].append(time.thread_time() - start)
    return {name: float(np.mean(rounds)) for name, rounds in times.items()}


if __name__ == "__main__":
    main()
