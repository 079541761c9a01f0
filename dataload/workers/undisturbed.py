"""Steps that Ctrl-C may not tear apart: a process that was forked but not yet noted would be left behind.

A signal handler that raises does so in the main thread, between any two of its instructions and inside of `fork` too;
masking a signal only moves it to another thread. So the main thread has such a step done by another thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


def undisturbed(act: Callable[[], None], hurry: Callable[[], None] = lambda: None) -> None:
    """Call `act()`; what a signal handler raises meanwhile is raised when it is done.

    Args:
        act: what must not be left half done. It runs on another thread if this is the main thread.
        hurry: called when a signal handler raises while `act` runs: somebody wants it to end now.
    """
    if threading.current_thread() is not threading.main_thread():
        act()
        return
    # Who takes the step out does it: after an interrupt nobody could tell whether the helper has begun.
    steps = deque([act])
    over = threading.Event()
    errors: deque[BaseException] = deque()

    def work() -> None:
        try:
            step = steps.pop()
        except IndexError:
            return
        try:
            step()
        except BaseException as error:
            errors.append(error)
        finally:
            over.set()

    helper = threading.Thread(target=work, name="dataload-step", daemon=True)
    try:
        helper.start()
        over.wait()
    except BaseException as error:
        try:
            steps.pop()
        except IndexError:
            _wait_for(over, hurry)
            raise error from None
        if not isinstance(error, RuntimeError):
            raise
        # No thread can be started: at the end of the interpreter, or because there are too many.
        act()
        return
    helper.join()
    if errors:
        raise errors.pop()


def _wait_for(over: threading.Event, hurry: Callable[[], None]) -> None:
    while not over.is_set():
        try:
            hurry()
            over.wait()
        except BaseException:  # interrupted again; the first interrupt is raised
            continue
