"""The passes that TensorFlow makes over a loader.

TensorFlow and Keras begin a pass and drop it, look at the first batch, or never ask for the end, and none of this may
cost the loader an epoch. Apart from the other adapters' passes, because those of tf.data run on TensorFlow's threads,
are begun by it alone, and must end where `take` and `repeat` expect it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any

from dataload.adapters.batch_spec import conform
from dataload.errors import DataloadError
from dataload.iteration import EpochIterator
from dataload.loader import Loader
from dataload.state import State


class Passes:
    """The passes over one dataset, of which the loader runs one at a time."""

    def __init__(self, loader: Loader, spec: Any, known: bool) -> None:
        self._loader = loader
        self._spec = spec
        self._known = known
        self._ran_short = False
        # Weak, because the last reference that TensorFlow lets go of ends the pass.
        self._latest: weakref.ref[_Pass] | None = None
        # TensorFlow may still be ending a pass on one thread when it starts the next on another. Reentrant, because
        # the garbage collector may end a pass while another one is being started.
        self.lock = threading.RLock()

    def start(self) -> Iterator[Any]:
        """Start the next pass."""
        with self.lock:
            if self._ran_short:
                self._ran_short = False
                return iter(())
            latest = self._latest() if self._latest else None
            if latest is not None:
                latest.leave()
            loader = self._loader
            iterator, state = iter(loader), loader.state_dict()
            if state["samples"] and not loader.plan.num_batches(state["epoch"], state["samples"]):
                # The state was saved after the last batch: an empty pass would only confuse Keras.
                iterator, state = iter(loader), loader.state_dict()
            started = _Pass(self, loader, iterator, state, self._spec)
            self._latest = weakref.ref(started)
            return started

    def ended(self) -> None:
        """Take note that a pass has come to its end and TensorFlow asked for more.

        It does where `take` has not yet seen as many batches as a whole epoch has. Then `repeat` asks for another pass.
        """
        self._ran_short = self._known


class _Pass:
    """One pass: an iterator of the loader, and where it started."""

    def __init__(self, passes: Passes, loader: Loader, iterator: EpochIterator, start: State, spec: Any) -> None:
        self._passes = passes
        self._loader = loader
        self._iterator = iterator
        self._start = start
        self._spec = spec
        self._taken = 0
        self._finished = False
        self._error: Exception | None = None

    def __iter__(self) -> _Pass:
        return self

    def __next__(self) -> Any:
        with self._passes.lock:
            if self._error is not None:
                # An end after an error would make `repeat` start another pass.
                raise self._error
            try:
                batch = next(self._iterator)
                self._taken += 1
                # Asked after the first batch: the length of a foreign order is known once it has been read.
                if self._taken == self._loader.plan.num_batches(self._start["epoch"], self._start["samples"]):
                    # Keras takes as many batches as there are and drops the iterator, which would look like an epoch
                    # left early. So the loader learns right here that this was the last one.
                    self._finished = next(self._iterator, None) is None
                return conform(batch, self._spec)
            except StopIteration:
                self._finished = True
                self._passes.ended()
                raise
            except Exception as error:
                # The loader's own errors have ended its workers; a batch that does not fit the spec has not.
                self._iterator.close()
                self._error = error
                raise

    def leave(self) -> None:
        """End the pass. One that only looked at the first batch is undone, if the loader was not used since."""
        with self._passes.lock:
            if self._finished or self._error is not None:
                return
            undo = self._taken <= 1 and self._iterator.active
            self._iterator.close()
            if undo:
                self._loader.load_state_dict(self._start)
            self._error = DataloadError(
                "this iterator was ended because a newer one was made of the same Dataset, whose Loader runs one at a "
                "time. For two at once make a second one: to_dataset(loader.with_options())"
            )

    def __del__(self) -> None:
        self.leave()
