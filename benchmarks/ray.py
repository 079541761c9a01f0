"""`python -m benchmarks ray`: actors of a Ray cluster next to worker processes, on one machine and the same work.

What it costs to make batches through Ray, not what more machines bring: the work is decoding FLAC to log-mel, and
images that only travel. Each loader keeps its workers from round to round.

The machine must be quiet. Ray is started in a session of its own, and where other programs want the cores a scheduler
that shares them out by session gives the two kinds unequal parts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import PACKAGES
from benchmarks.data import IMAGE, prepare
from benchmarks.goals import Goal, Verdict, goals_table
from dataload import ArraySource, FileSource, Loader
from dataload.adapters.ray import RayWorkers
from dataload.measuring import Rounds, Table, about, describe, endless, race, take
from dataload.terminal import open_terminal
from dataload.transforms import DecodeAudio, LogMel

KINDS = ("process", "ray")
_GOALS = (
    Goal("ray", "ray >= 0.85 x process on speech", ("ray",), ("process",), 0.85),
    Goal("ray", "main thread <= 0.3 ms per batch on speech", ("ray",), (), 0.3, "main_ms_per_batch"),
)


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = _parse(arguments)
    terminal = open_terminal()
    loaders = {
        (work, kind): loader.with_options(
            num_workers=options.workers,
            worker=RayWorkers(address=options.address) if kind == "ray" else kind,
        )
        for work, loader in _workloads(options).items()
        for kind in KINDS
    }
    streams = {case: endless(loader) for case, loader in loaders.items()}
    firsts = {case: _seconds_of_one(stream) for case, stream in streams.items()}

    def measure(case: tuple[str, str], number: int) -> tuple[float, float]:
        # What was made ahead while others had their turns counts for nobody.
        take(streams[case], 0, at_least=loaders[case].crew.window())
        before = time.thread_time()
        window = take(streams[case], options.seconds)
        return window.rate * loaders[case].batch_size, (time.thread_time() - before) / window.count

    found = race(list(loaders), measure, rounds=options.rounds, warm_up=1)
    nodes = {case: len(loader.stats.nodes) or 1 for case, loader in loaders.items()}
    for loader in loaders.values():
        loader.close()
    rates = {case: Rounds(tuple(rate for rate, _ in values)) for case, values in found.items()}
    mains = {case: Rounds(tuple(1000 * seconds for _, seconds in values)) for case, values in found.items()}
    cells = [
        (
            *case,
            str(nodes[case]),
            f"{rates[case].median:.0f}",
            f"{rates[case].ratio(rates[case[0], 'process']):.2f}",
            f"{mains[case].median:.2f}",
            f"{firsts[case]:.1f}",
        )
        for case in loaders
    ]
    columns = ("work", "worker", "machines", "samples/s", "of process", "main-thread ms/batch", "first batch s")
    Table(columns, cells).print(terminal)
    how = f"{options.workers} workers, medians of {options.rounds} rounds"
    terminal.line(describe(about((*PACKAGES, "ray")), how))
    if options.goals:
        speech = ("speech", "ray")
        figures = (rates[speech].ratio(rates["speech", "process"]), mains[speech].median)
        goals_table([Verdict(goal, figure, goal.text) for goal, figure in zip(_GOALS, figures, strict=True)]).print(
            terminal
        )


def _workloads(options: argparse.Namespace) -> dict[str, Loader]:
    samples = 64 if options.quick else 304
    speech = FileSource(prepare(options.data, "speech", samples), "*.flac", audio=str)
    images = np.zeros((64 if options.quick else 512, *IMAGE), np.float32)
    images.flags.writeable = False  # Then the machine's workers share it.
    return {
        "speech": Loader(speech, transforms={"audio": [DecodeAudio(16_000), LogMel(16_000)]}, batch_size=16),
        "images": Loader(ArraySource(images), batch_size=16),
    }


def _seconds_of_one(stream: Any) -> float:
    start = time.perf_counter()
    next(stream)
    return time.perf_counter() - start


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks ray", description="Actors of a Ray cluster next to worker processes."
    )
    parser.add_argument("--address", help="of a cluster; else RAY_ADDRESS, else one is started on this machine")
    parser.add_argument("--workers", type=int, default=2, help="of each kind; 2")
    parser.add_argument("--rounds", type=int, default=5, help="how often the kinds take turns; 5")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each timed window; 3")
    parser.add_argument("--quick", action="store_true", help="small data")
    parser.add_argument("--goals", action="store_true", help="print what must be reached, and whether it is")
    default = Path(tempfile.gettempdir()) / "dataload-benchmarks"
    parser.add_argument("--data", type=Path, default=default, help=f"folder for the data sets; {default}")
    return parser.parse_args(arguments)
