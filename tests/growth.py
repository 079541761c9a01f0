"""Whether the cost of something grows with its size, or with the square of it."""

import time

SMALL, LARGE = 5_000, 160_000


def grows_with_size(prepare, work):
    """Whether `work(prepare(LARGE))` costs about as much per row as for SMALL, in processor time.

    Caches and the garbage collector cost a large one about two times as much per row, and a machine that does other
    things two times more. What is quadratic costs 32 times as much, so the line between them is wide.
    """

    def seconds(count):
        prepared = prepare(count)
        start = time.process_time()
        work(prepared)
        return (time.process_time() - start) / count

    seconds(100)  # What is imported at its first use.
    return seconds(LARGE) < 10 * min(seconds(SMALL) for _ in range(3))
