"""A kind of worker of one's own: the threads of an executor."""

import queue
from concurrent.futures import ThreadPoolExecutor

from dataload.memory import aligned_empty
from dataload.workers import TaskRunner, WorkerStatistics
from dataload.workers.base import closed, timed_out


class PoolWorkers:
    def __init__(self, pipeline, count):
        self._runner = TaskRunner(pipeline, count)
        self._count = count
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="dataload-pool")
        self._results = queue.SimpleQueue()

    def submit(self, task):
        self._runner.expect(task)
        self._executor.submit(lambda: self._results.put(self._runner.run(task, aligned_empty, "pool worker")))

    def next_result(self, timeout):
        try:
            result = self._results.get(timeout=timeout)
        except queue.Empty:
            raise timed_out(f"{self._count} pool workers", "") from None
        if result is None:
            self._results.put(None)
            raise closed()
        return result

    def ready(self):
        return self._results.qsize()

    def resize(self, count):
        """An executor keeps its size; all that was handed in is done all the same."""

    def statistics(self):
        return WorkerStatistics("pool", self._count)

    def close(self):
        self._results.put(None)
        self._runner.close()
        self._executor.shutdown(cancel_futures=True)
