"""The results as people and programs read them: a report for the terminal and in Markdown, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.goals import Verdict
from benchmarks.results import Row
from benchmarks.workloads import BY_NAME, Metric
from dataload.measuring import Column, Report, Table, describe, write_json

_MAX_NOTE = 160

LEGEND = (
    "x best peer: above 1 is better than the best of the peers. Limit: as many cores as workers doing the bare work. "
    "CPU: of the whole process tree, per 1000 samples. Main: CPU of the training loop's own thread. MB: anonymous and "
    "shared memory of the whole tree (PSS), without pages of files. Rows in brackets never count as the best peer: "
    "there the user does the loader's work by hand, or the system has more threads than the others have workers."
)


def _figure(title: str, metric: Metric, form: str, factor: float = 1.0) -> Column[Row]:
    return Column(title, lambda row: row.figures[metric] * factor if metric in row.figures else None, form)


# A column that no row fills is left out.
_COLUMNS: tuple[Column[Row], ...] = (
    Column("system", lambda row: f"({row.system})" if row.role == "by hand" else row.system),
    _figure("samples/s", "samples_per_s", ",.0f"),
    Column("x best peer", lambda row: row.of_best_peer, ".2f"),
    Column("of limit", lambda row: row.of_limit, ".0%"),
    _figure("first batch ms", "first_batch_s", ",.0f", 1000),
    _figure("CPU s/1000", "cpu_s_per_1000", ".3g"),
    _figure("main ms/batch", "main_ms_per_batch", ".2f"),
    _figure("MB", "peak_mb", ",.0f"),
)
_GROWTH = (_figure("MB added", "added_mb", ".1f"), _figure("MB later", "late_mb", ".1f"))


def make_report(rows: Sequence[Row], about: dict[str, Any]) -> Report:
    """Return the report: one table per workload."""
    how = f"{about['rounds_run']} rounds of {about['seconds']:g} s, {about['workers']} workers"
    return Report("Benchmarks", about["command"], describe(about, how), LEGEND, tables(rows))


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return one table per workload."""
    names = dict.fromkeys(row.workload for row in rows)
    return [_table(name, [row for row in rows if row.workload == name]) for name in names]


def write_results(
    path: Path,
    rows: Sequence[Row],
    records: Sequence[dict[str, Any]],
    about: dict[str, Any],
    verdicts: Sequence[Verdict] = (),
) -> None:
    """Write everything as JSON: the medians, every round, and the verdicts where goals are asked for."""
    goals = {"goals": [verdict.to_json() for verdict in verdicts]} if verdicts else {}
    write_json(path, {**about, "rows": [vars(row) for row in rows], **goals, "rounds": list(records)})


def _table(name: str, rows: Sequence[Row]) -> Table:
    workload = BY_NAME[name]
    # The limit comes last, rows in brackets before it; the others stay as they were run.
    order = {"limit": 2, "by hand": 1}
    return Table.of(
        sorted((row for row in rows if row.figures), key=lambda row: order.get(row.role, 0)),
        (*_COLUMNS, *_GROWTH) if name.startswith("growth") else _COLUMNS,
        title=f"{name}: {workload.title}, batches of {workload.batch_size}",
        notes=[f"{row.system}: {row.note[:_MAX_NOTE]}" for row in rows if row.note],
    )
