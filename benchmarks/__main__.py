"""`python -m benchmarks`: run, then print and write what came out."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import PACKAGES
from benchmarks.goals import goals_table, judge
from benchmarks.plot import plot
from benchmarks.report import make_report, write_results
from benchmarks.results import make_rows
from benchmarks.runner import Plan, run
from benchmarks.systems import SYSTEMS
from benchmarks.workloads import BY_NAME, WORKLOADS, Workload
from dataload.measuring import about
from dataload.terminal import open_terminal

# Commands with arguments of their own -> modules, imported when they run.
_OTHERS = {
    "features": "benchmarks.features.command",
    "augmentations": "benchmarks.augmentations",
    "auto": "benchmarks.auto",
    "cache": "benchmarks.cache",
    "gpu": "benchmarks.gpu",
    "peers": "benchmarks.peers",
    "ray": "benchmarks.ray",
    "scale": "benchmarks.scale",
}
_RUN = tuple(workload for workload in WORKLOADS if workload.view_of is None)


def main(arguments: list[str]) -> None:
    """Run the command."""
    if arguments and arguments[0] in _OTHERS:
        import_module(_OTHERS[arguments[0]]).main(arguments[1:])
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
    facts = about(
        PACKAGES,
        command=f"python -m benchmarks {shlex.join(arguments)}".strip(),
        rounds_run=plan.rounds,
        seconds=plan.seconds,
        workers=plan.workers,
        quick=plan.quick,
        took_seconds=round(time.perf_counter() - started, 1),
    )
    rows = make_rows(records, plan.workers)
    verdicts = judge(rows) if options.goals else []
    report = make_report(rows, facts)
    report.print(terminal)
    if verdicts:
        goals_table(verdicts).print(terminal)
    report.write(options.out / "benchmarks.md")
    write_results(options.out / "benchmarks.json", rows, records, facts, verdicts)
    try:
        plot(options.out / "benchmarks.png", rows)
        written = "benchmarks.md, .json and .png"
    except ImportError:
        written = "benchmarks.md and .json; no picture without matplotlib (extra bench)"
    terminal.line(f"took {facts['took_seconds']} s; in {options.out}: {written}")


def _progress(record: dict[str, Any]) -> str:
    what = record.get("cannot") or record.get("error", "")[:160]
    if not what:
        rate, first = record["samples_per_s"], record["first_batch_s"]
        what = f"first batch after {first:.3f} s" if rate is None else f"{rate:,.0f} samples/s"
    return f"round {record['round'] + 1}  {record['workload']:<16} {record['system']:<24} {what}"


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="dataload next to its peers. `python -m benchmarks features` times features without a loader, "
        "`augmentations` augmentations, `auto` the choice of workers, `cache` features that were kept, `gpu` the copy "
        "to a device, `ray` the workers of a cluster, `scale` a very large data set and job; `peers` installs those "
        "that need an environment of their own.",
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
    parser.add_argument("--goals", action="store_true", help="print what must be reached, and whether it is")
    parser.add_argument("--workers", type=int, default=2, help="of every system; 2")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for the report")
    default = Path(tempfile.gettempdir()) / "dataload-benchmarks"
    parser.add_argument("--data", type=Path, default=default, help=f"folder for the data sets; {default}")
    return parser.parse_args(arguments)


def _workload(name: str) -> Workload:
    workload = BY_NAME.get(name.replace("-", " "))
    if workload is None:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(BY_NAME)}")
    return BY_NAME[workload.runs]


def _systems(names: str) -> tuple[str, ...]:
    known = {system.family for system in SYSTEMS.values()}
    wanted = tuple(name.strip() for name in names.split(","))
    if unknown := set(wanted) - known:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(sorted(known))}")
    return wanted


if __name__ == "__main__":
    main(sys.argv[1:])
