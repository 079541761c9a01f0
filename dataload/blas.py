"""One BLAS thread while a batch is made, for every kind of worker.

How many threads a matrix product is split over may change its last bit, and a worker process that used every core would
compete with the other workers for them. This module owns the limit: nothing else in the library sets it.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from types import TracebackType
from typing import Any


class _Library:
    """One loaded BLAS library and the number of threads that the program gave it."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        # Some libraries limit the calling thread, others the process; which one does is not asked: every thread sets
        # its own limit when it enters, and the last one to leave lifts that of the process.
        self._before: int | None = None

    @property
    def name(self) -> str:
        return str(self._controller.filepath)

    def limit(self) -> bool:
        """Set one thread; return whether the library obeys."""
        threads = self._controller.get_num_threads()
        if threads == 1:
            return True
        if self._before is None:
            self._before = threads
        self._set(1)
        return bool(self._controller.get_num_threads() == 1)

    def lift(self) -> None:
        """Give the program back the number of threads that it had."""
        # In this order: a child that is forked between the two, while the library is called, lifts it again.
        if self._before is not None:
            self._set(self._before)
            self._before = None

    def lift_here(self) -> None:
        """Give the calling thread back its threads where the limit is that thread's own; others stay inside."""
        if self._before is not None and getattr(self._controller, "threading_layer", None) in _PER_THREAD:
            self._set(self._before)

    def _set(self, threads: int) -> None:
        # From 3.8 on threadpoolctl lets only the first thread that limits OpenBLAS limit it and ignores all others. The
        # limit is owned here, under a lock, so that rule is lifted for the call.
        release = getattr(self._controller, "clear_controlling_thread", lambda force: None)
        release(force=True)
        self._controller.set_num_threads(threads)
        release(force=True)


_PER_THREAD = ("openmp", "intel", "gnu")


class _SingleThreaded:
    """A context that limits BLAS to one thread as long as any thread is inside of it; it may be nested."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._inside = 0
        self._libraries: list[_Library] = []
        self._modules = -1

    def __enter__(self) -> None:
        depth = getattr(self._local, "depth", 0)
        if depth == 0:
            with self._lock:
                self._look_for_libraries()
                self._inside += 1
                refused = [library.name for library in self._libraries if not library.limit()]
            if refused:
                _warn(tuple(refused))
        self._local.depth = depth + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._local.depth -= 1
        if self._local.depth:
            return
        with self._lock:
            self._inside -= 1
            for library in self._libraries:
                if self._inside == 0:
                    library.lift()
                else:
                    library.lift_here()

    def _look_for_libraries(self) -> None:
        # Looking takes a millisecond. A library is loaded by an import, so it is done again after imports only.
        if self._modules == len(sys.modules):
            return
        from threadpoolctl import ThreadpoolController

        self._modules = len(sys.modules)
        known = {library.name for library in self._libraries}
        found = ThreadpoolController().select(user_api="blas").lib_controllers
        self._libraries += [_Library(controller) for controller in found if controller.filepath not in known]

    def after_fork(self) -> None:
        """Lift the limit in a forked child, where only the forking thread lives on."""
        self._lock = threading.Lock()
        self._inside = 1 if getattr(self._local, "depth", 0) else 0
        if self._inside == 0:
            for library in self._libraries:
                library.lift()


_warned: set[tuple[str, ...]] = set()


def _warn(names: tuple[str, ...]) -> None:
    if names not in _warned:
        _warned.add(names)
        warnings.warn(
            f"BLAS cannot be limited to one thread ({', '.join(names)}): the last bits of matrix products may depend "
            "on the kind and number of workers. Set OMP_NUM_THREADS=1 before the program starts",
            RuntimeWarning,
            stacklevel=3,
        )


single_threaded_blas = _SingleThreaded()

if hasattr(os, "register_at_fork"):
    # A child that is forked in the middle of a batch would keep one thread for ever: nobody leaves the context there.
    os.register_at_fork(after_in_child=single_threaded_blas.after_fork)
