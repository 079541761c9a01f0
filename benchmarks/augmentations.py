"""`python -m benchmarks augmentations`: what each augmentation costs on one thread, beside the log-mel it goes with.

One call on one clip is timed, by the CPU time of its thread; the transforms take turns.
"""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import PACKAGES
from dataload import transforms as t
from dataload.blas import single_threaded_blas
from dataload.chain import Chain, RandomTransform, apply
from dataload.keys import generator
from dataload.measuring import Report, Table, about, describe, race
from dataload.terminal import open_terminal
from dataload.transforms.fast import packages

_RATE, _SECONDS = 16_000, 10
_BASE = "LogMel"

Call = Callable[[int], Any]


def main(arguments: list[str]) -> None:
    """Print milliseconds and multiples of the log-mel's: means, as chance is a part of the cost."""
    options = _parse(arguments)
    terminal = open_terminal()
    cases = make_cases()

    def run(name: str, number: int) -> float:
        start = time.thread_time()
        cases[name](abs(number))
        return time.thread_time() - start

    with single_threaded_blas, terminal.progress("timing", (options.rounds + 3) * len(cases)) as advance:
        found = race(list(cases), run, rounds=options.rounds, warm_up=3, on_measured=advance)
    means = {name: float(np.mean(times)) for name, times in found.items()}
    cells = [(name, f"{1e3 * mean:.2f}", f"{mean / means[_BASE]:.2f}") for name, mean in means.items()]
    command = f"python -m benchmarks augmentations {shlex.join(arguments)}".strip()
    where = describe(about(PACKAGES), f"mean of {options.rounds} rounds", f"fast: {', '.join(packages()) or 'none'}")
    legend = f"Milliseconds for {_SECONDS} s at {_RATE} Hz, CPU time of one thread."
    table = Table(("transform", "ms", "× log-mel"), cells)
    report = Report("Augmentations: what they cost", command, where, legend, [table])
    report.print(terminal)
    if options.out is not None:
        report.write(options.out)
        terminal.line(f"written to {options.out}")


def make_cases() -> dict[str, Call]:
    """Return the calls by name; each gets the number of its round, which random transforms draw by."""
    rng = np.random.default_rng(0)
    n = _SECONDS * _RATE
    clip = (0.3 * np.sin(2 * np.pi * 180 * np.arange(n) / _RATE) + 0.05 * rng.standard_normal(n)).astype(np.float32)
    noises = [(0.1 * rng.standard_normal(3 * n)).astype(np.float32)]
    rooms = [(rng.standard_normal(_RATE // 2) * np.exp(-np.arange(_RATE // 2) / 1_500)).astype(np.float32)]
    log_mel, masks = t.LogMel(_RATE), t.SpecAugment.policy("LD")
    features = log_mel(clip)
    noise = t.AddNoise((5, 25), source=noises, sample_rate=_RATE)
    on_waves: list[Any] = [
        t.Gain(),
        t.Polarity(),
        t.Clipping(),
        t.TimeShift(),
        t.RandomCrop(8 * _RATE),
        t.TrimSilence(_RATE),
        t.LowPass(_RATE, (2_000, 7_000)),
        t.HighPass(_RATE, (20, 300)),
        t.SpeedPerturb(),
        t.TempoPerturb(_RATE),
        t.PitchShift(_RATE),
        t.AddNoise((5, 25)),
    ]
    recipe = Chain([t.SpeedPerturb(), noise, t.Gain(), t.TimeShift()])
    return {
        _BASE: lambda i: log_mel(clip),
        **{repr(transform): _call(transform, clip) for transform in on_waves},
        "AddNoise of a source": _call(noise, clip),
        "RoomImpulse of 0.5 s": _call(t.RoomImpulse(rooms, _RATE), clip),
        "SpecAugment.policy('LD')": _call(masks, features),
        "SpeedPerturb, AddNoise of a source, Gain, TimeShift and SpecAugment together": lambda i: (
            recipe(clip, generator(0, 0, i)),
            masks(features, generator(0, 1, i)),
        ),
    }


def _call(transform: Any, value: Any) -> Call:
    if isinstance(transform, RandomTransform):
        return lambda i: apply([transform], value, generator(0, 0, i))
    return lambda i: transform(value)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks augmentations", description="What augmentations cost.")
    parser.add_argument("--rounds", type=int, default=100, help="calls of each; 100")
    parser.add_argument("--out", type=Path, help="file for the table in Markdown")
    return parser.parse_args(arguments)
