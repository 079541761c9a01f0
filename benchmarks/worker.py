"""The process in which one system runs: `python -m benchmarks.worker JSON`, one line of JSON per job on its output.

Each system has a process of its own, so that none pays for the threads, memory and imports of another.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import measure
from benchmarks.same import difference, other_samples, summarise
from benchmarks.systems import SYSTEMS
from benchmarks.workloads import BY_NAME, Job

# More than are looked at, because some peers bring the batches of their workers in another order.
_REFERENCE_BATCHES = 6


def run(job: Job) -> dict[str, Any]:
    """Run one job; what goes wrong becomes part of the result."""
    system, workload = SYSTEMS[job.system], BY_NAME[job.workload]
    job = job.with_options(**system.options)
    try:
        if system.needs:  # the import is not what the first batch is timed for
            importlib.import_module(system.needs)
        module = importlib.import_module(f"benchmarks.systems.{system.module}")
        if job.workload not in module.RUNS:
            return {"cannot": module.CANNOT[job.workload]}
        make = module.RUNS[job.workload]
        if system.role == "reference":
            batches = job.batches if workload.shuffled else _REFERENCE_BATCHES
            return write_reference(make(job), Path(job.reference), batches)
        measurement, summaries = measure(make, job)
        if workload.compared and system.role != "limit":
            expected = json.loads(Path(job.reference).read_text())
            own = getattr(module, "OWN_VALUES", False)
            if workload.shuffled:
                found = other_samples(summaries, expected, workload.tolerance)
            else:
                found = difference(summaries, expected, workload.tolerance, values=not own)
            if found is not None:
                return {"error": f"did other work: {found}"}
        return asdict(measurement)
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def write_reference(stream: Iterator[Any], path: Path, batches: int) -> dict[str, Any]:
    """Write what the first batches of dataload without workers look like: the others must make the same."""
    path.write_text(json.dumps([summarise(batch) for batch in itertools.islice(stream, batches)]))
    return {}


def main() -> None:
    """Run the jobs of the command line."""
    # What libraries print must not get between the lines of JSON.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for fields in json.loads(sys.argv[1]):
        print(json.dumps(run(Job(**fields))), file=answers)
        gc.collect()
    answers.flush()
    # Some peers take seconds to end, or hang; the runner ends what they leave.
    os._exit(0)


if __name__ == "__main__":
    main()
