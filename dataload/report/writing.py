"""A report as a file: what kind, its name says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from dataload.errors import ConfigError, StorageError
from dataload.measuring import about, memory_in_use
from dataload.report.figures import Report, report_of
from dataload.report.page import page_of
from dataload.report.trace import trace_of
from dataload.report.verdict import advise
from dataload.sources.base import describe
from dataload.stats import LoaderStats


def _json(report: Report) -> str:
    return json.dumps(report.to_json(), indent=1) + "\n"


def _trace(report: Report) -> str:
    return json.dumps(trace_of(report)) + "\n"


# The first that a name ends in decides.
KINDS: dict[str, Callable[[Report], str]] = {".trace.json": _trace, ".json": _json, ".html": page_of, ".htm": page_of}


def check_name(path: str | os.PathLike[str]) -> Callable[[Report], str]:
    """Return how a report is written under a name.

    Raises:
        ConfigError: the name says no kind.
    """
    name = os.fspath(path)
    for suffix, write in KINDS.items():
        if name.lower().endswith(suffix):
            return write
    raise ConfigError(
        f"{name!r} must end in .html (a page), .json (all figures), or .trace.json (for Perfetto and chrome://tracing)"
    )


def write_report(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report as what the path's name says: .html, .json or .trace.json.

    Raises:
        ConfigError: the name says no kind.
        StorageError: it cannot be written.
    """
    text = check_name(path)(report)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"the report {os.fspath(path)!r} cannot be written: {error.strerror or error}") from None


def write_stats(path: str | os.PathLike[str], stats: LoaderStats, loader: str, source: Any) -> None:
    """Write a report on what a loader's statistics say.

    Raises:
        ConfigError: the name says no kind.
        StorageError: it cannot be written.
    """
    check_name(path)
    report = report_of(
        stats,
        subject="data loading",
        loader=loader,
        machine=about(),
        name=partial(describe, source),
        memory=memory_in_use(),
    )
    write_report(advise(report, has_loop=True), path)
