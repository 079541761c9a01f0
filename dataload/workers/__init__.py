"""Who makes the batches: this thread, threads, or processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dataload.pipeline import Pipeline
from dataload.workers.auto import AutoWorkers, Choice
from dataload.workers.base import Result, Task, Workers
from dataload.workers.serial import SerialWorkers
from dataload.workers.thread import ThreadWorkers

__all__ = ["Choice", "Result", "Task", "Workers", "start_workers"]


def start_workers(
    kind: str,
    count: int,
    pipeline: Pipeline,
    chosen: Callable[[Choice], None] = lambda choice: None,
    max_retries: int = 2,
) -> Workers:
    """Start workers.

    Args:
        kind: "thread", "process", or "auto", which tries them.
        count: how many; with 0 the caller does the work.
        pipeline: makes the batches.
        chosen: told what "auto" has chosen.
        max_retries: how often a batch is tried again whose process died.
    """
    if count == 0:
        return SerialWorkers(pipeline)
    if kind == "auto":
        return AutoWorkers(pipeline, count, partial(start_workers, max_retries=max_retries), chosen)
    if kind == "process":
        # Only here: cloudpickle and subprocess are not needed otherwise, and importing them takes time.
        from dataload.workers.process import ProcessWorkers

        return ProcessWorkers(pipeline, count, max_retries)
    return ThreadWorkers(pipeline, count)
