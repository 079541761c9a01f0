"""The workers of a loader over all of its epochs: started when a batch is wanted, tuned, replaced, stopped."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping

from dataload.options import Options
from dataload.pipeline import Pipeline
from dataload.tuning import Interval, Tuner
from dataload.workers import Choice, Workers, WorkerStatistics, kind_name, start_workers
from dataload.workers.undisturbed import undisturbed


class Crew:
    """Starts workers and keeps them from epoch to epoch, until their batches are for nobody.

    Args:
        pipeline: makes the batches.
        options: of the loader: kind and number of workers, how far they work ahead.
    """

    def __init__(self, pipeline: Pipeline, options: Options) -> None:
        self._pipeline = pipeline
        self._options = options
        self._tuner = Tuner() if options.num_workers == "auto" else None
        # What "auto" has chosen once holds: the work is the same in every epoch.
        self._choice: Choice | None = None
        self._died = 0
        self._nodes: Mapping[str, int] = {}
        self._workers: Workers | None = None
        self._end: weakref.finalize[[], Crew] | None = None
        self._process = os.getpid()
        self._lock = threading.Lock()

    @property
    def num_workers(self) -> int:
        """How many workers there are, or will be."""
        return self._tuner.count if self._tuner is not None else int(self._options.num_workers)

    @property
    def workers(self) -> Workers | None:
        """Those that run, None where none do."""
        return self._workers

    def start(self) -> Workers:
        """Return the workers, which are started if there are none in this process."""
        self._forget_after_fork()
        if self._workers is None:
            undisturbed(self._start)
        assert self._workers is not None
        return self._workers

    def _start(self) -> None:
        worker = self._options.worker if self._choice is None else self._choice.worker
        workers = start_workers(worker, self.num_workers, self._pipeline)
        # Ends them when the crew is forgotten, and at the exit of the interpreter.
        self._end = weakref.finalize(self, workers.close)
        self._workers = workers

    @property
    def settled(self) -> bool:
        """Whether kind and number of workers will stay as they are."""
        return self._tuner is None and (self.num_workers == 0 or not self._undecided())

    def window(self) -> int:
        """Return how many batches may be in the making or waiting."""
        if self.num_workers == 0:
            return self._options.prefetch_factor if self._pipeline.read_concurrency else 1
        # Kinds of worker are compared on bursts; in short ones the wait for the last batch would count for too much.
        minimum = 4 if self._undecided() else 0
        return self.num_workers * max(self._options.prefetch_factor, minimum)

    def delivered(self, samples: int, waited: float, seconds: float) -> None:
        """Take note of a batch, and change the number of workers if that seems to help.

        Args:
            samples: in the batch.
            waited: seconds that the training loop waited for it.
            seconds: since the batch before it.
        """
        if self._tuner is None or self._workers is None or self._undecided():
            return
        before = self._tuner.count
        if self._tuner.delivered(samples, waited, seconds) != before:
            self._workers.resize(self._tuner.count)

    def statistics(self) -> WorkerStatistics:
        """Return who makes the batches, running or not."""
        if self.num_workers == 0:
            return WorkerStatistics("serial", 0)
        self._look()
        kind = kind_name(self._options.worker) if self._choice is None else self._choice.worker
        return WorkerStatistics(kind, self.num_workers, self._choice, self._died, self._nodes)

    def tuning(self) -> list[Interval]:
        """Return what num_workers="auto" has seen so far."""
        return [] if self._tuner is None else self._tuner.history

    def ready(self) -> int:
        """Return how many results wait to be taken from the workers."""
        workers = self._workers
        return 0 if workers is None else workers.ready()

    def stop(self) -> None:
        """End the workers; another thread that waits for a batch of theirs is woken. New ones can be started."""
        self._forget_after_fork()
        with self._lock:
            self._look()
            end, self._workers, self._end = self._end, None, None
        if end is not None:
            end()

    def _undecided(self) -> bool:
        if self._options.worker != "auto" or self._choice is not None:
            return False
        self._look()
        return self._choice is None

    def _look(self) -> None:
        workers = self._workers
        if workers is not None:
            seen = workers.statistics()
            self._choice, self._died, self._nodes = self._choice or seen.choice, seen.died, seen.nodes

    def _forget_after_fork(self) -> None:
        # Threads do not exist in a fork, and processes belong to the one that started them: closing would do harm.
        if os.getpid() != self._process:
            self._process, self._lock = os.getpid(), threading.Lock()
            if self._end is not None:
                self._end.detach()
            self._workers = self._end = None

    def __repr__(self) -> str:
        count = self.num_workers
        return f"{count} {self.statistics().kind} worker{'' if count == 1 else 's'}" if count else "no workers"
