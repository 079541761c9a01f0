"""No workers: a batch is made in the training loop's own thread when it asks for one."""

from __future__ import annotations

from collections import deque

from dataload.memory import Recycler
from dataload.pipeline import Pipeline
from dataload.workers.base import Result, Task, TaskRunner, WorkerStatistics, closed


class SerialWorkers:
    """Makes each batch when it is asked for."""

    def __init__(self, pipeline: Pipeline, count: int = 0) -> None:
        self._runner = TaskRunner(pipeline)
        self._tasks: deque[Task] = deque()
        # A batch is usually kept until the next one is there, and by some for one more.
        self._memory = Recycler(keep=3)

    def submit(self, task: Task) -> None:
        """Keep the task until a result is asked for."""
        self._runner.expect(task)
        self._tasks.append(task)

    def next_result(self, timeout: float | None) -> Result:
        """Run the oldest task. `timeout` has no effect: there is nobody else to interrupt the work."""
        try:
            task = self._tasks.popleft()
        except IndexError:
            raise closed() from None
        return self._runner.run(task, self._memory.allocator(), "no workers")

    def ready(self) -> int:
        """Return 0: a batch is made when it is asked for."""
        return 0

    def resize(self, count: int) -> None:
        """Do nothing: there is one thread, the caller's."""

    def statistics(self) -> WorkerStatistics:
        """Return that there are none."""
        return WorkerStatistics("serial", 0)

    @property
    def draws(self) -> bool:
        """Whether the pipeline was seen to draw from the global generators, which threads share."""
        return self._runner.draws

    def close(self) -> None:
        """Forget the tasks."""
        self._tasks.clear()
        self._runner.close()
