"""The command: run the rows, print the table and the goals, and write them as Markdown."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.features import GOALS, OURS, ROWS, SYSTEMS, Goal, Row
from benchmarks.features.timing import Timing, race
from benchmarks.machine import machine, versions
from dataload.blas import single_threaded_blas
from dataload.terminal import Terminal, open_terminal
from dataload.transforms import MelSpectrogram

Results = dict[str, dict[str, Timing]]

NOTE = (
    "Milliseconds per call on one thread, medians over the rounds; all systems of a row take turns in one process. In "
    "brackets: how many times as fast dataload and dataload with the `fast` extra are. kaldi-native-fbank gets its "
    "samples as the list that it wants, tf.signal runs as a compiled graph."
)


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = _parse(arguments)
    terminal = open_terminal()
    _one_thread()
    modules = {name: _module(name) for name in SYSTEMS}
    terminal.line(f"not installed: {', '.join(n for n, m in modules.items() if m is None) or 'nothing'}")
    results: Results = {}
    sounds = make_sounds()
    with single_threaded_blas:
        single_threaded_blas.refresh()
        for row in options.features or ROWS:
            with terminal.progress(row.title, 1) as advance:
                results[row.name] = _run(row, sounds[row.sound], modules, options.rounds, options.seconds)
                advance()
    about = {
        "command": f"python -m benchmarks features {shlex.join(arguments)}".strip(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": options.note,
    }
    _report(terminal, results, about, options.out)


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


def _one_thread() -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _module(system: str) -> Any:
    try:
        module = importlib.import_module(f"benchmarks.features.{SYSTEMS[system]}")
    except ImportError:
        return None
    # The frameworks are asked by themselves too: the environment comes too late for one that is loaded already.
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    if (tensorflow := sys.modules.get("tensorflow")) and SYSTEMS[system] == "tfsignal":
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    return module


def _run(row: Row, sound: Any, modules: dict[str, Any], rounds: int, seconds: float) -> dict[str, Timing]:
    calls = {
        name: getattr(module, row.name)(sound)
        for name, module in modules.items()
        if module is not None and hasattr(module, row.name)
    }
    return race(calls, fast=frozenset({OURS[1]}), rounds=rounds, seconds=seconds)


def _report(terminal: Terminal, results: Results, about: dict[str, Any], out: Path | None) -> None:
    names = [name for name in SYSTEMS if any(name in found for found in results.values())]
    titles = {row.name: row.title for row in ROWS}
    cells = [[titles[row], *(_cell(found, name) for name in names)] for row, found in results.items()]
    goals = [_verdict(goal, results) for goal in GOALS if goal.row is None or goal.row in results]
    header, goal_header = ["feature", *names], ["goal", "must be", "is", ""]
    terminal.table(header, cells)
    terminal.line(NOTE)
    terminal.table(goal_header, goals)
    terminal.line(_describe(about))
    if out is None:
        return
    parts = ["# Features: speed", "", f"`{about['command']}`", "", _describe(about), "", NOTE, ""]
    parts += [*_markdown(header, cells), "", *_markdown(goal_header, goals), ""]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(parts), encoding="utf-8")
    terminal.line(f"written to {out}")


def _cell(found: dict[str, Timing], name: str) -> str:
    if name not in found:
        return ""
    text = f"{1000 * found[name].seconds:.3g}"
    if name in OURS:
        return text
    return f"{text} ({' / '.join(f'{found[ours].ratio(found[name]):.2g}' for ours in OURS)})"


def _verdict(goal: Goal, results: Results) -> list[str]:
    rows = results if goal.row is None else [goal.row]
    ratios = {
        (row, theirs): results[row][goal.ours].ratio(timing)
        for row in rows
        for theirs, timing in results[row].items()
        if theirs not in OURS and goal.theirs in (None, theirs)
    }
    where = goal.row or "every row"
    text = f"{where}: {goal.ours} over {goal.theirs or 'every package'}"
    if not ratios:
        return [text, f">= {goal.bound:g}", "", "not measured"]
    least = min(ratios, key=lambda pair: ratios[pair])
    found = f"{ratios[least]:.2f}" + ("" if goal.row else f" ({least[0]}, {least[1]})")
    return [text, f">= {goal.bound:g}", found, "met" if ratios[least] >= goal.bound else "missed"]


def _describe(about: dict[str, Any]) -> str:
    here = machine()
    where = f"{here['processor']}, {here['cores']} cores, {here['memory_gb']} GB"
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    how = f"{about['rounds']} rounds of {about['seconds']:g} s a turn"
    return "; ".join(part for part in (where, found, how, about["date"], about["note"]) if part)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks features", description="Features next to other packages."
    )
    parser.add_argument("features", nargs="*", type=_row, metavar="FEATURE", help=", ".join(row.name for row in ROWS))
    parser.add_argument("--rounds", type=int, default=9, help="turns of each system; 9")
    parser.add_argument("--seconds", type=float, default=0.15, help="of each turn; 0.15")
    parser.add_argument("--out", type=Path, help="file for the table in Markdown")
    parser.add_argument("--note", default="", help="what should be known of the machine")
    return parser.parse_args(arguments)


def _row(name: str) -> Row:
    for row in ROWS:
        if row.name == name:
            return row
    raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(row.name for row in ROWS)}")
