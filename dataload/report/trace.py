"""A report as a trace: the event format of chrome://tracing, which Perfetto opens too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataload.report.figures import Report
from dataload.stats import BatchTime

LOOP = "training loop"


def lanes_of(batches: Sequence[BatchTime]) -> list[list[BatchTime]]:
    """Return batches in as few rows as show each that was made by itself: about one for each worker.

    >>> one, two = BatchTime(0, 1, 0.0, 1.0, 1.0, 1.0, 0.0), BatchTime(1, 1, 0.5, 2.0, 2.0, 2.0, 0.0)
    >>> [len(lane) for lane in lanes_of([one, two])]
    [1, 1]
    """
    lanes: list[list[BatchTime]] = []
    for batch in sorted(batches, key=lambda batch: batch.begun):
        lane = next((lane for lane in lanes if lane[-1].ended <= batch.begun), None)
        if lane is None:
            lanes.append(lane := [])
        lane.append(batch)
    return lanes


def trace_of(report: Report) -> dict[str, Any]:
    """Return the events of the last batches, in microseconds from the first of them."""
    batches = [batch for batch in report.recent if batch.ended]
    events: list[dict[str, Any]] = []
    if not batches:
        return {"traceEvents": events}
    zero = min(min(batch.begun, batch.delivered - batch.waited) for batch in batches)

    def event(name: str, row: int, begin: float, end: float, **arguments: Any) -> None:
        times = {"ts": (begin - zero) * 1e6, "dur": max(end - begin, 0.0) * 1e6}
        events.append({"name": name, "ph": "X", "pid": 1, "tid": row, **times, "args": arguments})

    def row(number: int, name: str) -> None:
        events.append({"name": "thread_name", "ph": "M", "pid": 1, "tid": number, "args": {"name": name}})

    row(0, LOOP)
    for before, batch in zip([None, *batches[:-1]], batches, strict=True):
        if before is not None and batch.delivered - batch.waited > before.delivered:
            event("step", 0, before.delivered, batch.delivered - batch.waited, after_batch=before.number)
        event("wait", 0, batch.delivered - batch.waited, batch.delivered, for_batch=batch.number)
    for number, lane in enumerate(lanes_of(batches), 1):
        row(number, f"making {number}")
        for batch in lane:
            slowest = {} if batch.slowest is None else {"slowest_sample": batch.slowest[0]}
            event(f"batch {batch.number}", number, batch.begun, batch.ended, samples=batch.samples, **slowest)
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"subject": report.subject}}
