"""The examination: a loader under its loop, the loop without loading, single samples, and changes tried in turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
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
    take = _sleeper(step) if isinstance(step, int | float) else step
    has_loop = callable(step) or step > 0
    lanes: dict[str, Lane] = {}
    folders = []
    try:
        on_progress("the loop as it is")
        base = lanes[""] = Lane(loader.with_options(), take)
        first = base.window(seconds)
        report = report_of(
            base.loader.stats,
            subject=subject,
            loader=repr(loader),
            machine=about(),
            name=lambda index: describe(loader.source, index),
            memory=memory_in_use(),
        )
        free = None
        if has_loop:
            on_progress("the loop without loading")
            batches = base.batches(_REPLAYED)
            free = free_rate(batches, first.samples / first.batches, take, seconds)
            del batches
        on_progress("single samples")
        single = profile(base.loader, seconds)
        to_try = remedies(base.loader, base.loader.stats, single)
        if free is not None and first.waited < 0.02 * first.seconds:
            to_try = []  # The loop does not wait: nothing can be gained.
        failed: list[Tried] = []
        for remedy in to_try:
            on_progress(f"starting {remedy.change}")
            try:
                made = _on_trial(remedy, loader, first, seconds)
                folders += folders_of(made)
                lanes[remedy.change] = lane = Lane(made, take)
                lane.window(seconds / 4)
                if remedy.repeats:
                    lane.window(seconds / 2)  # An epoch that fills the cache, and a part of the next.
            except DataloadError as error:
                failed.append(Tried(remedy.change, remedy.code, failed=str(error)))
                if (lane_ := lanes.pop(remedy.change, None)) is not None:
                    lane_.close()
        seen: dict[str, list[Seen]] = {name: [] for name in lanes}
        for number, name in turns(list(lanes), rounds):
            on_progress(f"round {number + 1} of {rounds}: {name or 'as it is'}")
            seen[name].append(lanes[name].window(seconds))
        return advise(_put_together(report, base, first, free, single, to_try, seen, failed, loader), has_loop)
    finally:
        for lane in lanes.values():
            lane.close()
        for folder in folders:
            leave_cache(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _on_trial(remedy: Remedy, loader: Loader, first: Seen, seconds: float) -> Loader:
    made = remedy.make()
    if not remedy.repeats:
        return made
    # An epoch of so few samples that all of them come again within the trial.
    batch = loader.batch_size or 1
    few = max(int(first.rate * seconds / 2) // batch, 4) * batch
    if few >= len(loader.source) or loader.batch_size is None:
        return made
    indices = SubsetSampler(range(few)) if loader.options.sampler is None else None
    return made if indices is None else made.with_options(sampler=indices, shuffle=False)


def _put_together(
    report: Report,
    base: Lane,
    first: Seen,
    free: float | None,
    single: Profile,
    to_try: list[Remedy],
    seen: dict[str, list[Seen]],
    failed: list[Tried],
    loader: Loader,
) -> Report:
    rate = median(one.rate for one in seen[""])
    tried = [
        Tried(
            remedy.change,
            remedy.code,
            median(one.rate for one in seen[remedy.change]),
            median(one.rate / other.rate for one, other in zip(seen[remedy.change], seen[""], strict=True)),
        )
        for remedy in to_try
        if remedy.change in seen
    ]
    slow = sorted(zip(single.seconds, single.names, strict=True), reverse=True)[:_SLOWEST]
    stats = base.loader.stats
    total = seen[""] or [first]
    seconds, waited = sum(one.seconds for one in total), sum(one.waited for one in total)
    return replace(
        report,
        worker=stats.worker,
        num_workers=stats.num_workers,
        stages=stats.stages,
        work_seconds=stats.work_seconds,
        ready_seconds=stats.ready_seconds,
        batches=sum(one.batches for one in total),
        samples=sum(one.samples for one in total),
        seconds=seconds,
        wait_seconds=waited,
        samples_per_second=rate,
        free_samples_per_second=free,
        tried=(*sorted(tried, key=lambda one: -one.gain), *failed),
        sample_seconds=single.seconds,
        slowest=tuple(Slow(name, taken) for taken, name in slow),
        gil=single.gil,
        alone=tuple(StageTime(name, wall, single.cpu[name]) for name, wall in single.wall.items()),
    )


def _sleeper(seconds: float) -> Step:
    def step(batch: Any) -> None:
        if seconds:
            time.sleep(seconds)

    return step
