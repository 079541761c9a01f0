"""How many workers: more while the training loop waits and more of them help, fewer while it does not wait.

The number changes when batches are made, never what is in them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from dataload.machine import usable_cores

# The loop waits: more than this share of the time. It does not: less than that.
_WAITS = 0.05
_WAITS_NOT = 0.01
# One more worker must bring at least this much.
_GAIN = 1.05
_SECONDS = 0.5
# More workers than cores help where the work is waiting (reads); beyond this they only cost memory.
_MAX_PER_CORE = 4

_log = logging.getLogger("dataload")


@dataclass(frozen=True)
class Interval:
    """What was seen with one number of workers.

    Attributes:
        num_workers: the number.
        samples_per_second: delivered to the training loop.
        waited: share of the time that the training loop waited for batches.
    """

    num_workers: int
    samples_per_second: float
    waited: float


class Tuner:
    """Decides on the number of workers from what the training loop experiences.

    Args:
        start: number of workers to begin with; None begins with one for each usable core.
    """

    def __init__(self, start: int | None = None) -> None:
        self.count = start or usable_cores()
        self.history: list[Interval] = []
        self._max = _MAX_PER_CORE * usable_cores()
        self._min = 1
        self._before: Interval | None = None
        self._settling = True
        self._reset()

    def _reset(self) -> None:
        self._samples = self._batches = 0
        self._waited = self._seconds = 0.0

    def delivered(self, samples: int, waited: float, seconds: float) -> int:
        """Note one batch and return the number of workers to go on with.

        Args:
            samples: in the batch.
            waited: seconds that the training loop waited for it.
            seconds: since the batch before it.
        """
        self._samples += samples
        self._batches += 1
        self._waited += waited
        self._seconds += seconds
        if self._seconds < _SECONDS or self._batches < 4 * self.count:
            return self.count
        interval = Interval(self.count, self._samples / self._seconds, self._waited / self._seconds)
        self._reset()
        if self._settling:
            # What was made before the number changed is still being delivered.
            self._settling = False
            return self.count
        self.history.append(interval)
        count = self._decide(interval)
        if count != self.count:
            _log.info("num_workers=%d after %s", count, interval)
            self.count, self._settling = count, True
        return self.count

    def _decide(self, now: Interval) -> int:
        before, self._before = self._before, None
        if before is not None and now.num_workers > before.num_workers:
            if now.samples_per_second < _GAIN * before.samples_per_second:
                self._max = before.num_workers
                return before.num_workers
        elif before is not None and now.waited > _WAITS_NOT:
            self._min = before.num_workers
            return before.num_workers
        if now.waited > _WAITS and self.count < self._max:
            self._before = now
            return self.count + 1
        if now.waited < _WAITS_NOT and self.count > self._min:
            self._before = now
            return self.count - 1
        return self.count
