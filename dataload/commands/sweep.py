"""How fast a loader is with each number and kind of workers, and which setting to use.

Settings take turns, and the median over the rounds stands for each. Every measurement begins with a cold copy of the
loader: its first batch is timed on its own, the start of the workers included; samples are counted once every worker
has delivered a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from dataload.measuring import Rounds, endless, race, take

if TYPE_CHECKING:
    from dataload import Loader

MAX_WORKERS = 8
MARGIN = 0.05  # settings closer than this are taken as equally fast
WARM_UP_SECONDS = 0.5


@dataclass(frozen=True)
class Setting:
    """A kind of worker and how many; with 0 workers the kind is None."""

    num_workers: int
    worker: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the loader's arguments for this setting."""
        return {"num_workers": self.num_workers} | ({"worker": self.worker} if self.worker else {})

    def __str__(self) -> str:
        worker = f', worker="{self.worker}"' if self.worker else ""
        return f"num_workers={self.num_workers}{worker}"


@dataclass(frozen=True)
class Measurement:
    """One round of one setting: seconds from a cold loader to its first batch, then samples per second."""

    first_batch_seconds: float
    samples_per_second: float


@dataclass(frozen=True)
class Row:
    """The medians of one setting; `speed_up` is over 0 workers, `rounds` has every round's samples/s."""

    setting: Setting
    samples_per_second: float
    speed_up: float
    first_batch_seconds: float
    rounds: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        figures = {name: value for name, value in vars(self).items() if name != "setting"}
        return {**vars(self.setting), **figures}


@dataclass(frozen=True)
class Advice:
    """The setting to use and why, in one sentence."""

    setting: Setting
    reason: str


def worker_counts(cores: int) -> tuple[int, ...]:
    """Return the numbers of workers worth measuring: each up to 4, then 8 at most.

    >>> worker_counts(2), worker_counts(6), worker_counts(64)
    ((0, 1, 2), (0, 1, 2, 3, 4, 6), (0, 1, 2, 3, 4, 8))
    """
    top = min(cores, MAX_WORKERS)
    return tuple(range(min(top, 4) + 1)) + ((top,) if top > 4 else ())


def make_settings(counts: Sequence[int], kinds: Sequence[str]) -> list[Setting]:
    """Return every combination once; 0 workers always come first: speed-ups are counted from there."""
    above = sorted(set(counts) - {0})
    return [Setting(0), *(Setting(count, kind) for kind in dict.fromkeys(kinds) for count in above)]


def sweep(
    loader: Loader,
    settings: Sequence[Setting],
    *,
    rounds: int = 3,
    seconds: float = 1.0,
    on_measured: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Measure `loader` with each of `settings` and return one row per setting.

    Args:
        loader: is copied for every measurement and itself left as it is.
        settings: the first is what speed-ups are counted from.
        rounds: how often each setting is measured.
        seconds: how long each measurement runs; an epoch that ends sooner is followed by the next.
        on_measured: called after each of the `(rounds + 1) * len(settings)` measurements; those of the first
            round warm up files, caches and imports and are dropped.

    Raises:
        ConfigError: the loader has no batches.
    """

    def run(setting: Setting, number: int) -> Measurement:
        return measure(loader, setting, seconds if number >= 0 else min(seconds, WARM_UP_SECONDS))

    measured = race(settings, run, rounds=rounds, warm_up=1, on_measured=on_measured)
    rates = {setting: tuple(one.samples_per_second for one in found) for setting, found in measured.items()}
    base = median(rates[settings[0]])
    return [
        Row(
            setting,
            samples_per_second=median(rates[setting]),
            speed_up=median(rates[setting]) / base,
            first_batch_seconds=median(one.first_batch_seconds for one in found),
            rounds=rates[setting],
        )
        for setting, found in measured.items()
    ]


def measure(loader: Loader, setting: Setting, seconds: float) -> Measurement:
    """Return what a cold copy of `loader` does with `setting`, counted for `seconds` or one batch once it runs.

    Raises:
        ConfigError: the loader has no batches.
    """
    with loader.with_options(**setting.options()) as cold:
        start = time.perf_counter()
        samples = _sample_counts(cold)
        next(samples)
        first = time.perf_counter() - start
        for _ in range(setting.num_workers - 1):  # the others' first batches were made in the same time
            next(samples)
        return Measurement(first, take(samples, seconds, size=int).rate)


def advise(rows: Sequence[Row]) -> Advice:
    """Return the fastest of `rows`, or the one with the fewest workers within 5 % of it."""
    fastest = max(rows, key=lambda row: row.samples_per_second)
    near = [row for row in rows if row.samples_per_second >= (1 - MARGIN) * fastest.samples_per_second]
    chosen = min(near, key=lambda row: (row.setting.num_workers, -row.samples_per_second))
    if chosen.setting.num_workers == 0:
        reason = "no number of workers is more than 5 % faster" if len(rows) > 1 else "nothing else was measured"
    else:
        reason = f"{chosen.speed_up:.1f}x of 0 workers"
        if chosen is not fastest:
            reason += f"; {fastest.setting} is less than 5 % faster"
    return Advice(chosen.setting, reason)


def spread(rows: Sequence[Row]) -> float:
    """Return the largest ratio of the fastest round of a setting to its slowest: 1 where all rounds agree."""
    return max(Rounds(row.rounds).spread for row in rows)


def _sample_counts(loader: Loader) -> Iterator[int]:
    """Yield the number of samples of each batch, which the loader counts: a batch can be anything."""
    epoch, before = -1, 0
    for _ in endless(loader):
        stats = loader.stats
        yield stats.samples - (before if stats.epoch == epoch else 0)
        epoch, before = stats.epoch, stats.samples
