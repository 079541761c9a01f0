"""Single samples, looked at closely: what each takes in reading and every transform, and who holds the GIL."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from dataload.laps import begin_laps, take_times
from dataload.loader import Loader
from dataload.sources.base import describe
from dataload.stages import Stage

# A thread that sleeps wakes up this late at most where nobody holds the GIL.
_LATE = 0.0003
_PAUSE = 0.001
_MOST = 2_000
_LOOKS = 10


@dataclass(frozen=True)
class Profile:
    """What single samples took, made one after the other on one thread.

    Attributes:
        seconds: of each sample that was looked at.
        names: what the source calls each of them.
        wall, cpu: mean seconds of each step: reading and the transforms on samples.
        gil: for each step with enough looks the share of its time in which another thread had to wait for the GIL.
    """

    seconds: tuple[float, ...]
    names: tuple[str, ...]
    wall: dict[str, float]
    cpu: dict[str, float]
    gil: dict[str, float]


class _Probe:
    """A thread that sees how long it has to wait for the GIL, and what the other thread is at meanwhile."""

    def __init__(self) -> None:
        self.at = "read"
        self.late: dict[str, list[float]] = defaultdict(list)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="dataload-doctor", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.is_set():
            at, begin = self.at, time.perf_counter()
            time.sleep(_PAUSE)
            late = time.perf_counter() - begin - _PAUSE
            # By what was going on when it fell asleep: who keeps it waiting may be through when it wakes.
            self.late[at].append(late)

    def close(self) -> None:
        """End the thread."""
        self._done.set()
        self._thread.join()


def profile(loader: Loader, seconds: float) -> Profile:
    """Make single samples for some seconds, from all over the source.

    Args:
        loader: whose source and transforms are looked at.
        seconds: to look for.
    """
    pipeline = loader.pipeline
    names = pipeline.step_names()
    rng = np.random.default_rng(0)
    indices = rng.permutation(len(loader.source))[:_MOST].tolist()
    took, called, walls, cpus = [], [], [], []
    probe = _Probe()

    def before(stage: Stage | None) -> None:
        probe.at = "read" if stage is None else str(stage)

    try:
        until = time.perf_counter() + seconds
        for index in indices:
            begin_laps(pipeline.steps)
            pipeline.sample(0, index, before)
            times = take_times()
            took.append(times.ended - times.begun)
            called.append(describe(loader.source, index))
            walls.append(times.wall)
            cpus.append(times.cpu)
            if time.perf_counter() > until and len(took) >= 2:
                break
    finally:
        probe.close()
    gil = {at: fmean(one > _LATE for one in late) for at, late in probe.late.items() if len(late) >= _LOOKS}
    # The first one pays for imports.
    rows = slice(1, None) if len(took) > 1 else slice(None)
    wall = dict(zip(names, np.mean(walls[rows], axis=0).tolist(), strict=True))
    cpu = dict(zip(names, np.mean(cpus[rows], axis=0).tolist(), strict=True))
    return Profile(tuple(took[rows]), tuple(called[rows]), wall, cpu, gil)
