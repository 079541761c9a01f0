"""Workers on the machines of a Ray cluster, as a loader sees them: a queue of results, and a thread that fills it."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from dataload.adapters.ray.cluster import Cluster, join, leave
from dataload.adapters.ray.dispatch import Dispatcher
from dataload.adapters.ray.shipment import ship
from dataload.errors import annotate
from dataload.pipeline import Pipeline
from dataload.workers.base import Result, Task, WorkerStatistics, closed, timed_out

_LOOK_SECONDS = 1.0
_JOIN_SECONDS = 10.0
_START_LOOK_SECONDS = 0.05
# In place of a result: there are workers now to wait for.
_STARTED = object()


class ActorWorkers:
    """`count` actors that each run the pipeline on the tasks they are given.

    Args:
        pipeline: makes the batches.
        count: of the actors.
        cluster: address, and options of one that is started here.
        actor: options of each actor, given whether the cluster was started here.
        patience: seconds to wait for the first actor.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        count: int,
        cluster: tuple[str | None, dict[str, Any]],
        actor: Callable[[bool], dict[str, Any]],
        patience: float,
    ) -> None:
        self._process = os.getpid()
        self._closing = threading.Lock()
        # What the thread shall call next; None ends it.
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # An error, or None when the workers are closed, stays in this queue.
        self._results: queue.SimpleQueue[Result | BaseException | None] = queue.SimpleQueue()
        self._cluster: Cluster | None = join(*cluster)
        self._thread: threading.Thread | None = None
        try:
            shipment = ship(pipeline)
            self._dispatcher = Dispatcher(
                shipment, actor(self._cluster.ours), patience, self._results.put, self._events.put
            )
            self.resize(count)
            thread = threading.Thread(target=self._work, args=(self._cluster,), name="dataload-ray", daemon=True)
            thread.start()
            self._thread = thread
        except BaseException:
            self.close()
            raise

    def _work(self, cluster: Cluster) -> None:
        try:
            while True:
                try:
                    event = self._events.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    event = self._dispatcher.look
                if event is None:
                    break
                event()
                # While this thread waits it must not keep the last batch, nor its place in the object store.
                del event
                cluster.look()
        except BaseException as error:
            annotate(error, "from the thread that talks with the Ray workers")
            self._results.put(error)
        finally:
            self._dispatcher.close()

    def submit(self, task: Task) -> None:
        """Hand the task to the dispatcher."""
        if self._cluster is None:
            raise closed()
        self._events.put(partial(self._dispatcher.submit, task))

    def next_result(self, timeout: float | None) -> Result:
        """Wait for any result; how long the first worker may take to start, `start_timeout` says."""
        try:
            result = self._start_or_result()
            if result is _STARTED:
                result = self._results.get(timeout=timeout)
        except queue.Empty:
            raise self._timed_out() from None
        if isinstance(result, Result):
            return result
        self._results.put(result)
        raise closed() if result is None else result

    def _start_or_result(self) -> Any:
        """Return what came before any worker was ready, such as that none will be, or `_STARTED` once one is."""
        while not self._dispatcher.begun:
            with suppress(queue.Empty):
                return self._results.get(timeout=_START_LOOK_SECONDS)
        return _STARTED

    def ready(self) -> int:
        """Return how many results wait to be taken."""
        return self._results.qsize()

    def _timed_out(self) -> Exception:
        actors = list(self._dispatcher.actors)
        working = [(min(actor.tasks.copy(), default=None), actor) for actor in actors]
        busy = [(number, actor) for number, actor in working if number is not None]
        if not busy:
            return timed_out(f"{len(actors)} ray workers", f"None of them is making one: {self._dispatcher.needs()}")
        _, actor = min(busy, key=lambda one: one[0])
        return timed_out(str(actor), "`py-spy dump --pid` on its machine, or num_workers=0, shows where it is.")

    def resize(self, count: int) -> None:
        """Start actors, or let some end when they have done what they were given."""
        self._events.put(partial(self._dispatcher.resize, count))
        self._count = count

    def statistics(self) -> WorkerStatistics:
        """Return how many actors there are, where, and how many have ended by themselves."""
        return WorkerStatistics("ray", self._count, died=self._dispatcher.died, nodes=self._dispatcher.nodes)

    def close(self) -> None:
        """End all actors, and leave the cluster."""
        if os.getpid() != self._process:
            return  # This is a fork; the actors belong to the one that it was forked from.
        self._results.put(None)
        self._events.put(None)
        with self._closing:
            if self._thread is not None and self._thread is not threading.current_thread():
                self._thread.join(_JOIN_SECONDS)
            cluster, self._cluster = self._cluster, None
            if cluster is not None:
                leave(cluster)
