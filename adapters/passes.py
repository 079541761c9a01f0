"""Passes over a loader, for frameworks that are careless with them.

They begin passes that they drop, look at one batch before they train, and never ask for more than the last batch; what
copies to a device takes batches ahead of the training loop; tf.data does all of it on threads of its own. None of this
may cost an epoch or move the state.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dataload.adapters.ahead import Ahead
from dataload.adapters.hooks import PassHooks
from dataload.adapters.tools import is_a_look
from dataload.errors import DataloadError
from dataload.iteration import EpochIterator
from dataload.loader import Loader
from dataload.state import State

if TYPE_CHECKING:
    from dataload.batching import Plan


class Resumable:
    """What every adapter offers its users beside the batches: the epoch and the state, exact between two steps."""

    _passes: Passes

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass start at the beginning of `epoch`; see `Loader.set_epoch`."""
        self._passes.set_epoch(epoch)

    def state_dict(self) -> State:
        """Return where the training loop is, as plain JSON; see `Loader.state_dict`."""
        return self._passes.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Continue, in the next pass, with exactly the samples not yet delivered; see `Loader.load_state_dict`."""
        self._passes.load_state_dict(state)

    def reshard(self, rank: int | None = None, world: int | None = None, *, batch_size: int | None = None) -> None:
        """Go on as another rank, or among another number of ranks, at the next step; see `Loader.reshard`."""
        self._passes.reshard(rank, world, batch_size)


class Passes:
    """The passes of one adapter over one loader, which runs one at a time.

    A pass is a loader's iterator with three differences. It begins with its first batch and not before. One in which a
    tool took the first batch of several to see its shapes was only a look: the next pass starts where it started. One
    of which the last batch was taken is whole, whether or not anybody asked for more.

    Args:
        loader: makes the batches.
        place: what becomes of a batch, on the thread that takes it from the loader.
        arrive: what becomes of it then, on the thread that asked for it.
        ahead: batches that are taken and placed before they are asked for, on a thread; 0 needs none.
        eager: whether the loader's own state is right at any time, for users who read that and not the passes': a look
            is undone when it is over and not when the next pass begins, with the last batch of an epoch the loader
            moves on, and a pass is never empty.
        hooks: told of epochs and passes.
        is_look: tells at the beginning of a pass whether a tool only looks; see `dataload.adapters.tools`.
    """

    def __init__(
        self,
        loader: Loader,
        place: Callable[[Any], Any],
        *,
        arrive: Callable[[Any], Any] = lambda placed: placed,
        ahead: int = 0,
        eager: bool = False,
        hooks: PassHooks | None = None,
        is_look: Callable[[], bool] = is_a_look,
    ) -> None:
        self.loader = loader
        self.hooks = hooks or PassHooks()
        self.arrive = arrive
        self.eager = eager
        self.is_look = is_look
        self._place = place
        self._ahead = ahead
        # A framework may end a pass on one thread while it starts the next on another. Reentrant, because the garbage
        # collector may end a pass while another one is being started. Never held while a batch is waited for.
        self.lock = threading.RLock()
        # Weak, because a pass that the training loop has dropped must end.
        self._latest: weakref.ref[Pass] | None = None
        # Where a pass was left, if the loader had gone ahead of it.
        self._left: State | None = None
        # Of a pass that may turn out to have been a look: where it started, and where the loader was at its end.
        self._look: tuple[State, State] | None = None

    def start(self) -> Pass:
        """Return the next pass, which begins when it is asked for a batch."""
        return Pass(self)

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass start at the beginning of `epoch`; see `Loader.set_epoch`."""
        with self.lock:
            self._end_latest()
            self._undo_look()
            self.loader.set_epoch(epoch)
            self._left = None
            self.hooks.epoch(epoch)

    def state_dict(self) -> State:
        """Return where the training loop is; what was taken ahead for it does not count."""
        latest = self._running()
        if latest is not None and latest.state is not None:
            return latest.state
        return self._left or self.loader.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Continue, in the next pass, with exactly the samples not yet delivered; see `Loader.load_state_dict`."""
        with self.lock:
            self._end_latest()
            self.loader.load_state_dict(state)
            self._left = self._look = None
            self.hooks.epoch(state["epoch"])

    def reshard(self, rank: int | None, world: int | None, batch_size: int | None) -> None:
        """Go on as another rank, or among another number of ranks, at the next step; see `Loader.reshard`."""

        def change() -> None:
            self.loader.reshard(rank, world, batch_size=batch_size)

        latest = self._running()
        if latest is not None:
            # Without the lock: a batch that is taken ahead may be waited for.
            latest.go_on_after(change)
            return
        with self.lock:
            self._undo_look()
            if self._left is not None:
                self.loader.load_state_dict(self._left)
            self._left = None
            change()

    @property
    def at_last(self) -> bool:
        """Whether the batch delivered last was the last one of its epoch."""
        latest = self._running()
        return latest is not None and latest.whole

    def _running(self) -> Pass | None:
        return self._latest() if self._latest is not None else None

    def _end_latest(self) -> None:
        latest = self._running()
        if latest is not None:
            latest.leave()

    def _undo_look(self) -> None:
        look, self._look = self._look, None
        if look is not None and self.loader.state_dict() == look[1]:
            self.loader.load_state_dict(look[0])

    # What follows is called by the pass.

    def begin(self, started: Pass) -> tuple[EpochIterator, Iterator[tuple[Any, State | None]], State]:
        """Return the loader's next epoch, its placed batches, each with the state after it, and where they start.

        There is no state beside a batch where the loader does not go ahead: its own is right.
        """
        with self.lock:
            self._end_latest()
            self._undo_look()
            self._left = None
            loader = self.loader
            iterator, start = iter(loader), loader.state_dict()
            if self.eager and start["samples"] and not loader.plan.num_batches(start["epoch"], start["samples"]):
                # The state was saved after the last batch: an empty pass would only confuse Keras.
                iterator, start = iter(loader), loader.state_dict()
            self._latest = weakref.ref(started)
            self.hooks.epoch(start["epoch"])
            self.hooks.began()
        return iterator, self.place(iterator), start

    def place(self, iterator: EpochIterator) -> Iterator[tuple[Any, State | None]]:
        """Return the placed batches of an iterator of the loader, each with the state after it."""
        loader, place = self.loader, self._place
        if self._ahead:
            return Ahead(iterator, lambda batch: (place(batch), loader.state_dict()), self._ahead)
        return ((place(batch), None) for batch in iterator)

    def ended(self, ended: Pass, look_from: State | None) -> None:
        """Take note that a pass is over; if it was only a look, of where it started."""
        if not (ended.whole or ended.exhausted):
            self._left = ended.state
        if look_from is not None:
            self._look = (look_from, self.loader.state_dict())
            if self.eager:
                self._undo_look()
        if self._running() in (ended, None):  # While a pass is being collected its weak reference is dead already.
            self._latest = None
        self.hooks.epoch(self.state_dict()["epoch"])
        self.hooks.ended()


class Pass:
    """One pass: batches, until the epoch ends or it is left.

    Attributes:
        taken: batches delivered.
        exhausted: whether the end was found.
        state: of the loader after the batch delivered last; None where that is the loader's present one.
    """

    def __init__(self, passes: Passes) -> None:
        self._passes = passes
        self._iterator: EpochIterator | None = None
        self._by_a_tool = False
        self._batches: Iterator[tuple[Any, State | None]] = iter(())
        self._start: State | None = None
        # How many batches there are in all, by which plan.
        self._total = -1
        self._plan: Plan | None = None
        # Raised by whoever asks on: StopIteration at the end, else why there is nothing more.
        self._over: BaseException | None = None
        self.taken = 0
        self.exhausted = False
        self.state: State | None = None

    def __iter__(self) -> Pass:
        return self

    def __next__(self) -> Any:
        if self._over is not None:
            if isinstance(self._over, StopIteration):
                self._passes.hooks.ran_out()
            raise self._over
        if self._iterator is None:
            self._by_a_tool = self._passes.is_look()
            self._iterator, self._batches, self._start = self._passes.begin(self)
            self.state = self._start if isinstance(self._batches, Ahead) else None
        elif self._plan is not self._passes.loader.plan:
            self._change_length()
        try:
            placed, self.state = next(self._batches)
        except StopIteration:
            self.exhausted = True
            self._end(StopIteration())
            self._passes.hooks.ran_out()
            raise
        except BaseException as error:
            # Asked again an eager pass raises the same: an end after an error would make `repeat` start another one.
            self._end(error if self._passes.eager else _over("it met an error"))
            raise
        self.taken += 1
        if self.taken == 1 and self._start is not None:
            # Asked after the first batch: the length of a foreign order is known once it has been read.
            self._plan = self._passes.loader.plan
            self._total = self._plan.num_batches(self._start["epoch"], self._start["samples"])
        if self._passes.eager and self.whole:
            self.leave()
        return self._passes.arrive(placed)

    @property
    def whole(self) -> bool:
        """Whether the last batch of the epoch has been delivered."""
        self._count()
        return self.taken == self._total

    def _count(self) -> None:
        """Count the batches anew where the ranks were changed."""
        plan = self._passes.loader.plan
        if self._plan is not None and self._plan is not plan:
            state = self.state or self._passes.loader.state_dict()
            self._total = self.taken + plan.num_batches(state["epoch"], state["samples"])
            self._plan = plan

    def _change_length(self) -> None:
        """Count the batches anew, and end the pass if a framework cannot go on with another number of them."""
        before = self._total
        self._count()
        if self._total != before:
            try:
                self._passes.hooks.length_changed()
            except Exception as error:
                self._end(error)
                raise

    def go_on_after(self, change: Callable[[], None]) -> None:
        """Go on with the batch that the training loop is to have next, after a change of the loader's plan."""
        batches, iterator, loader = self._batches, self._iterator, self._passes.loader
        if not isinstance(batches, Ahead) or iterator is None or self.state is None:
            change()
            return
        batches.halt()
        if iterator.active:
            iterator.go_back(self.state["samples"])
        else:
            # It has met its end, or an error, in batches that the training loop has not had.
            loader.load_state_dict(self.state)
        try:
            change()
        finally:
            self._iterator = iterator if iterator.active else iter(loader)
            self._batches = self._passes.place(self._iterator)

    def leave(self) -> None:
        """End the pass where it is."""
        with self._passes.lock:
            if self._over is not None or self._iterator is None:
                return
            if self.whole:
                # The loader learns that this was the end; otherwise it would take the epoch as left early and end its
                # workers.
                self.exhausted = next(self._batches, None) is None
                self._end(StopIteration())
            else:
                # Where the loader is read by itself, somebody may have moved it on purpose since.
                undisturbed = self._iterator.active or not self._passes.eager
                self._end(_over("a newer one was made"), look=self._by_a_tool and self.taken <= 1 and undisturbed)

    def _end(self, over: BaseException, *, look: bool = False) -> None:
        with self._passes.lock:
            self._over = over
            batches, self._batches = self._batches, iter(())
            if isinstance(batches, Ahead):
                batches.close()
            elif self._iterator is not None:
                # Dropping the generator would do, unless another thread is in the middle of it.
                self._iterator.close()
            assert self._start is not None
            self._passes.ended(self, self._start if look else None)

    def __del__(self) -> None:
        # The garbage collector runs on any thread, also on one that the holder of the lock waits for.
        if self._passes.lock.acquire(blocking=False):
            try:
                self.leave()
            finally:
                self._passes.lock.release()
        elif self._iterator is not None:
            self._iterator.close()


def _over(reason: str) -> DataloadError:
    return DataloadError(
        f"this iterator was ended because {reason}. A Loader runs one iterator at a time: for two at once make another "
        "one, loader.with_options()"
    )
