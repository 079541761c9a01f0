"""The command: run the rows, print the table, and write it as Markdown."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import PACKAGES
from benchmarks.features import EVERY_ROW, GOALS, OURS, ROWS, SYSTEMS, Row
from benchmarks.features.timing import fast_extra, seconds_per_call
from benchmarks.goals import Goal, Verdict, goals_table
from dataload.blas import single_threaded_blas
from dataload.measuring import Report, Rounds, Table, about, describe, race
from dataload.terminal import open_terminal
from dataload.transforms import MelSpectrogram

# Row -> system -> seconds per call.
Results = dict[str, dict[str, Rounds]]

_ONE_THREAD = (
    *(f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")),
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
NOTE = (
    "Milliseconds per call on one thread, medians over the rounds; all systems of a row take turns in one process. In "
    "brackets: how many times as fast dataload and dataload with the `fast` extra are. kaldi-native-fbank gets its "
    "samples as the list that it wants, tf.signal runs as a compiled graph."
)


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = _parse(arguments)
    terminal = open_terminal()
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    calls = {name: _calls(module) for name, module in SYSTEMS.items()}
    terminal.line(f"not installed: {', '.join(name for name in calls if not calls[name]) or 'nothing'}")
    results: Results = {}
    sounds = make_sounds()
    with single_threaded_blas:
        for row in options.features or ROWS:
            with terminal.progress(row.title, 1) as advance:
                made = {name: table[row.name](sounds[row.sound]) for name, table in calls.items() if row.name in table}
                results[row.name] = _race(made, options.rounds, options.seconds)
                advance()
    command = f"python -m benchmarks features {shlex.join(arguments)}".strip()
    how = f"{options.rounds} rounds of {options.seconds:g} s a turn"
    where = "; ".join(filter(None, [describe(about(PACKAGES), how), options.note]))
    report = Report("Features: speed", command, where, NOTE, [_table(results)])
    report.print(terminal)
    if options.goals:
        run = [goal for goal in GOALS if goal.where == EVERY_ROW or goal.where in results]
        goals_table([_judge(goal, results) for goal in run]).print(terminal)
    if options.out is not None:
        report.write(options.out)
        terminal.line(f"written to {options.out}")


def make_sounds() -> dict[str, Any]:
    """Return what the features are made of: noise with the loudness of speech, always the same."""
    rng = np.random.default_rng(0)

    def noise(samples: int) -> Any:
        return (0.1 * rng.standard_normal(samples)).astype(np.float32)

    speech = noise(160_000)
    return {
        "speech": speech,
        "music": noise(220_500),
        "clips": [noise(int(n)) for n in rng.integers(2_400, 4_000, 64)],
        "mels": MelSpectrogram(16_000)(speech),
    }


def _calls(module: str) -> dict[str, Any]:
    """Return the table of a system's module; it is empty where the package is not installed."""
    try:
        calls: dict[str, Any] = importlib.import_module(f"benchmarks.features.{module}").CALLS
    except ImportError:
        return {}
    if torch := sys.modules.get("torch"):  # the environment comes too late if it is loaded already
        torch.set_num_threads(1)
    return calls


def _race(calls: dict[str, Any], rounds: int, seconds: float) -> dict[str, Rounds]:
    def run(name: str, number: int) -> float:
        with fast_extra(name == OURS[1]):
            return seconds_per_call(calls[name], seconds if number >= 0 else 0.0)

    # The warm-up is for what is compiled or cached on the first calls.
    found = race(list(calls), run, rounds=rounds, warm_up=2)
    return {name: Rounds(tuple(times)) for name, times in found.items()}


def _table(results: Results) -> Table:
    names = [name for name in SYSTEMS if any(name in found for found in results.values())]
    titles = {row.name: row.title for row in ROWS}
    cells = [[titles[row], *(_cell(found, name) for name in names)] for row, found in results.items()]
    return Table(["feature", *names], cells)


def _cell(found: dict[str, Rounds], name: str) -> str:
    if name not in found:
        return ""
    text = f"{1000 * found[name].median:.3g}"
    if name in OURS:
        return text
    return f"{text} ({' / '.join(f'{found[name].ratio(found[ours]):.2g}' for ours in OURS)})"


def _judge(goal: Goal, results: Results) -> Verdict:
    ratios = {
        f"{row}, {theirs}": times.ratio(found[goal.ours[0]])
        for row, found in results.items()
        for theirs, times in found.items()
        if goal.where in (row, EVERY_ROW) and theirs not in OURS and theirs in (goal.theirs or SYSTEMS)
    }
    worst = min(ratios, key=lambda pair: ratios[pair], default="")
    return Verdict(goal, ratios.get(worst), worst)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks features", description="Features next to other packages."
    )
    parser.add_argument("features", nargs="*", type=_row, metavar="FEATURE", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--rounds", type=int, default=9, help="turns of each system; 9")
    parser.add_argument("--seconds", type=float, default=0.15, help="of each turn; 0.15")
    parser.add_argument("--out", type=Path, help="file for the table in Markdown")
    parser.add_argument("--note", default="", help="what should be known of the machine")
    parser.add_argument("--goals", action="store_true", help="print what must be reached, and whether it is")
    return parser.parse_args(arguments)


def _row(name: str) -> Row:
    for row in ROWS:
        if row.name == name:
            return row
    raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(row.name for row in ROWS)}")
