"""`python -m benchmarks cache`: an epoch that computes features, one that keeps them, and one that finds them kept.

The work is decoding FLAC to log-mel. A memory map of the same features does nothing but copy them into batches, which
is what a cache could be at best.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import PACKAGES
from benchmarks.data import prepare
from benchmarks.goals import Goal, Verdict, goals_table
from dataload import Cache, FileSource, Loader, Pad
from dataload.cache.store import leave_cache
from dataload.measuring import Rounds, Table, about, describe, race
from dataload.terminal import open_terminal
from dataload.transforms import DecodeAudio, LogMel

WITHOUT, FIRST, KEPT, MAP = "without", "first epoch, which keeps", "from the cache", "memory map"
_GOALS = (
    Goal("cache", "from the cache >= 8 x without", (KEPT,), (WITHOUT,), 8.0),
    Goal("cache", "from the cache >= 0.8 x a memory map", (KEPT,), (MAP,), 0.8),
)


class Mapped:
    """Features one behind the other in a file that is mapped."""

    def __init__(self, path: Path, ends: NDArray[np.int64]) -> None:
        self._features = np.load(path, mmap_mode="r")
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"audio": self._features[self._ends[index - 1] if index else 0 : self._ends[index]]}


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = _parse(arguments)
    terminal = open_terminal()
    source = FileSource(prepare(options.data, "speech", 16 if options.quick else 304), "*.flac", audio=str)
    with tempfile.TemporaryDirectory() as folder:
        cells = []
        for worker, count in [("thread", 0), ("thread", options.workers), ("process", options.workers)]:
            rates = _rates(source, Path(folder), worker, count, options.rounds)
            name = f"{count} {worker}" if count else "none"
            ratios = [f"{rates[KEPT].ratio(rates[case]):.2f}" for case in (WITHOUT, MAP)]
            cells.append((name, *(f"{rates[case].median:.0f}" for case in rates), *ratios))
            if options.goals:
                figures = [rates[KEPT].ratio(rates[case]) for case in (WITHOUT, MAP)]
                judged = zip(_GOALS, figures, strict=True)
                goals_table([Verdict(goal, figure, f"{name}: {goal.text}") for goal, figure in judged]).print(terminal)
    columns = ("workers", WITHOUT, FIRST, KEPT, MAP, "of without", "of the map")
    Table(columns, cells).print(terminal)
    how = f"samples/s, medians of {options.rounds} epochs in turns"
    terminal.line(describe(about(PACKAGES), how))


def _rates(source: FileSource, folder: Path, worker: str, count: int, rounds: int) -> dict[str, Rounds]:
    options: dict[str, Any] = {"batch_size": 16, "shuffle": True, "num_workers": count, "worker": worker}
    chain = [DecodeAudio(16_000), LogMel(16_000)]

    def loader(name: str) -> Loader:
        return Loader(source, transforms={"audio": [*chain, Cache(str(folder / name), "20GB")]}, **options)

    fresh = folder / "fresh"
    loaders = {
        WITHOUT: Loader(source, transforms={"audio": chain}, **options),
        KEPT: loader("kept"),
        MAP: Loader(_mapped(source, chain, folder), collate_fn=Pad(["audio"]), **options),
    }
    for each in loaders.values():
        for _ in each:
            pass

    def measure(case: str, number: int) -> float:
        if case == FIRST:
            # Of processes their start is in it.
            shutil.rmtree(fresh, ignore_errors=True)
            leave_cache(fresh)
            with loader("fresh") as first:
                return _epoch(first)
        return _epoch(loaders[case])

    found = race([WITHOUT, FIRST, KEPT, MAP], measure, rounds=rounds, warm_up=1)
    for each in loaders.values():
        each.close()
    return {case: Rounds(tuple(rates)) for case, rates in found.items()}


def _mapped(source: FileSource, chain: list[Any], folder: Path) -> Mapped:
    features = [batch["audio"][0] for batch in Loader(source, transforms={"audio": chain})]
    path = folder / "features.npy"
    if not path.exists():
        np.save(path, np.concatenate(features))
    return Mapped(path, np.cumsum([len(one) for one in features]))


def _epoch(loader: Loader) -> float:
    """Return samples per second of one epoch."""
    start = time.perf_counter()
    for _ in loader:
        pass
    return len(loader.source) / (time.perf_counter() - start)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks cache", description="Features that are computed, kept, and found kept."
    )
    parser.add_argument("--workers", type=int, default=2, help="of each kind; 2")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each; 5")
    parser.add_argument("--quick", action="store_true", help="small data")
    parser.add_argument("--goals", action="store_true", help="print what must be reached, and whether it is")
    default = Path(tempfile.gettempdir()) / "dataload-benchmarks"
    parser.add_argument("--data", type=Path, default=default, help=f"folder for the data sets; {default}")
    return parser.parse_args(arguments)
