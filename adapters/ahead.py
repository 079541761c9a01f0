"""A thread that takes batches from a loader and prepares them before they are asked for.

A thread has an end of its own: the last batch, an error, or a pass that was dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from dataload.iteration import EpochIterator


class Ahead:
    """Prepared batches, in order.

    Args:
        iterator: gives the batches; it is used and closed on the thread alone.
        prepare: called with each batch, on the thread.
        depth: how many prepared batches may wait.
    """

    def __init__(self, iterator: EpochIterator, prepare: Callable[[Any], Any], depth: int) -> None:
        self._iterator = iterator
        self._prepare = prepare
        self._depth = depth
        self._ready: deque[Any] = deque()
        self._end: BaseException | None = None
        self._closed = False
        # Whether the iterator is given back to somebody who goes on with it.
        self._halted = False
        self._changed = threading.Condition()
        # A daemon, because a program may end in the middle of an epoch.
        iterator.take_ahead(True)
        self._thread = threading.Thread(target=self._run, name="dataload-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Ahead:
        return self

    def __next__(self) -> Any:
        with self._changed:
            while not self._ready and self._end is None:
                self._changed.wait()
            if self._ready:
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
            assert self._end is not None
            if isinstance(self._end, StopIteration):
                self._iterator.take_ahead(False)
            raise self._end

    def halt(self) -> None:
        """End the thread when it has the batch that it waits for, without ending the iterator, and wait for that."""
        self._halted = True
        self._drop()
        self._thread.join()
        self._iterator.take_ahead(False)

    def _drop(self) -> None:
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread, and wait until it has; a batch that it waits for is given up."""
        self._drop()
        # Wakes the thread where it waits for a batch. At the end of an epoch there is nothing to give up, and the
        # workers stay.
        self._iterator.close()
        # The garbage collector may end a pass on any thread.
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        end: BaseException = StopIteration()
        try:
            for batch in self._iterator:
                item = self._prepare(batch)
                del batch
                if not self._put(item):
                    break
                del item
        except BaseException as error:
            end = error
        finally:
            if not self._halted:
                self._iterator.close()
        with self._changed:
            self._end = end
            self._changed.notify_all()

    def _put(self, item: Any) -> bool:
        with self._changed:
            while len(self._ready) >= self._depth and not self._closed:
                self._changed.wait()
            if not self._closed:
                self._ready.append(item)
                self._changed.notify_all()
            return not self._closed
