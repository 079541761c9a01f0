"""The results as people and programs read them: tables in the terminal and in Markdown, and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import Row, Verdict
from benchmarks.workloads import BY_NAME
from dataload.terminal import Terminal

Cells = Sequence[str]

_LONGEST = 160


@dataclass(frozen=True)
class Table:
    """A table with a title above it and notes below."""

    title: str
    columns: Cells
    cells: Sequence[Cells]
    notes: Sequence[str] = ()


# Header, unit's factor and digits after the point come from here; a column that no row fills is left out.
_COLUMNS: tuple[tuple[str, Callable[[Row], float | None], str], ...] = (
    ("samples/s", lambda row: row.figures.get("samples_per_s"), ",.0f"),
    ("x best peer", lambda row: row.of_best_peer, ".2f"),
    ("of limit", lambda row: row.of_limit, ".0%"),
    ("first batch ms", lambda row: _times(row.figures.get("first_batch_s"), 1000), ",.0f"),
    ("CPU s/1000", lambda row: row.figures.get("cpu_s_per_1000"), ".3g"),
    ("main ms/batch", lambda row: row.figures.get("main_ms_per_batch"), ".2f"),
    ("MB", lambda row: row.figures.get("peak_mb"), ",.0f"),
)
_GROWTH = (
    ("MB added", lambda row: row.figures.get("added_mb"), ".1f"),
    ("MB later", lambda row: row.figures.get("late_mb"), ".1f"),
)

LEGEND = (
    "x best peer: above 1 is better than the best of the peers. Limit: as many cores as workers doing the bare work. "
    "CPU: of the whole process tree, per 1000 samples. Main: CPU of the training loop's own thread. MB: anonymous and "
    "shared memory of the whole tree (PSS), without pages of files. Rows in brackets are no peers that goals count: "
    "there the user does the loader's work by hand, or the system has more threads than the others have workers."
)


def print_report(terminal: Terminal, rows: Sequence[Row], verdicts: Sequence[Verdict], about: dict[str, Any]) -> None:
    """Print all tables."""
    for table in tables(rows, verdicts):
        terminal.line()
        terminal.line(table.title)
        terminal.table(table.columns, table.cells)
        for note in table.notes:
            terminal.line(f"  {note}")
    terminal.line()
    terminal.line(LEGEND)
    terminal.line(describe(about))


def markdown(rows: Sequence[Row], verdicts: Sequence[Verdict], about: dict[str, Any]) -> str:
    """Return all tables as Markdown."""
    parts = ["# Benchmarks", "", f"`{about['command']}`", "", describe(about), "", LEGEND, ""]
    for table in tables(rows, verdicts):
        parts += [f"## {table.title}", "", _line(table.columns), _line(["---", *["---:"] * (len(table.columns) - 1)])]
        parts += [*map(_line, table.cells), "", *(f"- {note}" for note in table.notes), ""]
    return "\n".join(parts)


def write_json(
    path: Path,
    rows: Sequence[Row],
    verdicts: Sequence[Verdict],
    records: Sequence[dict[str, Any]],
    about: dict[str, Any],
) -> None:
    """Write everything: the medians, the verdicts and every round."""
    content = {
        **about,
        "rows": [vars(row) for row in rows],
        "goals": [
            {
                "workload": v.goal.workload,
                "goal": v.goal.text,
                "bound": v.goal.bound,
                "reached": v.reached,
                "met": v.met,
                "ours": v.ours,
                "theirs": v.theirs,
            }
            for v in verdicts
        ],
        "rounds": list(records),
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def tables(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Table]:
    """Return one table per workload, then the goals."""
    names = dict.fromkeys(row.workload for row in rows)
    found = [_table(name, [row for row in rows if row.workload == name]) for name in names]
    if verdicts:
        found.append(Table("goals", ["goal", "must be", "is", "", "from"], [_verdict_cells(v) for v in verdicts]))
    return found


def _table(name: str, rows: Sequence[Row]) -> Table:
    workload = BY_NAME[name]
    measured = _sorted([row for row in rows if row.figures])
    columns = (*_COLUMNS, *_GROWTH) if name.startswith("growth") else _COLUMNS
    columns = tuple(column for column in columns if any(column[1](row) is not None for row in measured))
    return Table(
        title=f"{name}: {workload.title}, batches of {workload.batch_size}",
        columns=["system", *(column[0] for column in columns)],
        cells=[[_name(row), *(_cell(get(row), form) for _, get, form in columns)] for row in measured],
        notes=[f"{row.system}: {row.note[:_LONGEST]}" for row in rows if row.note],
    )


def describe(about: dict[str, Any]) -> str:
    """Return the machine, the versions and the settings in one line."""
    machine = about["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB"
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    how = f"{about['rounds_run']} rounds of {about['seconds']:g} s, {about['workers']} workers"
    return f"{where}; {versions}; {how}; {about['date']}"


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """The limit comes last, rows in brackets before it; the others stay as they were run."""
    order = {"limit": 2, "by hand": 1}
    return sorted(rows, key=lambda row: order.get(row.role, 0))


def _name(row: Row) -> str:
    return f"({row.system})" if row.role == "by hand" else row.system


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _verdict_cells(verdict: Verdict) -> Cells:
    goal = verdict.goal
    state = {True: "met", False: "missed", None: "not measured"}[verdict.met]
    sign = "<=" if goal.at_most else ">="
    pair = f"{verdict.ours} / {verdict.theirs}" if verdict.theirs else verdict.ours
    return [f"{goal.workload}: {goal.text}", f"{sign} {goal.bound:g}", _cell(verdict.reached, ".3g"), state, pair]


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _line(cells: Cells) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
