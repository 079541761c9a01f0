"""Who makes the batches: this thread, threads, or processes."""

from __future__ import annotations

from dataload.pipeline import Pipeline
from dataload.workers.base import Result, Task, Workers
from dataload.workers.serial import SerialWorkers
from dataload.workers.thread import ThreadWorkers

__all__ = ["Result", "Task", "Workers", "start_workers"]


def start_workers(kind: str, count: int, pipeline: Pipeline) -> Workers:
    """Start `count` workers of a kind: "thread" or "process"; with a count of 0 the caller does the work."""
    if count == 0:
        return SerialWorkers(pipeline)
    if kind == "process":
        # Only here: cloudpickle and subprocess are not needed otherwise, and importing them takes time.
        from dataload.workers.process import ProcessWorkers

        return ProcessWorkers(pipeline, count)
    return ThreadWorkers(pipeline, count)
