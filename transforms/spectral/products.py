"""Products of many rows with one matrix, in which no row's bits depend on the rows around it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dataload.blas import single_threaded_blas
from dataload.transforms.checks import Float32
from dataload.transforms.scratch import scratch

# Rows that `matmul` takes are a multiple of this.
ROWS = 64
# Rows at once, the fastest first. With one of them there are none around it.
_AT_ONCE = (64, 8, 4, 1)


def matmul(rows: Float32, matrix: Float32, out: Float32) -> None:
    """Write `rows @ matrix`, always so many rows at a time.

    BLAS computes products of few rows in another order, and a clip must have the same bits alone and in a batch.

    Args:
        rows: (n, k), n a multiple of `ROWS` and at least that of `out`.
        matrix: (k, m).
        out: (frames, m).
    """
    n, k = rows.shape
    m = matrix.shape[1]
    whole = out if len(out) == n else scratch("products", (n, m))
    at_once = rows_at_once(k, m)
    np.matmul(rows.reshape(-1, at_once, k), matrix, out=whole.reshape(-1, at_once, m))
    if whole is not out:
        out[...] = whole[: len(out)]


@lru_cache(maxsize=64)
def rows_at_once(k: int, m: int) -> int:
    """Return how many rows of k values BLAS multiplies with a (k, m) matrix so that all have the same bits.

    Found by trial: some kernels, OpenBLAS's for Haswell and Zen among them, add up the last rows of a block in another
    order than the first ones.
    """
    matrix = np.sin(np.arange(1.0, k * m + 1)).astype(np.float32).reshape(k, m)
    row = np.cos(np.arange(1.0, k + 1)).astype(np.float32)
    # What is found must not depend on whether a worker asks, which has one thread, or the user's own code.
    with single_threaded_blas:
        for count in _AT_ONCE:
            products = np.matmul(np.tile(row, (count, 1)), matrix)
            if np.array_equal(products, np.broadcast_to(products[0], products.shape)):
                break
    return count
