"""One BLAS thread while a batch is computed.

How many threads a matrix product is split over may change its last bit, and a worker process that used every core
would fight the other workers for them. So every kind of worker, none included, computes under the same limit.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any


class _SingleThreaded:
    """A context that limits BLAS to one thread as long as anyone is inside it.

    The limit holds for the whole process, so it is set when the first thread enters and lifted when the last one
    leaves; with a limit per thread, one leaving would lift the limit under another one's matrix product.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._controller: Any = None
        self._limiter: Any = None

    def refresh(self) -> None:
        """Look for BLAS libraries that were loaded since the last look."""
        from threadpoolctl import ThreadpoolController

        with self._lock:
            self._controller = ThreadpoolController().select(user_api="blas")

    def __enter__(self) -> None:
        if self._controller is None:
            self.refresh()
        with self._lock:
            if self._inside == 0:
                self._limiter = self._controller.limit(limits=1)
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limiter.restore_original_limits()


single_threaded_blas = _SingleThreaded()
