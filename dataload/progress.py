"""Where a loader is: what its iterator writes and the loader reads, and the one thing that goes the other way."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from dataload.errors import DataloadError
from dataload.stats import Tally

if TYPE_CHECKING:
    from dataload.batching import Plan


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
        busy: held by the thread that takes a batch, and by one that changes the ranks between two batches.
        plan: the iterator is to go on with, from `samples`, because the ranks were changed; None once it does.
        ahead: whether an adapter has taken batches that the training loop has not yet asked for.
    """

    epoch: int
    samples: int
    phase: Phase = Phase.RUNNING
    tally: Tally = field(default_factory=Tally)
    running: bool = field(default=True, init=False)
    busy: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    plan: Plan | None = field(default=None, init=False)
    ahead: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.tally.epoch = self.epoch

    def go_on_with(self, plan: Plan) -> None:
        """Let this iterator, or the next one in its place, go on with another plan in what is left of the epoch.

        Raises:
            DataloadError: a thread is waiting for a batch of the present plan, or has taken some that the training loop
                has not had.
        """
        if self.ahead:
            raise DataloadError(
                "an adapter takes batches of this Loader before the training loop asks for them: call reshard of what "
                "the adapter has returned, such as to_dataloader or to_jax, which knows where the loop is"
            )
        if not self.busy.acquire(blocking=False):
            raise DataloadError(
                "another thread waits for a batch of this Loader: call reshard between two steps, on the thread that "
                "takes the batches"
            )
        try:
            if self.phase is not Phase.FINISHED:
                self.plan = plan
        finally:
            self.busy.release()

    def end(self, phase: Phase) -> bool:
        """End the iterator for one reason; return whether it was running until now."""
        if not self.running:
            return False
        self.running, self.phase = False, phase
        return True
