"""The figures of a report, as values: all that the text, the JSON and the page say stands here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dataload.stats import BatchTime, LoaderStats, StageTime

# A loop that waits for less than this share of its time gains next to nothing from faster loading.
HARDLY = 0.05
_SLOWEST = 10


@dataclass(frozen=True)
class Tried:
    """A change that was tried on the same source, in turns with what there is.

    Attributes:
        change: in words.
        code: the arguments or the line to write.
        samples_per_second: through the training loop, with it.
        gain: of that over what there is.
        failed: why it could not be tried; empty where it was.
    """

    change: str
    code: str
    samples_per_second: float = 0.0
    gain: float = 0.0
    failed: str = ""


@dataclass(frozen=True)
class Slow:
    """A sample that took long: what the source calls it, and for how many seconds."""

    sample: str
    seconds: float


@dataclass(frozen=True)
class Report:
    """What was seen of a loader.

    Attributes:
        subject: what was looked at.
        loader: its repr.
        machine: versions and cores.
        worker, num_workers: kind and number of the workers.
        batches, samples: that the training loop got.
        seconds: that this took.
        wait_seconds: of these, seconds in which the loop waited for a batch.
        ready_seconds: that batches stood ready, over all of them.
        work_seconds: that was worked on them, over all workers.
        stages: where the work went.
        recent: the last batches one by one.
        samples_per_second: of the loop.
        free_samples_per_second: of the loop if batches came for nothing; None where there was no loop, or nobody tried.
        tried: changes that were tried.
        sample_seconds: of single samples, in reading and transforms that take one at a time.
        slowest: the slowest samples.
        memory: bytes that this process and its workers hold.
        gil: for each stage the share of its time in which other threads had to wait for the GIL; empty where nobody
            looked.
        alone: seconds of each step for one sample, made by itself on one thread; empty where nobody looked.
        advice: sentences: what bounds the run, and what to do.
    """

    subject: str
    loader: str
    machine: Mapping[str, Any]
    worker: str
    num_workers: int
    batches: int
    samples: int
    seconds: float
    wait_seconds: float
    ready_seconds: float
    work_seconds: float
    stages: tuple[StageTime, ...]
    recent: tuple[BatchTime, ...]
    samples_per_second: float
    free_samples_per_second: float | None = None
    tried: tuple[Tried, ...] = ()
    sample_seconds: tuple[float, ...] = ()
    slowest: tuple[Slow, ...] = ()
    memory: int | None = None
    gil: Mapping[str, float] | None = None
    alone: tuple[StageTime, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def waited(self) -> float:
        """Share of the loop's time in which it waited for batches."""
        return min(self.wait_seconds / self.seconds, 1.0) if self.seconds else 0.0

    @property
    def free_gain(self) -> float | None:
        """How many times as fast the loop would be with batches for nothing."""
        if self.free_samples_per_second is None or not self.samples_per_second:
            return None
        return self.free_samples_per_second / self.samples_per_second

    def share(self, stage: StageTime) -> float:
        """Return which part of all work a stage is."""
        total = sum(one.seconds for one in self.stages)
        return stage.seconds / total if total else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON's values."""
        values = asdict(self)
        values["stages"] = [{**stage._asdict(), "share": self.share(stage)} for stage in self.stages]
        values["alone"] = [one._asdict() for one in self.alone]
        values["recent"] = [one._asdict() for one in self.recent]
        return {**values, "waited": self.waited, "free_gain": self.free_gain}


def report_of(
    stats: LoaderStats,
    *,
    subject: str,
    loader: str,
    machine: Mapping[str, Any],
    name: Callable[[int], str],
    memory: int | None = None,
) -> Report:
    """Return the report on what a loader's statistics say.

    Args:
        stats: of the epoch under way, or the last one.
        subject: what was looked at.
        loader: its repr.
        machine: versions and cores.
        name: returns what the source calls a sample.
        memory: bytes that the process and its workers hold.
    """
    recent = stats.recent
    # The first batch pays for the start of the workers; between two that the loop got lies one step.
    seconds = recent[-1].delivered - recent[0].delivered + recent[0].waited if recent else 0.0
    waited = sum(one.waited for one in recent)
    samples = sum(one.samples for one in recent)
    slow = sorted((one.slowest for one in recent if one.slowest is not None), key=lambda slow: -slow[1])
    return Report(
        subject=subject,
        loader=loader,
        machine=machine,
        worker=stats.worker,
        num_workers=stats.num_workers,
        batches=len(recent),
        samples=samples,
        seconds=seconds,
        wait_seconds=waited,
        ready_seconds=stats.ready_seconds,
        work_seconds=stats.work_seconds,
        stages=stats.stages,
        recent=recent,
        samples_per_second=samples / seconds if seconds else 0.0,
        sample_seconds=tuple(seconds for _, seconds in slow),
        slowest=tuple(Slow(name(index), seconds) for index, seconds in slow[:_SLOWEST]),
        memory=memory,
    )
