"""From the records of all rounds to rows of medians and ratios."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, get_args

from benchmarks.systems import SYSTEMS, Role
from benchmarks.workloads import BY_NAME, COSTS, Metric

FIGURES: tuple[Metric, ...] = get_args(Metric)


@dataclass(frozen=True)
class Row:
    """The medians of one system on one workload.

    Attributes:
        workload: name.
        system: name.
        role: of the system.
        figures: medians by metric; without those that were not measured.
        rounds: the figure that the workload is about, of each round.
        note: why there are no figures, or what the system says about itself.
        of_limit: share of the limit.
        of_best_peer: how many times as good as the best peer.
    """

    workload: str
    system: str
    role: Role
    figures: dict[str, float]
    rounds: tuple[float, ...] = ()
    note: str = ""
    of_limit: float | None = None
    of_best_peer: float | None = None


def make_rows(records: Iterable[dict[str, Any]], workers: int) -> list[Row]:
    """Return one row per workload and system, in the order in which they were run.

    Args:
        records: of `runner.run`.
        workers: that each system had; the limit is that many times what one core does.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["workload"], record["system"]), []).append(record)
    rows = [_row(workload, system, group, workers) for (workload, system), group in groups.items()]
    return [_with_ratios(row, [other for other in rows if other.workload == row.workload]) for row in rows]


def best(rows: Iterable[Row], metric: str) -> Row | None:
    """Return the row with the best figure, or None if no row has one."""
    measured = [row for row in rows if metric in row.figures]
    pick = min if metric in COSTS else max
    return pick(measured, key=lambda row: row.figures[metric], default=None)


def _row(workload: str, system: str, records: list[dict[str, Any]], workers: int) -> Row:
    metric, role = BY_NAME[workload].metric, SYSTEMS[system].role
    notes = [record[key] for record in records for key in ("cannot", "error") if key in record]
    if notes:
        return Row(workload, system, role, {}, note=notes[0])
    figures = {}
    times = workers if role == "limit" and not SYSTEMS[system].options.get("whole") else 1
    for name in FIGURES:
        values = [record[name] for record in records if record.get(name) is not None]
        if values:
            figures[name] = median(values) * (times if name == "samples_per_s" else 1)
    if role == "limit":
        figures = {name: figures[name] for name in ("samples_per_s", "cpu_s_per_1000") if name in figures}
    rounds = tuple(record[metric] for record in records if record.get(metric) is not None)
    said = "; ".join(dict.fromkeys(record["note"] for record in records if record.get("note")))
    return Row(workload, system, role, figures, rounds, said)


def _with_ratios(row: Row, rows: Sequence[Row]) -> Row:
    metric = BY_NAME[row.workload].metric
    if metric not in row.figures or row.role == "limit":
        return row
    value, cost = row.figures[metric], metric in COSTS
    peer = best((other for other in rows if other.role == "peer"), metric)
    fast = SYSTEMS[row.system].fast
    limits = (other for other in rows if other.role == "limit" and SYSTEMS[other.system].fast == fast)
    limit = next((other.figures.get(metric) for other in limits), None)
    ratio = None
    if peer is not None:
        ratio = peer.figures[metric] / value if cost else value / peer.figures[metric]
    return replace(row, of_limit=value / limit if limit else None, of_best_peer=ratio)
