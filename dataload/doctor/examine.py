"""The examination: a loader under its loop, the loop without loading, single samples, and changes tried in turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from dataload.cache.store import leave_cache
from dataload.doctor.lanes import Lane, Seen, Step, free_rate
from dataload.doctor.profile import Profile, profile
from dataload.doctor.remedies import Remedy, folders_of, remedies
from dataload.errors import DataloadError
from dataload.loader import Loader
from dataload.measuring import about, memory_in_use, turns
from dataload.report import Report, Tried
from dataload.report.figures import Slow, report_of
from dataload.report.verdict import advise
from dataload.samplers import SubsetSampler
from dataload.sources.base import describe
from dataload.stats import StageTime

_SLOWEST = 10
# Batches that are replayed for the loop without loading: enough not to lie in the processor's cache.
_REPLAYED = 8
# A loop that waits for less of its time gains nothing: then nothing is tried.
_WAITS = 0.02


def examine(
    loader: Loader,
    *,
    step: Step | float = 0.0,
    seconds: float = 1.0,
    rounds: int = 3,
    subject: str = "a loader",
    on_progress: Callable[[str], None] = lambda doing: None,
) -> Report:
    """Return what bounds a training loop over a loader, and what makes it faster.

    The loader itself is not touched: copies of it run from the start of epoch 0.

    Args:
        loader: to look at.
        step: the training step: a function of a batch, or the seconds that it takes. 0 is none: then the loader alone
            is looked at.
        seconds: of each measurement.
        rounds: how often each change is measured, in turns with what there is.
        subject: what to call it.
        on_progress: told what is being done.

    Raises:
        ConfigError: the loader has no batches.
        Exception: what the step, the source or a transform raises, with notes that say where.

    >>> report = examine(Loader(range(64), batch_size=4), step=0.001, seconds=0.05, rounds=1)
    >>> 0 < report.samples_per_second <= 4 / 0.001
    True
    """
    has_loop = callable(step) or step > 0
    take = partial(_sleep, step) if isinstance(step, int | float) else step
    trials = _Trials(loader, take, seconds, on_progress)
    try:
        on_progress("the loop as it is")
        first = trials.base.window(seconds)
        report = report_of(
            trials.base.loader.stats,
            subject=subject,
            loader=repr(loader),
            machine=about(),
            name=partial(describe, loader.source),
            memory=memory_in_use(),
        )
        free = None
        if has_loop:
            on_progress("the loop without loading")
            batches = trials.base.batches(_REPLAYED)
            free = free_rate(batches, first.samples / first.batches, take, seconds)
            del batches
        on_progress("single samples")
        single = profile(trials.base.loader, seconds)
        waits = free is None or first.waited >= _WAITS * first.seconds
        for remedy in remedies(trials.base.loader, trials.base.loader.stats, single) if waits else ():
            trials.start(remedy, first)
        seen = trials.race(rounds)
        report = _with_figures(report, trials.base.loader, seen[""], single)
        return advise(replace(report, free_samples_per_second=free, tried=trials.found(seen)), has_loop)
    finally:
        trials.close()


class _Trials:
    """The loader as it is and loaders with a change, each in a lane of its own.

    Args:
        loader: as it is.
        take: the training step.
        seconds: of each measurement.
        on_progress: told what is being done.
    """

    def __init__(self, loader: Loader, take: Step, seconds: float, on_progress: Callable[[str], None]) -> None:
        self._loader, self._take, self._seconds, self._on_progress = loader, take, seconds, on_progress
        self._folders: list[Path] = []
        self._failed: list[Tried] = []
        self._remedies: list[Remedy] = []
        self.base = Lane(loader.with_options(), take)
        self._lanes = {"": self.base}

    def start(self, remedy: Remedy, first: Seen) -> None:
        """Make a loader with a change, and run it until it is warm; one that cannot be is noted."""
        self._on_progress(f"starting {remedy.change}")
        lane = None
        try:
            made = remedy.make()
            self._folders += folders_of(made)
            lane = Lane(self._repeating(made, first) if remedy.repeats else made, self._take)
            # Of a cache: an epoch that fills it, and a part of the next.
            lane.window(self._seconds * (0.75 if remedy.repeats else 0.25))
        except DataloadError as error:
            self._failed.append(Tried(remedy.change, remedy.code, failed=str(error)))
            if lane is not None:
                lane.close()
        else:
            self._remedies.append(remedy)
            self._lanes[remedy.change] = lane

    def _repeating(self, made: Loader, first: Seen) -> Loader:
        """Return a loader of so few of its samples that all of them come again within the trial."""
        batch = made.batch_size
        if batch is None or made.options.sampler is not None:
            return made
        few = max(int(first.rate * self._seconds / 2) // batch, 4) * batch
        return made if few >= len(made.source) else made.with_options(sampler=SubsetSampler(range(few)), shuffle=False)

    def race(self, rounds: int) -> dict[str, list[Seen]]:
        """Return what each lane has shown in each round."""
        seen: dict[str, list[Seen]] = {name: [] for name in self._lanes}
        for number, name in turns(list(self._lanes), rounds):
            self._on_progress(f"round {number + 1} of {rounds}: {name or 'as it is'}")
            seen[name].append(self._lanes[name].window(self._seconds))
        return seen

    def found(self, seen: dict[str, list[Seen]]) -> tuple[Tried, ...]:
        """Return what each change has brought, the best first, and those that could not be tried."""
        tried = [
            Tried(
                remedy.change,
                remedy.code,
                median(one.rate for one in seen[remedy.change]),
                median(one.rate / other.rate for one, other in zip(seen[remedy.change], seen[""], strict=True)),
            )
            for remedy in self._remedies
        ]
        return (*sorted(tried, key=lambda one: -one.gain), *self._failed)

    def close(self) -> None:
        """End all workers, and delete what was kept for trials."""
        for lane in self._lanes.values():
            lane.close()
        for folder in self._folders:
            leave_cache(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _with_figures(report: Report, loader: Loader, seen: Sequence[Seen], single: Profile) -> Report:
    """Return the report with what the rounds and single samples have shown; its batches are those of before."""
    stats = loader.stats
    slow = sorted(zip(single.seconds, single.names, strict=True), reverse=True)[:_SLOWEST]
    return replace(
        report,
        worker=stats.worker,
        num_workers=stats.num_workers,
        stages=stats.stages,
        work_seconds=stats.work_seconds,
        ready_seconds=stats.ready_seconds,
        batches=sum(one.batches for one in seen),
        samples=sum(one.samples for one in seen),
        seconds=sum(one.seconds for one in seen),
        wait_seconds=sum(one.waited for one in seen),
        samples_per_second=median(one.rate for one in seen),
        sample_seconds=single.seconds,
        slowest=tuple(Slow(name, taken) for taken, name in slow),
        gil=single.gil,
        alone=tuple(StageTime(name, wall, single.cpu[name]) for name, wall in single.wall.items()),
    )


def _sleep(seconds: float, batch: Any) -> None:
    if seconds:
        time.sleep(seconds)
