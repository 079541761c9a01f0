"""What worker="auto" has found for a pipeline on this machine: a few bytes in the user's cache folder.

DATALOAD_REMEMBER=0 in the environment switches it off.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from dataload.code import code_digest
from dataload.errors import ChainError
from dataload.machine import usable_cores, user_cache
from dataload.pipeline import Pipeline
from dataload.registry import encode
from dataload.version import VERSION
from dataload.workers.base import Choice

SWITCH = "DATALOAD_REMEMBER"


class Recollection:
    """What is known of one pipeline with a number of workers.

    Args:
        pipeline: its transforms, the kind of its source and of its collate function are what counts.
        count: of the workers.

    Attributes:
        words: what was found, in words; empty where nothing is known.
    """

    def __init__(self, pipeline: Pipeline, count: int) -> None:
        self.words = ""
        self._path = None if os.environ.get(SWITCH) == "0" else _path(pipeline, count)

    def kind(self, candidates: Container[str]) -> str | None:
        """Return the kind that was chosen the last time, None where that is not known."""
        if self._path is None:
            return None
        # Whatever stands there: what cannot be read is found out anew.
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self._path.read_text())
            kind, self.words = found["worker"], str(found["reason"])
            return kind if kind in candidates else None
        return None

    def keep(self, choice: Choice) -> None:
        """Remember a choice that was made by measuring."""
        if self._path is None or "serial" not in choice.samples_per_second:
            return
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._path.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps({"worker": choice.worker, "reason": choice.reason}))
            new.replace(self._path)


def _path(pipeline: Pipeline, count: int) -> Path | None:
    folder = user_cache()
    if folder is None:
        return None
    said = json.dumps([VERSION, count, usable_cores(), *_parts(pipeline)])
    return folder / "auto" / f"{hashlib.blake2b(said.encode(), digest_size=16).hexdigest()}.json"


def _parts(pipeline: Pipeline) -> Iterator[Any]:
    yield _kind(pipeline.source)
    yield _kind(pipeline.collate)
    yield pipeline.read_concurrency
    for stage in pipeline.stages:
        try:
            yield repr(stage.field), encode(stage.transform, "")
        except ChainError:
            yield repr(stage.field), _kind(stage.transform), code_digest(stage.transform)


def _kind(value: Any) -> str:
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
