"""What to say of a worker process that died: how it ended, what it was doing, and the likely cause."""

from __future__ import annotations

import signal

from dataload.workers.base import Task

_CAUSES = {
    "SIGKILL": "the kernel killed it because memory ran out (fewer workers or smaller batches need less)",
    "SIGSEGV": "a native library crashed, perhaps on a damaged file",
    "SIGABRT": "a native library gave up, perhaps on a damaged file",
    "SIGBUS": "a memory-mapped file was truncated, or shared memory ran out",
    "SIGILL": "a native library was built for another processor",
    "SIGFPE": "a native library crashed, perhaps on a damaged file",
}


def cause_of_death(code: int) -> tuple[str, str]:
    """Return how a process ended and the likely cause, from its exit code (negative: the number of a signal)."""
    if code >= 0:
        cause = "something called os._exit or sys.exit, or Python itself could not start (see the output above)"
        return f"exited with code {code}", cause
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = f"signal {-code}"
    return f"was ended by {name}", _CAUSES.get(name, "another program sent the signal")


def obituary(worker: str, code: int, started: bool, task: Task | None, tries: int) -> str:
    """Return the message of a `WorkerDied`.

    Args:
        worker: name and pid.
        code: its exit code.
        started: whether it was ever ready for work.
        task: what it was doing; None for nothing.
        tries: how many workers have died of it.
    """
    end, cause = cause_of_death(code)
    doing = "while it had nothing to do" if started else "before it was ready for work"
    if task is not None:
        shown = f"{task.indices[:8].tolist()}{'...' if len(task.indices) > 8 else ''}"
        doing = f"while making batch {task.number} of epoch {task.epoch} (samples {shown})"
    return (
        f"{worker} {end} {doing}, in each of {tries} tries. Likely cause: {cause}. num_workers=0 shows what happens in "
        "this process; on_error='skip' leaves out samples that end a worker"
    )
