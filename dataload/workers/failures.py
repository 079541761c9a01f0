"""Exceptions on their way from a worker process to the training loop.

An exception keeps its type, its attributes and its notes, and brings the text of its traceback along. Not every
exception can be pickled, and of those that can some cannot be unpickled (a constructor with other arguments than
`args`), so each is tried where it was raised.
"""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from typing import Any

import cloudpickle

from dataload.errors import WorkerError


class RemoteTraceback(Exception):
    """Stands as the cause of an exception from a worker process, and prints the traceback from there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


@dataclass(frozen=True)
class Failure:
    """A packed exception.

    Attributes:
        pickled: the exception itself, or (class, args, attributes) where the constructor cannot be called again;
            None where not even those can travel.
        whole: which of the two `pickled` is.
        summary: type and message.
        traceback: as text.
        notes: of the exception.
    """

    pickled: bytes | None
    whole: bool
    summary: str
    traceback: str
    notes: tuple[str, ...]


def pack(error: BaseException) -> Failure:
    """Pack an exception that was raised in this process."""
    text = "".join(traceback.format_exception(error))
    summary = "".join(traceback.format_exception_only(type(error), error)).splitlines()[0]
    notes = tuple(str(note) for note in getattr(error, "__notes__", ()))
    for whole, content in ((True, error), (False, (type(error), error.args, error.__dict__))):
        try:
            pickled = cloudpickle.dumps(content)
            _rebuild(pickled, whole)
        except Exception:
            continue
        return Failure(pickled, whole, summary, text, notes)
    return Failure(None, False, summary, text, notes)


def _rebuild(pickled: bytes, whole: bool) -> BaseException:
    content: Any = pickle.loads(pickled)
    if whole:
        assert isinstance(content, BaseException)
        return content
    kind, args, attributes = content
    error: BaseException = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


def unpack(failure: Failure) -> BaseException:
    """Return the exception, to be raised in the training loop."""
    error: BaseException
    try:
        if failure.pickled is None:
            raise ValueError
        error = _rebuild(failure.pickled, failure.whole)
    except Exception:
        error = WorkerError(f"{failure.summary} (an exception that cannot travel between processes)")
        for note in failure.notes:
            error.add_note(note)
    error.__cause__ = RemoteTraceback(failure.traceback)
    return error
