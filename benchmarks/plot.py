"""The picture: one panel of bars per workload."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.results import Row
from benchmarks.workloads import BY_NAME, COSTS, WORKLOADS, Workload
from dataload.measuring.pictures import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"dataload": "#1b7837", "peer": "#8c96c6", "by hand": "#d4d4d4", "limit": "#fdae61"}
_LABELS = {
    "samples_per_s": "samples/s",
    "first_batch_s": "seconds to the first batch (less is better)",
    "main_ms_per_batch": "main-thread ms per batch (less is better)",
    "cpu_s_per_1000": "CPU seconds per 1000 samples (less is better)",
}
_ACROSS = 3


def plot(path: Path, rows: Sequence[Row]) -> None:
    """Draw the medians, with thin bars from the worst round to the best, to an image file.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    run = {row.workload for row in rows if row.figures}
    shown = [workload for workload in WORKLOADS if workload.runs in run]
    down = math.ceil(len(shown) / _ACROSS)
    figure = new_figure(6 * _ACROSS, 4.2 * down)
    grid = figure.subplots(down, _ACROSS, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, workload in zip(grid.flat, shown, strict=False):
        _panel(axes, workload, [row for row in rows if row.workload == workload.runs])
    save(figure, path)


def _panel(axes: Axes, workload: Workload, rows: Sequence[Row]) -> None:
    metric = workload.metric
    measured = [row for row in rows if metric in row.figures]
    if not workload.name.startswith("growth"):  # those stand in the order of what grows
        measured.sort(key=lambda row: row.figures[metric], reverse=metric not in COSTS)
    values = [row.figures[metric] for row in measured]
    axes.barh(range(len(measured)), values, color=[_COLOURS[row.role] for row in measured])
    for y, row in enumerate(measured):
        if metric == BY_NAME[row.workload].metric and row.role != "limit" and row.rounds:
            axes.plot([min(row.rounds), max(row.rounds)], [y, y], color="0.2", linewidth=1)
        value = row.figures[metric]
        axes.text(value, y, f" {value:,.0f}" if value >= 100 else f" {value:.3g}", va="center", fontsize=7)
    axes.set_yticks(range(len(measured)), [row.system for row in measured], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_title(workload.name)
    axes.set_xlabel(_LABELS[metric], fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
