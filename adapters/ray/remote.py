"""One actor as the dispatcher sees it: how it is asked, what it has to do, how far it has come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray

from dataload.adapters.ray.actor import Actor
from dataload.samplers.base import Sampler
from dataload.workers import messages
from dataload.workers.base import Task

# One is made while the next one's samples are read and its task is there.
MAX_TASKS = 2

Answered = Callable[["RemoteActor", Any, "Exception | None"], None]
Post = Callable[[Callable[[], None]], None]


class RemoteActor:
    """One actor, and the tasks it has not answered, oldest first.

    Args:
        number: of the worker, for messages.
        options: of Ray: what it needs and where it may be.
        post: hands over what the dispatcher's thread shall call, from any thread.
        strikes: how many actors in its place have ended one after the other without a result.

    Attributes:
        ready: whether it has the pipeline and can be given tasks.
        leaving: whether it gets no further tasks and ends when it has none left.
        gone: whether it has ended, or was told to.
        node: what to call its machine.
        working_on: the sample that it has said it is at, of a task that is made sample by sample.
    """

    def __init__(self, number: int, options: dict[str, Any], post: Post, strikes: int) -> None:
        self.number = number
        self.strikes = strikes
        self.tasks: OrderedDict[int, Task] = OrderedDict()
        self.ready = self.leaving = self.gone = False
        self.node = ""
        self.working_on: int | None = None
        self._name = f"ray worker {number}"
        self._post = post
        self._turn = 0
        self._alone = False
        self._spares: Sampler | None = None
        # Three calls at a time: two of `make`, and `stay`.
        self._handle = ray.remote(Actor).options(max_concurrency=MAX_TASKS + 1, **options).remote(number)

    def __str__(self) -> str:
        return self._name

    def named(self, pid: int, address: str, node: str) -> None:
        """Take note of where it is."""
        self._name = f"ray worker {self.number} (pid {pid} on {address})"
        self.node = f"{address} ({node[:8]})"

    def ask(self, method: str, *args: Any, then: Answered) -> None:
        """Call a method of the actor; `then` is called by the dispatcher's thread with its value or its error."""
        future = getattr(self._handle, method).remote(*args).future()
        # On a thread of Ray, which may do nothing but pass it on.
        future.add_done_callback(lambda future: self._post(lambda: then(self, *_outcome(future))))

    def is_free_for(self, alone: bool) -> bool:
        """Whether it can be given a task now, which shall be its only one or not."""
        if not self.ready or self.leaving:
            return False
        return not self.tasks if alone or self._alone else len(self.tasks) < MAX_TASKS

    def give(self, task: Task, alone: bool, then: Answered) -> None:
        """Send a task, and the spares of its epoch where it lacks them."""
        self.tasks[task.number] = task
        self.working_on, self._alone = None, alone
        spares = None if task.salvage is None else task.salvage.spares
        order = messages.write_order(
            messages.Order(task, [], spares is not None, spares if spares is not self._spares else None)
        )
        self._spares = spares if spares is not None else self._spares
        if task.salvage is not None and task.salvage.one_by_one:
            self.ask("begin", order, then=then)
        else:
            self.ask("make", self._turn, order, then=then)
            self._turn += 1

    def kill(self) -> None:
        """End it at once."""
        self.gone = True
        with suppress(Exception):  # Ray has been left, or the actor has ended already.
            ray.kill(self._handle, no_restart=True)


def _outcome(future: Any) -> tuple[Any, Exception | None]:
    error = future.exception()
    return (None, error) if error is not None else (future.result(), None)
