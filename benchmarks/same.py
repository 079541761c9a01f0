"""Whether two systems made the same batches.

A batch is summed up by the shape of each array and the mean of each sample in it. That tells two batches apart, allows
for kernels that differ in the last bits, and does not depend on the order in which batches come.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Summary = list[dict[str, Any]]


def summarise(batch: Any) -> Summary:
    """Return the summary of a batch: a dict, tuple or list of arrays or tensors, or one of them."""
    if isinstance(batch, dict):
        batch = list(batch.values())
    leaves = batch if isinstance(batch, tuple | list) else [batch]
    return [_summarise(np.asarray(leaf)) for leaf in leaves]


def _summarise(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    rows = array.reshape(len(array), -1) if array.ndim > 1 else array[:, None]
    return {"shape": list(array.shape), "means": rows.mean(axis=1, dtype=np.float64).tolist()}


def difference(made: list[Summary], expected: list[Summary], tolerance: float, *, values: bool = True) -> str | None:
    """Say what is different, or return None if every batch made is one of the expected ones, none of them twice.

    Args:
        made: summaries of the first batches of a system, in any order.
        expected: summaries of all batches of an epoch.
        tolerance: relative, of the means.
        values: False compares the shapes only, and allows one frame more or less.
    """
    left = list(expected)
    for number, summary in enumerate(made):
        match = next((one for one in left if _same(summary, one, tolerance, values)), None)
        if match is None:
            shapes = [leaf["shape"] for leaf in summary]
            return f"batch {number} with shapes {shapes} is none of the {len(expected)} that dataload makes"
        left.remove(match)
    return None


def other_samples(made: list[Summary], expected: list[Summary], tolerance: float) -> str | None:
    """Say what is different, or return None if an epoch has the samples of another, in whichever order and batches.

    Args:
        made: summaries of all batches of an epoch.
        expected: summaries of all batches of an epoch.
        tolerance: relative, of the means.
    """
    ours, theirs = (sorted(_samples(summaries)) for summaries in (made, expected))
    if len(ours) != len(theirs):
        return f"an epoch has {len(ours)} samples, and {len(theirs)} that dataload makes"
    for one, other in zip(ours, theirs, strict=True):
        if not np.allclose(one, other, rtol=tolerance + 1e-6, atol=1e-6):
            return f"a sample with the means {one} is none of the {len(theirs)} that dataload makes"
    return None


def _samples(summaries: list[Summary]) -> list[tuple[float, ...]]:
    """Return the size of each sample and the means of its arrays."""
    found: list[tuple[float, ...]] = []
    for summary in summaries:
        sizes = tuple(size for leaf in summary for size in leaf["shape"][1:])
        found += [(*sizes, *means) for means in zip(*(leaf["means"] for leaf in summary), strict=True)]
    return found


def _same(a: Summary, b: Summary, tolerance: float, values: bool) -> bool:
    return len(a) == len(b) and all(_same_leaf(x, y, tolerance, values) for x, y in zip(a, b, strict=True))


def _same_leaf(a: dict[str, Any], b: dict[str, Any], tolerance: float, values: bool) -> bool:
    if values:
        return a["shape"] == b["shape"] and np.allclose(a["means"], b["means"], rtol=tolerance + 1e-6, atol=1e-6)
    return len(a["shape"]) == len(b["shape"]) and np.allclose(a["shape"], b["shape"], rtol=0, atol=1)
