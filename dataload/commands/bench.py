"""`dataload bench`: which num_workers and which kind of worker is fastest for the user's own data."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataload.commands.plots import plot_throughput
from dataload.commands.sweep import Advice, Row, Setting, advise, make_settings, spread, sweep, worker_counts
from dataload.commands.target import open_target
from dataload.extras import require
from dataload.machine import usable_cores
from dataload.measuring import Column, Table, about, describe, write_json
from dataload.terminal import Terminal, open_terminal

if TYPE_CHECKING:
    from dataload import Loader

LARGE_SPREAD = 1.5
COLUMNS: tuple[Column[Row], ...] = (
    Column("worker", lambda row: row.setting.worker or "none"),
    Column("num_workers", lambda row: row.setting.num_workers),
    Column("samples/s", lambda row: format(row.samples_per_second, ".0f" if row.samples_per_second >= 10 else ".2g")),
    Column("speed-up", lambda row: f"{row.speed_up:.2f}x"),
    Column("first batch", lambda row: f"{row.first_batch_seconds * 1000:.0f} ms"),
)


def run(arguments: Namespace) -> None:
    """Run the command.

    Raises:
        UsageError: the target names nothing, or the wrong thing.
        MissingExtra: a plot is asked for and matplotlib is not installed.
    """
    terminal = open_terminal()
    if arguments.plot:  # a long measurement would be lost otherwise
        require("matplotlib", extra="bench", purpose="--plot")
    settings = make_settings(arguments.workers or worker_counts(usable_cores()), arguments.worker)
    with open_target(arguments.target, batch_size=arguments.batch_size, sample_rate=arguments.sample_rate) as loader:
        terminal.line(str(loader))
        rows, advice = compare(loader, settings, arguments, terminal)
    if arguments.json:
        write_figures(Path(arguments.json), arguments.target, rows, advice)
        terminal.line(f"figures: {arguments.json}")
    if arguments.plot:
        plot_throughput(Path(arguments.plot), arguments.target, rows)
        terminal.line(f"picture: {arguments.plot}")


def compare(
    loader: Loader, settings: Sequence[Setting], arguments: Namespace, terminal: Terminal
) -> tuple[list[Row], Advice]:
    """Measure `loader` with each of `settings`, print what came out, and return the rows and which setting to use.

    Args:
        loader: to measure.
        settings: to compare.
        arguments: of the command line: `rounds` and `seconds`.
        terminal: to print to.
    """
    with terminal.progress(f"measuring {len(settings)} settings", (arguments.rounds + 1) * len(settings)) as advance:
        rows = sweep(loader, settings, rounds=arguments.rounds, seconds=arguments.seconds, on_measured=advance)
    Table.of(rows, COLUMNS).print(terminal)
    terminal.line(describe(about()))
    if (ratio := spread(rows)) > LARGE_SPREAD:
        terminal.line(
            f"rounds of one setting differ by up to {ratio:.1f}x: is the machine busy? More --rounds may help"
        )
    advice = advise(rows)
    terminal.line(f"\nuse {advice.setting}: {advice.reason}")
    return rows, advice


def write_figures(path: Path, subject: str, rows: Sequence[Row], advice: Advice) -> None:
    """Write what `compare` found about `subject` to `path` as JSON, with the machine and the versions."""
    choice = advice.setting.options() | {"reason": advice.reason}
    write_json(path, {**about(subject=subject), "rows": [row.to_json() for row in rows], "advice": choice})
