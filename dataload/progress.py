"""Where a loader is: the one thing that its iterator writes and the loader reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from dataload.stats import Tally


class Phase(Enum):
    """How an iterator stands.

    RUNNING becomes one of the others once, and stays so.
    """

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    LEFT = "left"
    SUPERSEDED = "superseded"
    CLOSED = "closed"


@dataclass
class Progress:
    """The place of one iterator in its epoch.

    Attributes:
        epoch: that the iterator goes through.
        samples: of that epoch that all ranks have had, those before a resume included.
        phase: whether the iterator goes on, and else what has ended it.
        running: whether batches can still come: asked for every batch, so it is kept beside the phase.
        tally: what the iterator has counted.
    """

    epoch: int
    samples: int
    phase: Phase = Phase.RUNNING
    tally: Tally = field(default_factory=Tally)
    running: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        self.tally.epoch = self.epoch

    def end(self, phase: Phase) -> bool:
        """End the iterator for one reason; return whether it was running until now."""
        if not self.running:
            return False
        self.running, self.phase = False, phase
        return True
