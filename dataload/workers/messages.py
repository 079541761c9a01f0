"""What a loader and its worker processes say to each other, as values: this room alone knows how they are written.

    loader -> worker   Order: a task, and the slots that are free again
    worker -> loader   Made: a result, and where its batch lies
                       WorkingOn: the sample that is tried now, of a batch that has ended a worker before
                       Started: the pipeline is unpacked, tasks can be done
                       Logged: a log record, for the handlers of the program
                       SetupFailed: the pipeline could not be unpacked

Values travel as plain tuples: a class and an array in a pickle take five times as long.
"""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import numpy as np

from dataload.counts import NOTHING, Counts
from dataload.laps import Times
from dataload.salvage import BadSample, Salvage
from dataload.samplers.base import Sampler
from dataload.transport import wire
from dataload.transport.plain import put_together, take_apart
from dataload.transport.slots import Manifest
from dataload.workers.base import Task
from dataload.workers.failures import Failure


class Order(NamedTuple):
    """A task for a worker.

    Attributes:
        task: without the spares of its salvage, which are sent once.
        freed: numbers of the slots whose batch is gone.
        replaces: whether bad samples are replaced, by those of the spares that were sent last.
        spares: of the epoch, where they are new to this worker.
    """

    task: Task
    freed: list[int]
    replaces: bool = False
    spares: Sampler | None = None


class Made(NamedTuple):
    """The header of a result; the body holds the batch, or the failure."""

    number: int
    seconds: float
    counts: Counts
    times: Times
    manifest: Manifest


class WorkingOn(NamedTuple):
    """The index of the sample that a worker is at."""

    sample: int


class Started(NamedTuple):
    """The worker is ready for tasks."""


class Logged(NamedTuple):
    """The values of a log record."""

    record: dict[str, Any]


class SetupFailed(NamedTuple):
    """The worker cannot make anything; the body holds the failure."""


Message = Made | WorkingOn | Started | Logged | SetupFailed
_KINDS: tuple[Any, ...] = (Made, WorkingOn, Started, Logged, SetupFailed)


class Body(NamedTuple):
    """What became of a task."""

    batch: Any
    failure: Failure | None
    bad: tuple[BadSample, ...] = ()


def write_order(order: Order) -> bytes:
    """Return an order as it travels."""
    task, salvage = order.task, order.task.salvage
    careful = None if salvage is None else (salvage.one_by_one, salvage.fatal)
    indices = task.indices.astype(np.int64, copy=False).tobytes()
    spares = None if order.spares is None else wire.dump_whole(order.spares)
    return pickle.dumps(
        (task.number, task.epoch, indices, careful, task.max_retries, order.freed, order.replaces, spares)
    )


def read_order(data: memoryview) -> Order:
    """Return the order that was written."""
    number, epoch, indices, careful, max_retries, freed, replaces, spares = pickle.loads(data)
    salvage = None if careful is None else Salvage(None, *careful)
    task = Task(number, epoch, np.frombuffer(indices, np.int64), salvage, max_retries)
    return Order(task, freed, replaces, None if spares is None else pickle.loads(spares))


def write_header(message: Message) -> bytes:
    """Return the header of a message as it travels."""
    kind = _KINDS.index(type(message))
    fields = (
        (
            message.number,
            message.seconds,
            None if message.counts is NOTHING else tuple(message.counts),
            tuple(message.times),
            *message.manifest,
        )
        if isinstance(message, Made)
        else tuple(message)
    )
    return pickle.dumps((kind, *fields))


def read_header(data: memoryview) -> Message:
    """Return the message that a header was written for."""
    kind, *fields = pickle.loads(data)
    if kind == 0:
        number, seconds, counts, times, *manifest = fields
        counted = NOTHING if counts is None else Counts(*counts)
        return Made(number, seconds, counted, Times(*times), Manifest(*manifest))
    message: Message = _KINDS[kind](*fields)
    return message


def write_body(body: Body) -> tuple[bytes, list[memoryview]]:
    """Return the body as it travels, and the memory of the arrays in it (not copied)."""
    apart = None if body.failure is not None or body.bad else take_apart(body.batch)
    return wire.dump(tuple(body)) if apart is None else (pickle.dumps(apart[0]), apart[1])


def read_body(data: memoryview, buffers: list[Any]) -> Body:
    """Return the body that was written, its arrays on the memory given."""
    parts = pickle.loads(data, buffers=buffers)
    return Body(*parts) if len(parts) == len(Body._fields) else Body(put_together(parts, buffers), None)
