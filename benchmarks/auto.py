"""`python -m benchmarks auto`: five epochs with worker="auto", next to each fixed kind; then a second program of it.

Each figure is of a program of its own, from before the loader is made to the end of the fifth epoch, so the start of
workers counts. The first program with "auto" finds nothing that was remembered, the second what the first has found.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import PACKAGES
from benchmarks.data import prepare
from dataload import FileSource, Loader
from dataload.measuring import Rounds, Table, about, describe
from dataload.terminal import open_terminal
from dataload.transforms import DecodeAudio, LogMel

WORKS = ("clips", "images", "speech", "python")
KINDS = ("none", "thread", "process", "auto", "auto again")
_EPOCHS = 5


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = _parse(arguments)
    if options.one:
        work, kind = options.one
        print(_seconds(work, kind, options.workers, options.data))
        return
    terminal = open_terminal()
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        for work in WORKS:
            _loader(work, "none", 0, options.data)  # the data are made before anything is measured

            def measure(kind: str, number: int, work: str = work) -> float:
                remembered = str(Path(folder, f"{work}-{number}"))
                command = [sys.executable, "-m", "benchmarks", "auto", "--one", work, kind.split()[0]]
                command += ["--workers", str(options.workers), "--data", str(options.data)]
                environment = {**os.environ, "XDG_CACHE_HOME": remembered}
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                return float(done.stdout)

            found = _rounds(measure, options.rounds)
            best = min(("thread", "process"), key=lambda kind: found[kind].median)
            ratios = [f"{found[kind].ratio(found[best]):.2f}" for kind in ("auto", "auto again")]
            cells.append((work, *(f"{found[kind].median:.2f}" for kind in KINDS), *ratios))
    Table(("work", *KINDS, "auto of the best", "again of the best"), cells).print(terminal)
    terminal.line(describe(about(PACKAGES), f"seconds of five epochs, medians of {options.rounds}"))


def _rounds(measure: Callable[[str, int], float], rounds: int) -> dict[str, Rounds]:
    # Always in this order: the second program of "auto" finds what the first one of its round has found.
    found = [[measure(kind, number) for kind in KINDS] for number in range(rounds)]
    return {kind: Rounds(tuple(values)) for kind, values in zip(KINDS, zip(*found, strict=True), strict=True)}


def _seconds(work: str, kind: str, workers: int, data: Path) -> float:
    start = time.perf_counter()
    with _loader(work, kind, workers, data) as loader:
        for _ in range(_EPOCHS):
            for _ in loader:
                pass
        return time.perf_counter() - start


def _loader(work: str, kind: str, workers: int, data: Path) -> Loader:
    options: dict[str, Any] = {"batch_size": 32, "shuffle": True}
    options |= {"num_workers": 0} if kind == "none" else {"num_workers": workers, "worker": kind}
    if work == "clips":
        clips = FileSource(prepare(data, "clips", 3000), "*.wav", audio=str)
        return Loader(clips, transforms={"audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=40)]}, **options)
    if work == "speech":
        speech = FileSource(prepare(data, "speech", 304), "*.flac", audio=str)
        return Loader(speech, transforms={"audio": [DecodeAudio(16_000), LogMel(16_000)]}, **options)
    if work == "images":
        return Loader([np.zeros((3, 224, 224), np.uint8)] * 1024, **options)
    return Loader(range(1000), transforms=_python, **options)


def _python(value: int) -> int:
    """About a millisecond of Python."""
    total = 0
    for number in range(20_000):
        total += number
    return value


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks auto", description='Five epochs with worker="auto", next to each fixed kind.'
    )
    parser.add_argument("--one", nargs=2, metavar=("WORK", "KIND"), help="print the seconds of one program")
    parser.add_argument("--workers", type=int, default=2, help="of each kind; 2")
    parser.add_argument("--rounds", type=int, default=5, help="programs of each; 5")
    default = Path(tempfile.gettempdir()) / "dataload-benchmarks"
    parser.add_argument("--data", type=Path, default=default, help=f"folder for the data sets; {default}")
    return parser.parse_args(arguments)
