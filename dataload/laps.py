"""Where the time of a batch goes: seconds by the wall and of the CPU in reading, in each transform, in collating.

Each thread times the batch that it is at, as it counts for it (`counts`). Looking at a clock takes 0.1 µs; at the one
of a thread's CPU time some microseconds on some systems, so that one is looked at between steps, and inside of a row of
transforms for one sample only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from time import perf_counter, thread_time
from typing import Any, NamedTuple

# The step that reads samples. Those of the transforms on samples follow, then collating, then the ones on the batch.
READ = 0
# Looking at a sample costs 3 µs. Of samples that pass a row of transforms in less time than this only some are looked
# at, so that it stays below a hundredth of it all.
_SHORT_SECONDS = 1e-3
_ONE_IN = 16


class Times(NamedTuple):
    """Where the time of one batch went.

    Attributes:
        begun: when its making began, by `time.perf_counter` of the process that made it.
        ended: when it was made.
        wall: seconds of each step.
        cpu: of these, seconds that the thread was on a core.
        slowest: index and seconds of the sample that took longest in transforms that work sample by sample, of those
            that were looked at: all where they take a millisecond, else one in 16. None where there are none.
    """

    begun: float = 0.0
    ended: float = 0.0
    wall: tuple[float, ...] = ()
    cpu: tuple[float, ...] = ()
    slowest: tuple[int, float] | None = None


NO_TIMES = Times()


class Laps:
    """A watch for the batch that a thread is at.

    Args:
        steps: how many steps there are.
    """

    __slots__ = ("_begun", "_cpu", "_cpus", "_slowest", "_wall", "_walls")

    def __init__(self, steps: int) -> None:
        self._walls = [0.0] * steps
        self._cpus = [0.0] * steps
        self._slowest: tuple[float, int] = (0.0, -1)
        self._begun = self._wall = perf_counter()
        self._cpu = thread_time()

    def end(self, step: int) -> None:
        """Say that all since the last call was this step."""
        wall, cpu = perf_counter(), thread_time()
        self._walls[step] += wall - self._wall
        self._cpus[step] += cpu - self._cpu
        self._wall, self._cpu = wall, cpu

    def share(self, steps: Sequence[int], walls: Sequence[float], cpus: Sequence[float]) -> None:
        """Say that all since the last call was these steps, in the proportions of some seconds of each."""
        wall, cpu = perf_counter(), thread_time()
        all_walls, all_cpus = sum(walls) or 1.0, sum(cpus) or 1.0
        for step, wall_share, cpu_share in zip(steps, walls, cpus, strict=True):
            self._walls[step] += (wall - self._wall) * wall_share / all_walls
            self._cpus[step] += (cpu - self._cpu) * cpu_share / all_cpus
        self._wall, self._cpu = wall, cpu

    def sample(self, index: int, seconds: float) -> None:
        """Say how long a sample took."""
        if seconds > self._slowest[0]:
            self._slowest = (seconds, index)

    def times(self) -> Times:
        """Return what was seen."""
        seconds, index = self._slowest
        slowest = None if index < 0 else (index, seconds)
        return Times(self._begun, perf_counter(), tuple(self._walls), tuple(self._cpus), slowest)


class Row:
    """Watches samples that pass a row of transforms one after the other.

    Args:
        laps: of the batch.
        steps: of the transforms.
        count: how many samples there are.
    """

    def __init__(self, laps: Laps, steps: Sequence[int], count: int) -> None:
        self._laps, self._steps, self._count = laps, steps, count
        # Of one sample in the middle CPU time is looked at, too; where there is one transform, it has all of it.
        middle = 1 + (count // 2 - 1) // _ONE_IN * _ONE_IN if count > 1 else 0
        self._for_cpu = middle if len(steps) > 1 else -1
        self._times: list[float] = []
        self._cpu_times: list[float] = []
        self._walls = [0.0] * len(steps)
        self._all = False

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Yield stretches of samples, as where each begins and ends: the first sample of each is to be watched."""
        yield from [(0, 1)][: self._count]
        # The first sample says whether all are looked at.
        step = 1 if self._all else _ONE_IN
        for begin in range(1, self._count, step):
            yield begin, min(begin + step, self._count)

    def begin(self, number: int) -> Callable[[Any], None]:
        """Return what is to be called before each transform works on the sample with this number in its batch."""
        return self._note_both if number == self._for_cpu else self._note

    def end(self, number: int, index: int) -> None:
        """Say that a sample that was watched has passed.

        Args:
            number: of the sample in its batch.
            index: of the sample in the source.
        """
        times = self._times
        times.append(perf_counter())
        if number == self._for_cpu:
            self._cpu_times.append(thread_time())
        self._walls = [
            wall + after - before for wall, (before, after) in zip(self._walls, pairwise(times), strict=True)
        ]
        total = times[-1] - times[0]
        self._laps.sample(index, total)
        if number == 0:
            self._all = total >= _SHORT_SECONDS
        times.clear()

    def finish(self) -> None:
        """Say that all samples have passed."""
        cpus = [after - before for before, after in pairwise(self._cpu_times)] or self._walls
        self._laps.share(self._steps, self._walls, cpus)

    def _note(self, stage: Any) -> None:
        self._times.append(perf_counter())

    def _note_both(self, stage: Any) -> None:
        self._cpu_times.append(thread_time())
        self._times.append(perf_counter())


class _OfThread(threading.local):
    laps: Laps | None = None


_of_thread = _OfThread()


def begin_laps(steps: int) -> None:
    """Time the batch that this thread begins now."""
    _of_thread.laps = Laps(steps)


def laps_here(steps: int) -> Laps:
    """Return the watch for the batch that this thread is at; one of its own where nobody has begun any."""
    return _of_thread.laps or Laps(steps)


def take_times() -> Times:
    """Return where the time of the batch that this thread was at went."""
    laps, _of_thread.laps = _of_thread.laps, None
    return NO_TIMES if laps is None else laps.times()
