"""Runs the systems in turns, each in a process of its own.

In a quick run the process of a system does all of its workloads, one after the other, so that imports are paid once.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.data import prepare
from benchmarks.peers import interpreter
from benchmarks.systems import SYSTEMS, System
from benchmarks.systems.kernels import count_iterations
from benchmarks.workloads import BY_NAME, Job, Workload
from dataload.extras import installed
from dataload.measuring import turns
from dataload.transforms.fast import SWITCH, packages

ROOT = Path(__file__).resolve().parents[1]
# What a job may take beyond its own seconds: imports, starting, and a first batch.
_PATIENCE = 60
_MAX_ERROR = 300

# Every system gets as many threads as it was given workers; a matrix product that starts its own would add to them.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        workloads: in this order.
        families: of systems, such as "torch"; empty is all.
        rounds: how often each is run.
        seconds: of the timed window.
        warm_up: seconds before it, at most.
        workers: processes or threads for each system.
        quick: smaller data sets, and one process for all workloads of a system.
        data: where the data sets lie.
    """

    workloads: tuple[Workload, ...]
    families: tuple[str, ...]
    rounds: int
    seconds: float
    warm_up: float
    workers: int
    quick: bool
    data: Path

    def systems(self, workload: Workload) -> list[System]:
        """Return the systems with a row in the table of a workload; the limit is always one of them."""
        return [
            system
            for system in SYSTEMS.values()
            if system.runs(workload.name)
            and (not self.families or system.family in self.families or system.role == "limit")
            and (system.quick or not self.quick)
        ]


def run(plan: Plan, on_result: Callable[[dict[str, Any]], None] = lambda result: None) -> list[dict[str, Any]]:
    """Run everything; return one record per run: workload, system, round, and figures, "cannot" or "error"."""
    iterations = count_iterations()
    records = []
    with tempfile.TemporaryDirectory() as scratch:
        references = [_reference(plan, workload, Path(scratch), iterations) for workload in plan.workloads]
        _make_references(references)
        jobs = [
            [replace(reference, system=system.name) for system in plan.systems(workload)]
            for workload, reference in zip(plan.workloads, references, strict=True)
        ]
        for number, group in _in_turns(plan, jobs):
            for record in _run_group(group, number):
                on_result(record)
                records.append(record)
    return records


def missing(system: System) -> str | None:
    """Return why a system cannot run here, or None."""
    if system.fast:
        return None if _has_fast() else "not installed (extra fast)"
    if system.own:
        return None if interpreter().exists() else "not installed (python -m benchmarks peers)"
    if system.needs and not installed(system.needs):
        extra = system.needs if system.needs in ("torch", "tensorflow") else "peers"
        return f"not installed (extra {extra})"
    return None


@cache
def _has_fast() -> bool:
    # Asked in a process of its own: what is imported here stays imported.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return bool(pool.submit(_fast_packages).result())


def _fast_packages() -> list[str]:
    os.environ[SWITCH] = "1"
    return packages()


def _reference(plan: Plan, workload: Workload, scratch: Path, iterations: int) -> Job:
    """Make the data of a workload, and return the job of which those of the systems are copies."""
    samples = workload.quick_samples if plan.quick else workload.samples
    return Job(
        workload=workload.name,
        system="reference",
        data=str(prepare(plan.data, workload.dataset, samples)),
        samples=samples,
        batch_size=workload.batch_size,
        workers=plan.workers,
        seconds=plan.seconds if workload.timed else 0.0,
        warm_up=plan.warm_up,
        reference=str(scratch / f"{workload.name}.json"),
        options={"iterations": iterations},
    )


def _make_references(jobs: list[Job]) -> None:
    for record in _run_group([job for job in jobs if BY_NAME[job.workload].compared], 0):
        if "error" in record:
            raise RuntimeError(f"dataload could not make the reference of {record['workload']}: {record['error']}")


def _in_turns(plan: Plan, jobs: Sequence[list[Job]]) -> Iterable[tuple[int, list[Job]]]:
    """Yield the number of the round and the jobs of each process, all of one system."""
    if not plan.quick:
        return itertools.chain.from_iterable(turns([[job] for job in row], plan.rounds) for row in jobs)
    groups: dict[str, list[Job]] = {}
    for job in itertools.chain(*jobs):
        groups.setdefault(job.system, []).append(job)
    return turns(list(groups.values()), plan.rounds)


def _run_group(jobs: list[Job], number: int) -> list[dict[str, Any]]:
    """Run jobs of one system in one process, and return their records."""
    if not jobs:
        return []
    if reason := missing(SYSTEMS[jobs[0].system]):
        answers = [{"cannot": reason}] * len(jobs)
    else:
        answers, problem = _start_and_wait(jobs)
        answers += [{"error": problem}] * (len(jobs) - len(answers))
    heads = [{"workload": job.workload, "system": job.system, "round": number} for job in jobs]
    return [head | answer for head, answer in zip(heads, answers, strict=True)]


def _start_and_wait(jobs: list[Job]) -> tuple[list[dict[str, Any]], str]:
    """Return the answers that came, and what is to be said about the others."""
    python = str(interpreter()) if SYSTEMS[jobs[0].system].own else sys.executable
    command = [python, "-m", "benchmarks.worker", json.dumps([asdict(job) for job in jobs])]
    environment = {**os.environ, **_ENVIRONMENT, SWITCH: str(int(SYSTEMS[jobs[0].system].fast))}
    limit = sum(job.seconds + job.warm_up for job in jobs) * 2 + _PATIENCE
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
        try:
            output, _ = process.communicate(timeout=limit)
            problem = f"ended with code {process.returncode}"
        except subprocess.TimeoutExpired:
            _kill(process)
            output, _ = process.communicate()
            problem = f"took longer than {limit:.0f} s"
        finally:
            _kill(process)
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip()[-_MAX_ERROR:]
    # The last line is not whole where the process was killed in the middle of it.
    return [json.loads(line) for line in output.decode().splitlines() if line.endswith("}")], f"{problem}: {last}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it has left: it began a session of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # So that the next system does not run beside what is still being torn down.
    time.sleep(0.02)
