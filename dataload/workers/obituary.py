"""Workers that died: what to say of them, and what becomes of the batches that they were making.

Every kind of worker that can die asks here, so that all of them give up, or leave out a sample, after as many deaths.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import NamedTuple

from dataload.errors import WorkerDied
from dataload.workers.base import Task

_CAUSES = {
    "SIGKILL": "the kernel killed it because memory ran out (fewer workers or smaller batches need less)",
    "SIGSEGV": "a native library crashed, perhaps on a damaged file",
    "SIGABRT": "a native library gave up, perhaps on a damaged file",
    "SIGBUS": "a memory-mapped file was truncated, or shared memory ran out",
    "SIGILL": "a native library was built for another processor",
    "SIGFPE": "a native library crashed, perhaps on a damaged file",
}


class Death(NamedTuple):
    """How a worker ended, such as "was ended by SIGKILL", and the likely cause."""

    end: str
    cause: str


def cause_of_death(code: int) -> Death:
    """Return how a process ended, from its exit code (negative: the number of a signal)."""
    if code >= 0:
        cause = "something called os._exit or sys.exit, or Python itself could not start (see the output above)"
        return Death(f"exited with code {code}", cause)
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = f"signal {-code}"
    return Death(f"was ended by {name}", _CAUSES.get(name, "another program sent the signal"))


def obituary(worker: str, death: Death, started: bool, task: Task | None, tries: int) -> str:
    """Return the message of a `WorkerDied`.

    Args:
        worker: name and pid.
        death: how it ended.
        started: whether it was ever ready for work.
        task: what it was doing; None for nothing.
        tries: how many workers have died of it.
    """
    end, cause = death
    doing = "while it had nothing to do" if started else "before it was ready for work"
    if task is not None:
        shown = f"{task.indices[:8].tolist()}{'...' if len(task.indices) > 8 else ''}"
        doing = f"while making batch {task.number} of epoch {task.epoch} (samples {shown})"
    return (
        f"{worker} {end} {doing}, in each of {tries} tries. Likely cause: {cause}. num_workers=0 shows what happens in "
        "this process; on_error='skip' leaves out samples that end a worker"
    )


class Blame:
    """How many workers have died of each batch, and what is tried in its place."""

    def __init__(self) -> None:
        self._deaths: dict[int, int] = {}

    def clear(self, number: int) -> None:
        """Forget the deaths at a batch that is made."""
        self._deaths.pop(number, None)

    def next_try(self, task: Task, worker: str, death: Death, working_on: int | None) -> Task:
        """Return the task to try next, in place of one at which a worker has died.

        It is tried again as often as it allows. Then a worker is asked to say which sample it is at, and then that
        sample is left out.

        Args:
            task: what the worker was making.
            worker: name and pid.
            death: how it ended.
            working_on: the sample that it has said it is at.

        Raises:
            WorkerDied: bad samples are not to be left out, or it was none of the samples.
        """
        deaths = self._deaths[task.number] = self._deaths.get(task.number, 0) + 1
        salvage = task.salvage
        if deaths <= task.max_retries:
            return task
        if salvage is None or (salvage.one_by_one and working_on is None):
            raise WorkerDied(obituary(worker, death, True, task, deaths))
        if not salvage.one_by_one or working_on is None:
            return task._replace(salvage=replace(salvage, one_by_one=True))
        fatal = {**salvage.fatal, working_on: f"the worker that made it {death.end}: {death.cause}"}
        return task._replace(salvage=replace(salvage, fatal=fatal))
