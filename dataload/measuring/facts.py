"""What figures depend on besides the code: the machine, and the versions of everything that ran."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dataload.machine import usable_cores

PACKAGES = ("dataload", "numpy")


def about(packages: Iterable[str] = PACKAGES, **facts: Any) -> dict[str, Any]:
    """Return the facts, the date, the machine and the versions of `packages`, as plain JSON."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {**facts, "date": date, "machine": machine(), "versions": versions(packages)}


def machine() -> dict[str, Any]:
    """Return processor, cores that this process may use, memory in GB (None where it is not known), and system."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gb": memory,
        "system": platform.platform(),
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of Python and of each of `packages`, distributions by name, that is installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def memory_in_use() -> int | None:
    """Return the bytes of memory that this process and those it started hold; None where the system does not say."""
    pages, found = [os.getpid()], 0
    with suppress(OSError, ValueError):
        while pages:
            process = Path("/proc", str(pages.pop()))
            found += int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for children in (process / "task").glob("*/children"):
                pages += map(int, children.read_text().split())
    return found or None


def describe(facts: Mapping[str, Any], *how: str) -> str:
    """Return what `about` found in one line, with `how` the figures were measured before the date.

    >>> here = {"processor": "Abacus", "cores": 2, "memory_gb": 4}
    >>> describe({"machine": here, "versions": {"python": "3.11.7"}, "date": "2024-01-02"}, "3 rounds")
    'Abacus, 2 cores, 4 GB; python 3.11.7; 3 rounds; 2024-01-02'
    """
    here = facts["machine"]
    where = f"{here['processor']}, {here['cores']} core{'s' if here['cores'] > 1 else ''}"
    memory = f", {here['memory_gb']} GB" if here["memory_gb"] else ""
    found = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return "; ".join([where + memory, found, *filter(None, how), facts["date"]])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` to `path`; its folder is made where it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    """Return the processor's name; Linux tells it in /proc only."""
    lines: list[str] = []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
