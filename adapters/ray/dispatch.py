"""Who gets which task, what becomes of a worker that is lost: decided on one thread, which receives the batches too.

Everything here runs on that thread, so nothing is locked: other threads post what it shall call. The training loop's
thread never calls Ray, which takes half a millisecond per task, and never copies a batch.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray

from dataload.adapters.ray.actor import Reply
from dataload.adapters.ray.remote import RemoteActor
from dataload.adapters.ray.shipment import Shipment, check_machine, check_store
from dataload.counts import Counts
from dataload.errors import WorkerDied, WorkerError, WorkerNeverStarted
from dataload.laps import Times
from dataload.memory import Recycler
from dataload.workers import failures, logs, messages
from dataload.workers.base import Result, Task
from dataload.workers.obituary import Blame, Death, obituary

# What Ray says of an actor's end is long.
_MAX_WORDS = 400
# Smaller results travel in messages, not in the object store.
_MIN_IN_STORE = 100_000

_log = logging.getLogger("dataload")


class Dispatcher:
    """Deals tasks to actors and hands on what they make.

    Args:
        shipment: what actors are set up with.
        options: of each actor, for Ray.
        patience: seconds without any actor that is ready, while tasks wait, after which that is an error.
        deliver: takes results.
        post: hands over what this thread shall call, from any thread.

    Attributes:
        count: how many workers there shall be.
        begun: whether any was ever ready.
        died: how many have ended by themselves.
        nodes: how many are ready on each machine, by its name; replaced and never changed.
        actors: those that run or start.
    """

    def __init__(
        self,
        shipment: Shipment,
        options: dict[str, Any],
        patience: float,
        deliver: Callable[[Result], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self.count = self.died = 0
        self.begun = False
        self.nodes: dict[str, int] = {}
        self.actors: list[RemoteActor] = []
        self._shipment = shipment
        self._options = options
        self._patience = patience
        self._deliver = deliver
        self._post = post
        self._backlog: deque[Task] = deque()
        self._blame = Blame()
        # Tasks of a worker that was lost with two: which of them has ended it is not known.
        self._suspects: set[int] = set()
        # As many batches lie in memory of ours as threads would keep.
        self._memory = Recycler(keep=16)
        self._largest = 0
        self._ids: dict[str, str] = {}
        # When the last actor became ready, or the first of those that are not was started.
        self._waiting_since = time.monotonic()
        self._warned = False

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._backlog.append(task)
        self._deal()

    def resize(self, count: int) -> None:
        """Start actors, or let some end when they have done what they were given."""
        self.count = count
        staying = [actor for actor in self.actors if not actor.leaving]
        # Those that have not begun yet are the first to go.
        for actor in sorted(staying, key=lambda actor: not actor.ready)[count:]:
            actor.leaving = True
            self._let_go(actor)
        for number in range(len(staying), count):
            self._start(number, 0)

    def look(self) -> None:
        """See whether actors have been waited for too long.

        Raises:
            WorkerError: none has started, and tasks wait.
        """
        missing = sum(not actor.ready for actor in self.actors if not actor.leaving)
        if not missing or time.monotonic() - self._waiting_since < self._patience:
            return
        if not any(actor.ready for actor in self.actors):
            if self._backlog:
                raise WorkerError(f"none of {missing} ray workers has started in {self._patience:g} s: {self.needs()}")
        elif not self._warned:
            self._warned = True
            _log.warning(
                "%d of %d ray workers have not started in %g s, the others go on without them: %s",
                *(missing, self.count, self._patience, self.needs()),
            )

    def needs(self) -> str:
        """Return what each worker asks for, and what the cluster has."""
        asked = {"CPU": self._options["num_cpus"], **self._options.get("resources", {})}
        names = [*asked, *("memory" for _ in [0] if "memory" in asked)]
        total, free = ray.cluster_resources(), ray.available_resources()
        has = ", ".join(f"{total.get(name, 0):g} {name} ({free.get(name, 0):g} free)" for name in names)
        machines = sum(node["Alive"] for node in ray.nodes())
        wanted = ", ".join(f"{amount:g} {name}" for name, amount in asked.items())
        return (
            f"each of {self.count} asks for {wanted}, and the cluster has {has} on {machines} machine"
            f"{'' if machines == 1 else 's'}. Take fewer workers, let RayWorkers(num_cpus=, resources=) ask for "
            "less, or add machines; where they are free, a runtime_env may be failing to set up (see the logs of Ray)"
        )

    def close(self) -> None:
        """End all actors."""
        for actor in self.actors:
            actor.kill()
        self._backlog.clear()

    def _start(self, number: int, strikes: int) -> None:
        actor = RemoteActor(number, self._options, self._post, strikes)
        if all(other.ready for other in self.actors):
            self._waiting_since = time.monotonic()
        self.actors.append(actor)
        actor.ask("stay", then=self._ended)
        actor.ask("about", self._shipment.paths, then=self._set_up)

    def _set_up(self, actor: RemoteActor, about: Any, error: Exception | None) -> None:
        if actor.gone:
            return
        if error is not None:
            self._lost(actor, error)
            return
        actor.named(about["pid"], about["address"], about["node"])
        self._ids[actor.node] = about["node"]
        check_machine(about, str(actor))
        actor.ask("set_up", *self._shipment.arguments, then=self._begin)

    def _begin(self, actor: RemoteActor, failure: Any, error: Exception | None) -> None:
        if actor.gone:
            return
        if error is not None:
            self._lost(actor, error)
            return
        if failure is not None:
            raise failures.unpack(failure)
        actor.ready = self.begun = True
        self._waiting_since = time.monotonic()
        self._count_nodes()
        self._let_go(actor)
        self._deal()

    def _ended(self, actor: RemoteActor, value: Any, error: Exception | None) -> None:
        if not actor.gone:
            self._lost(actor, error)

    def _answered(self, actor: RemoteActor, answer: Any, error: Exception | None) -> None:
        if actor.gone:
            return
        if error is not None:
            # The worker is there perhaps, and what it made is not: the node that it lay on is gone.
            self._lost(actor, error)
        elif isinstance(answer, int):
            actor.working_on = answer
            actor.ask("go_on", then=self._answered)
        else:
            self._receive(actor, answer)
            self._deal()

    def _receive(self, actor: RemoteActor, reply: Reply) -> None:
        came = time.perf_counter()
        number, seconds, counts, times, body, arrays, records = reply
        for record in records:
            logs.handle(record)
        size = sum(array.nbytes for array in arrays)
        if size > self._largest:
            self._largest = size
            if size > _MIN_IN_STORE:
                check_store(size, self.count, {self._ids[node]: count for node, count in self.nodes.items()})
        # Out of the object store, into memory that can be written to and is used again like that of any other kind.
        alloc = self._memory.allocator()
        copies = []
        for array in arrays:
            copy = alloc(array.shape, array.dtype)
            copy[...] = array
            copies.append(copy)
        batch, failure, bad = messages.read_body(memoryview(body), copies)
        failed = None if failure is None else failures.unpack(failure)
        del actor.tasks[number]
        actor.strikes = 0
        self._blame.clear(number)
        self._suspects.discard(number)
        self._let_go(actor)
        # By the clock of this machine: it was ready when its answer came.
        here = Times(*times)._replace(begun=came - seconds, ended=came)
        self._deliver(Result(number, batch, failed, seconds, bad, Counts(*counts), here, time.perf_counter()))

    def _lost(self, actor: RemoteActor, error: Exception | None) -> None:
        """Give the tasks of an actor that has ended to others, if they deserve it, and start another one."""
        self.died += 1
        self._remove(actor)
        tasks, death = list(actor.tasks.values()), Death("ended", _in_short(error))
        strikes = 0
        if len(tasks) > 1:
            # The answer to the older one may have been lost with the worker. Each is tried again alone.
            self._suspects.update(task.number for task in tasks)
        elif tasks:
            tasks[0] = self._blame.next_try(tasks[0], str(actor), death, actor.working_on)
        else:
            strikes = actor.strikes + 1
            if "No module named 'dataload'" in str(error):
                raise WorkerError(
                    "a machine of the Ray cluster has no dataload: install the same version there, or give "
                    f"RayWorkers(runtime_env=...) what brings it. {death.cause}"
                )
            if strikes > _MAX_STRIKES:
                died = WorkerDied if actor.ready else WorkerNeverStarted
                raise died(obituary(str(actor), death, actor.ready, None, strikes))
        self._backlog.extendleft(reversed(tasks))
        if sum(not other.leaving for other in self.actors) < self.count:
            self._start(actor.number, strikes)
        self._deal()

    def _let_go(self, actor: RemoteActor) -> None:
        """End an actor that is leaving and has nothing left to do."""
        if actor.leaving and not actor.tasks:
            self._remove(actor)

    def _remove(self, actor: RemoteActor) -> None:
        actor.kill()
        with suppress(ValueError):
            self.actors.remove(actor)
        self._count_nodes()

    def _count_nodes(self) -> None:
        nodes: dict[str, int] = {}
        for actor in self.actors:
            if actor.ready:
                nodes[actor.node] = nodes.get(actor.node, 0) + 1
        self.nodes = nodes

    def _deal(self) -> None:
        """Give what waits to those with the least to do."""
        while self._backlog:
            task = self._backlog[0]
            careful = task.salvage is not None and task.salvage.one_by_one
            alone = careful or task.number in self._suspects
            free = [actor for actor in self.actors if actor.is_free_for(alone)]
            if not free:
                return
            self._backlog.popleft()
            min(free, key=lambda actor: len(actor.tasks)).give(task, alone, self._answered)


# So many actors in one place may end one after the other, at nothing or before they are ready.
_MAX_STRIKES = 3


def _in_short(error: Exception | None) -> str:
    """Return what Ray says of the end of an actor, without what it was and where it should be looked for."""
    text = " ".join(str(error).split())
    start = text.find("The actor is dead because")
    text = text[max(start, 0) :]
    return text if len(text) <= _MAX_WORDS else f"{text[:_MAX_WORDS]}..."
