"""Who makes the batches: this thread, threads, processes, or any other kind that keeps the contract of `Workers`."""

from __future__ import annotations

from dataload.errors import ConfigError
from dataload.pipeline import Pipeline
from dataload.workers.base import Choice, Result, StartWorkers, Task, TaskRunner, Workers, WorkerStatistics
from dataload.workers.serial import SerialWorkers
from dataload.workers.thread import ThreadWorkers

__all__ = [
    "CANDIDATES",
    "KINDS",
    "Choice",
    "Result",
    "StartWorkers",
    "Task",
    "TaskRunner",
    "WorkerStatistics",
    "Workers",
    "kind_name",
    "start_workers",
]


def _processes(pipeline: Pipeline, count: int) -> Workers:
    # Only here: cloudpickle and subprocess are not needed otherwise, and importing them takes time.
    from dataload.workers.process import ProcessWorkers

    return ProcessWorkers(pipeline, count)


def _auto(pipeline: Pipeline, count: int) -> Workers:
    # Not in the workers that it starts.
    from dataload.workers.auto import AutoWorkers

    return AutoWorkers(pipeline, count, {name: KINDS[name] for name in CANDIDATES})


def _ray(pipeline: Pipeline, count: int) -> Workers:
    # Only here: an optional package, which takes seconds to import.
    from dataload.adapters.ray import RayWorkers

    return RayWorkers()(pipeline, count)


# The kinds by name, each started as kind(pipeline, count) with a count of at least 1.
KINDS: dict[str, StartWorkers] = {"auto": _auto, "thread": ThreadWorkers, "process": _processes, "ray": _ray}
# Those that "auto" tries, in this order, and that the commands measure.
CANDIDATES = ("thread", "process")


def find_kind(worker: str | StartWorkers) -> StartWorkers:
    """Return how workers of a kind are started.

    Raises:
        ConfigError: it is neither a name in `KINDS` nor a function of a pipeline and a count.
    """
    if isinstance(worker, str) and worker in KINDS:
        return KINDS[worker]
    if callable(worker):
        return worker
    names = ", ".join(map(repr, KINDS))
    raise ConfigError(f"worker={worker!r} must be one of {names}, or a function (pipeline, count) -> Workers")


def kind_name(worker: str | StartWorkers) -> str:
    """Return what to call a kind of worker."""
    return worker if isinstance(worker, str) else getattr(worker, "__name__", type(worker).__name__)


def start_workers(worker: str | StartWorkers, count: int, pipeline: Pipeline) -> Workers:
    """Start workers.

    Args:
        worker: a name in `KINDS`, or any function of a pipeline and a count that returns workers.
        count: how many; with 0 the caller does the work.
        pipeline: makes the batches.
    """
    return SerialWorkers(pipeline) if count == 0 else find_kind(worker)(pipeline, count)
