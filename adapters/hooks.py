"""What a framework is told of the passes over a loader."""

from __future__ import annotations


class PassHooks:
    """Hears of the passes; a subclass overrides what it needs."""

    def epoch(self, epoch: int) -> None:
        """The next batch will be one of this epoch."""

    def began(self) -> None:
        """The first batch of a pass is about to be made."""

    def ended(self) -> None:
        """A pass has ended, whichever way."""

    def ran_out(self) -> None:
        """A pass was asked for more than its last batch."""

    def length_changed(self) -> None:
        """The ranks were changed, and with them the number of batches of the pass under way; may raise."""
