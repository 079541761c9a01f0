"""A sweep's result as people and programs read it: a table, and JSON with the machine and versions it came
from.

Apart from the measuring, which knows nothing of output, and shared by `dataload demo` and `dataload bench`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import dataload
from dataload.commands.sweep import Advice, Row, spread
from dataload.machine import processor_name, usable_cores
from dataload.terminal import Terminal

COLUMNS = ("worker", "num_workers", "samples/s", "speed-up", "first batch")
LARGE_SPREAD = 1.5


def machine() -> dict[str, Any]:
    """Return what the figures depend on: system, processor, cores that this process may use."""
    return {"system": platform.platform(), "processor": processor_name(), "cores": usable_cores()}


def versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    return {"dataload": dataload.__version__, "numpy": np.__version__, "python": platform.python_version()}


def print_rows(terminal: Terminal, rows: Sequence[Row]) -> None:
    """Print the table of a sweep and, below it, the machine and versions, and whether the rounds disagree."""
    terminal.table(COLUMNS, [_cells(row) for row in rows])
    where = machine()
    cores = f"{where['cores']} core{'s' if where['cores'] > 1 else ''}"
    terminal.line(", ".join([where["processor"], cores, *(f"{name} {v}" for name, v in versions().items())]))
    if (ratio := spread(rows)) > LARGE_SPREAD:
        terminal.line(
            f"rounds of one setting differ by up to {ratio:.1f}x: is the machine busy? More --rounds may help"
        )


def write_json(path: Path, subject: str, rows: Sequence[Row], advice: Advice) -> None:
    """Write the sweep of `subject` to `path`; its folder is made where it does not exist."""
    content = {
        "subject": subject,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "rows": [_fields(row) for row in rows],
        "advice": advice.setting.options() | {"reason": advice.reason},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.setting.worker or "none",
        str(row.setting.num_workers),
        f"{row.samples_per_second:.0f}" if row.samples_per_second >= 10 else f"{row.samples_per_second:.2g}",
        f"{row.speed_up:.2f}x",
        f"{row.first_batch_seconds * 1000:.0f} ms",
    )


def _fields(row: Row) -> dict[str, Any]:
    return {
        "worker": row.setting.worker,
        "num_workers": row.setting.num_workers,
        "samples_per_second": row.samples_per_second,
        "speed_up": row.speed_up,
        "first_batch_seconds": row.first_batch_seconds,
        "rounds": list(row.rounds),
    }
