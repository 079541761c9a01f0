"""The figures of an epoch: counted by its iterator, read as `loader.stats`."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from operator import add
from typing import NamedTuple

from dataload.counts import NOTHING, Counts
from dataload.errors import BadSamples
from dataload.salvage import BadSample
from dataload.tuning import Interval
from dataload.workers import Choice, Result, WorkerStatistics

# This many bad samples are listed; all are counted and logged.
_MAX_LISTED = 10_000
# So many of the last batches are remembered one by one.
_RECENT = 512

_log = logging.getLogger("dataload")


class StageTime(NamedTuple):
    """What one stage of the batches took, summed over batches and workers.

    Attributes:
        name: "read" (where samples are read ahead: waiting for that), "DecodeAudio on field 'audio'" and so on for each
            transform, "collate", and "transport" (from the worker into memory of this process).
        seconds: that passed.
        cpu_seconds: of these, seconds on a core. The others went into waiting: a disk, a network, the GIL, a core.
            Of transport it is not known, and 0.
    """

    name: str
    seconds: float
    cpu_seconds: float


class BatchTime(NamedTuple):
    """The way of one batch, in seconds by `time.perf_counter`.

    Attributes:
        number: k, in its epoch.
        samples: in it.
        begun: when its making began.
        ended: when it was made.
        arrived: when it reached this process.
        delivered: when the training loop got it.
        waited: seconds that the training loop waited for it.
        slowest: index and seconds of the sample that took longest in its transforms, of those looked at: all where
            they take a millisecond, else one in 16. None where they work on batches.
    """

    number: int
    samples: int
    begun: float
    ended: float
    arrived: float
    delivered: float
    waited: float
    slowest: tuple[int, float] | None = None


@dataclass(frozen=True)
class LoaderStats:
    """Figures of the epoch under way, or of the last one.

    Attributes:
        worker: kind of the workers, such as "thread" or "process"; "serial" without workers, "auto" while that is being
            found out.
        num_workers: how many.
        epoch: number of the epoch.
        batch: number k of the batch that comes next.
        batches: delivered to the training loop; after a resume, since then.
        samples: in these batches.
        ready: batches that are made and wait for the training loop.
        wait_seconds: that the training loop waited for batches, over all of them.
        work_seconds: spent on making them, summed over the workers.
        ready_seconds: that batches stood ready before the training loop took them, over all of them.
        first_batch_seconds: from the start of the epoch to its first batch, starting of workers included.
        stages: where work_seconds went, and how long batches travelled.
        recent: the last 512 batches, each by itself.
        choice: what worker="auto" has chosen, and from which numbers; None until then, and without "auto".
        tuning: what num_workers="auto" has seen so far, a line for each number of workers it tried.
        died: workers that have ended by themselves since the workers were started.
        nodes: how many workers are on each machine of a cluster, by its name; empty where all are on this one.
        num_errors: samples that could not be made, and were skipped or replaced (see on_error).
        errors: the first 10 000 of these.
        truncated: audio files that were cut off, of which the rest was kept (`DecodeAudio(..., truncated="keep")`).
        bytes_read: from stores behind a network (buckets, the web), for these batches.
        retries: of reads that such a store did not answer as it should.
        bytes_cached: of such stores, that were read from the `cache` of a source.
        from_cache: results of transforms that a `Cache` among them had.
    """

    worker: str
    num_workers: int
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    samples: int = 0
    ready: int = 0
    wait_seconds: float = 0.0
    work_seconds: float = 0.0
    ready_seconds: float = 0.0
    first_batch_seconds: float = 0.0
    stages: tuple[StageTime, ...] = ()
    recent: tuple[BatchTime, ...] = ()
    choice: Choice | None = None
    tuning: tuple[Interval, ...] = ()
    died: int = 0
    nodes: Mapping[str, int] = field(default_factory=dict)
    num_errors: int = 0
    errors: tuple[BadSample, ...] = ()
    truncated: int = 0
    bytes_read: int = 0
    retries: int = 0
    bytes_cached: int = 0
    from_cache: int = 0


@dataclass
class Tally:
    """What an iterator has counted so far; attributes as in `LoaderStats`."""

    epoch: int = 0
    batch: int = 0
    batches: int = 0
    samples: int = 0
    waiting: int = 0
    wait_seconds: float = 0.0
    work_seconds: float = 0.0
    ready_seconds: float = 0.0
    first_batch_seconds: float = 0.0
    num_errors: int = 0
    errors: list[BadSample] = field(default_factory=list)
    counts: Counts = NOTHING
    wall: Sequence[float] = ()
    cpu: Sequence[float] = ()
    transport: float = 0.0
    recent: deque[BatchTime] = field(default_factory=partial(deque, maxlen=_RECENT))

    def made(self, result: Result) -> None:
        """Count what a batch took."""
        self.work_seconds += result.seconds
        if any(result.counts):
            self.counts = self.counts.plus(result.counts)
        times = result.times
        self.wall = [*map(add, self.wall, times.wall)] if self.wall else times.wall
        self.cpu = [*map(add, self.cpu, times.cpu)] if self.cpu else times.cpu
        # Kinds of worker from elsewhere may not say when a batch arrived.
        self.transport += max(result.arrived - times.ended, 0.0)

    def delivered(self, result: Result, samples: int, waited: float, now: float) -> None:
        """Count one batch that the training loop gets."""
        self.batches += 1
        self.samples += samples
        self.wait_seconds += waited
        self.first_batch_seconds = self.first_batch_seconds or self.wait_seconds
        begun, ended, _, _, slowest = result.times
        self.ready_seconds += max(now - max(result.arrived, ended), 0.0) if ended else 0.0
        self.recent.append(BatchTime(result.number, samples, begun, ended, result.arrived, now, waited, slowest))

    def bad(self, samples: Sequence[BadSample], max_errors: int | None) -> None:
        """Count and log samples that could not be made.

        Raises:
            BadSamples: there are more than max_errors of them.
        """
        for sample in samples:
            _log.warning("%s", sample)
        self.num_errors += len(samples)
        self.errors += samples[: _MAX_LISTED - len(self.errors)]
        if max_errors is not None and self.num_errors > max_errors:
            shown = "\n".join(map(str, self.errors[:5]))
            raise BadSamples(
                f"{self.num_errors} samples of epoch {self.epoch} could not be made, max_errors={max_errors} are "
                f"allowed. loader.stats.errors lists them; the first are:\n{shown}"
            )

    def stats(
        self, workers: WorkerStatistics, tuning: Sequence[Interval], ready: int, steps: Sequence[str]
    ) -> LoaderStats:
        """Return the figures, with those of the workers.

        Args:
            steps: what is timed in a batch.
            workers: who makes the batches.
            tuning: what num_workers="auto" has seen.
            ready: batches that wait in the workers' hands.
        """
        counted = {
            figure.name: getattr(self, figure.name)
            for figure in fields(self)
            if figure.name not in ("waiting", "counts", "wall", "cpu", "transport")
        }
        stages = [StageTime(*one) for one in zip(steps, self.wall, self.cpu, strict=False)]
        if stages:
            stages.append(StageTime("transport", self.transport, 0.0))
        return LoaderStats(
            workers.kind,
            workers.count,
            ready=self.waiting + ready,
            choice=workers.choice,
            tuning=tuple(tuning),
            died=workers.died,
            nodes=dict(workers.nodes),
            **{**counted, **self.counts._asdict(), "errors": tuple(self.errors), "recent": tuple(self.recent)},
            stages=tuple(stages),
        )
