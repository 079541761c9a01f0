"""What travels to and from workers that have a memory of their own: the pipeline, and the error for what cannot."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dataload.errors import NotPicklable
from dataload.pipeline import Pipeline
from dataload.samples import leaves, where
from dataload.sources.packed import packed
from dataload.transport import wire
from dataload.workers import logs


def pack_pipeline(pipeline: Pipeline, before: Any = None) -> tuple[bytes, list[memoryview]]:
    """Return the pickle of a pipeline, and the memory of the arrays in it (not copied).

    Args:
        pipeline: to send.
        before: is unpickled first.

    Raises:
        NotPicklable: a part cannot travel; the message names it.
    """
    try:
        shareable = replace(pipeline, source=packed(pipeline.source))
        return wire.dump_by_value((before, shareable, logs.levels()))
    except Exception as error:
        parts = {"the source": pipeline.source, "collate_fn": pipeline.collate}
        parts |= {f"transform {stage}": stage.transform for stage in pipeline.stages}
        culprit = next((name for name, part in parts.items() if not _travels(part)), "the pipeline")
        raise NotPicklable(
            f"{culprit} cannot be sent to a worker process ({type(error).__name__}: {error}). Use worker='thread', or "
            "open files, locks and connections inside the function that uses them"
        ) from error


def unpack_pipeline(data: Any, buffers: Sequence[Any]) -> tuple[Pipeline, logs.Levels]:
    """Return the pipeline that was packed, on the memory given, and the levels of the program's loggers."""
    _, pipeline, levels = pickle.loads(data, buffers=buffers)
    return pipeline, levels


def _travels(part: Any) -> bool:
    try:
        wire.dump_by_value(part)
    except Exception:
        return False
    return True


def not_picklable(batch: Any, reason: Exception) -> NotPicklable:
    """Return the error for a batch that cannot be sent from a worker; `reason` is what pickling it raised."""
    return NotPicklable(
        f"a batch cannot be sent from a worker process: {_unpicklable(batch) or reason}. Use worker='thread', or "
        "return arrays, numbers and text"
    )


def _unpicklable(batch: Any) -> str | None:
    """Find the field that cannot be pickled, for the message."""
    for path, value in leaves(batch, is_leaf=lambda value: isinstance(value, list)):
        try:
            wire.dump(value)
        except Exception as error:
            inner = value[0] if isinstance(value, list) and value else value
            return f"{where(path)} holds {type(inner).__name__} objects ({error})"
    return None
