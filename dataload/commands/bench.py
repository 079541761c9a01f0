"""`dataload bench`: which num_workers and which kind of worker is fastest for the user's own data.

Apart from `sweep`, which measures: here arguments become a loader, and rows become a table and a sentence.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataload.commands.plots import plot_throughput
from dataload.commands.report import print_rows, write_json
from dataload.commands.sweep import (
    Advice,
    Row,
    Setting,
    advise,
    make_settings,
    sweep,
    worker_counts,
)
from dataload.commands.target import open_target
from dataload.extras import require
from dataload.machine import usable_cores
from dataload.terminal import Terminal, open_terminal

if TYPE_CHECKING:
    from dataload import Loader


def run(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        UsageError: the target names nothing, or the wrong thing.
        MissingExtra: a plot is asked for and matplotlib is not installed.
    """
    terminal = open_terminal()
    if arguments.plot:  # asked before measuring: it would be a pity to find out after
        require("matplotlib", extra="bench", purpose="--plot")
    counts = arguments.workers or worker_counts(usable_cores())
    settings = make_settings(counts, arguments.worker)
    with open_target(arguments.target, batch_size=arguments.batch_size, sample_rate=arguments.sample_rate) as loader:
        terminal.line(str(loader))
        rows = measure_all(loader, settings, arguments.rounds, arguments.seconds, terminal)
    advice = advise(rows)
    print_rows(terminal, rows)
    terminal.line()
    terminal.line(advice_line(advice))
    if arguments.json:
        write_json(Path(arguments.json), arguments.target, rows, advice)
        terminal.line(f"figures: {arguments.json}")
    if arguments.plot:
        plot_throughput(Path(arguments.plot), arguments.target, rows)
        terminal.line(f"picture: {arguments.plot}")


def measure_all(
    loader: Loader, settings: Sequence[Setting], rounds: int, seconds: float, terminal: Terminal
) -> list[Row]:
    """Return the rows of a sweep, with progress shown."""
    with terminal.progress(f"measuring {len(settings)} settings", (rounds + 1) * len(settings)) as advance:
        return sweep(loader, settings, rounds=rounds, seconds=seconds, on_measured=advance)


def advice_line(advice: Advice) -> str:
    """Return the advice as a sentence."""
    return f"use {advice.setting}: {advice.reason}"
