"""`python -m benchmarks`: run, then print and write what came out."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.features import command as features
from benchmarks.machine import machine, versions
from benchmarks.plot import plot
from benchmarks.report import markdown, print_report, write_json
from benchmarks.results import judge, make_rows
from benchmarks.runner import Plan, run
from benchmarks.systems import SYSTEMS
from benchmarks.workloads import BY_NAME, WORKLOADS, Workload
from dataload.terminal import Terminal, open_terminal

_RUN = tuple(workload for workload in WORKLOADS if workload.view_of is None)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["features"]:
        features.main(given[1:])
        return
    if given[:1] == ["gpu"]:
        from benchmarks import gpu  # which imports torch

        gpu.main(given[1:])
        return
    options = _parse(arguments)
    terminal = open_terminal()
    plan = Plan(
        workloads=tuple(options.workloads) or _RUN,
        families=options.systems,
        rounds=options.rounds or (1 if options.quick else 3),
        seconds=options.seconds or (0.5 if options.quick else 4.0),
        warm_up=0.3 if options.quick else 2.0,
        workers=options.workers,
        quick=options.quick,
        data=options.data,
    )
    started = time.perf_counter()
    records = run(plan, lambda record: terminal.line(_progress(record)))
    about = {
        "command": f"python -m benchmarks {shlex.join(sys.argv[1:] if arguments is None else arguments)}".strip(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "rounds_run": plan.rounds,
        "seconds": plan.seconds,
        "workers": plan.workers,
        "quick": plan.quick,
        "took_seconds": round(time.perf_counter() - started, 1),
    }
    _report(terminal, records, plan, about, options.out)


def _report(terminal: Terminal, records: list[dict[str, Any]], plan: Plan, about: dict[str, Any], out: Path) -> None:
    rows = make_rows(records, plan.workers)
    verdicts = judge(rows)
    print_report(terminal, rows, verdicts, about)
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmarks.md").write_text(markdown(rows, verdicts, about), encoding="utf-8")
    write_json(out / "benchmarks.json", rows, verdicts, records, about)
    try:
        plot(out / "benchmarks.png", rows)
        written = "benchmarks.md, .json and .png"
    except ImportError:
        written = "benchmarks.md and .json; no picture without matplotlib (extra bench)"
    terminal.line(f"took {about['took_seconds']} s; in {out}: {written}")


def _progress(record: dict[str, Any]) -> str:
    what = record.get("cannot") or record.get("error", "")[:160]
    if not what:
        rate, first = record["samples_per_s"], record["first_batch_s"]
        what = f"first batch after {first:.3f} s" if rate is None else f"{rate:,.0f} samples/s"
    return f"round {record['round'] + 1}  {record['workload']:<16} {record['system']:<24} {what}"


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="dataload next to its peers. `python -m benchmarks features` times features without a loader, "
        "`python -m benchmarks gpu` the copy to a device.",
    )
    names = ", ".join(workload.name for workload in _RUN)
    parser.add_argument("workloads", nargs="*", type=_workload, metavar="WORKLOAD", help=f"one or more of: {names}")
    families = dict.fromkeys(system.family for system in SYSTEMS.values() if system.role != "reference")
    parser.add_argument(
        "--systems", type=_systems, default=(), help=f"of {','.join(families)}, with commas; default all"
    )
    parser.add_argument("--rounds", type=int, help="how often each is run; 3, with --quick 1")
    parser.add_argument("--seconds", type=float, help="of each timed window; 4, with --quick 0.5")
    parser.add_argument("--quick", action="store_true", help="small data and short windows: under three minutes")
    parser.add_argument("--workers", type=int, default=2, help="of every system; 2")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for the report")
    default = Path(tempfile.gettempdir()) / "dataload-benchmarks"
    parser.add_argument("--data", type=Path, default=default, help=f"folder for the data sets; {default}")
    return parser.parse_args(arguments)


def _workload(name: str) -> Workload:
    workload = BY_NAME.get(name.replace("-", " "))
    if workload is None:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(BY_NAME)}")
    return BY_NAME[workload.view_of] if workload.view_of else workload


def _systems(names: str) -> tuple[str, ...]:
    known = {system.family for system in SYSTEMS.values()}
    wanted = tuple(name.strip() for name in names.split(","))
    if unknown := set(wanted) - known:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(sorted(known))}")
    return wanted


if __name__ == "__main__":
    main()
