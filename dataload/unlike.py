"""What to say of samples that make no batch: which field, which samples, and how to mend it without losing data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.errors import CollateError
from dataload.kinds import Kind, describe, kind_of
from dataload.samples import Path, field_names, where

BEYOND_64_BITS = (
    "has whole numbers beyond 64 bits: make text of them in a transform, such as str, or numbers that may be rounded, "
    "such as float (numpy.uint64 holds those below 2**64)"
)
_KEEP_LIST = "dataload.whole.WholeList(x) keeps one list per sample"


def _field(path: Path) -> str:
    return where(path, "the sample")


def kinds(values: Sequence[Any], path: Path) -> CollateError:
    """Return the error for values of kinds that make no batch together."""
    found = [kind_of(value) for value in values]
    # Two dataclasses are of one kind, and yet make no batch.
    by_kind = (i for i, kind in enumerate(found) if kind is not found[0])
    other = next(by_kind, None) or next(i for i, value in enumerate(values) if type(value) is not type(values[0]))
    if Kind.NONE in found:
        mend = (
            "give the samples without a value one of the same type in a transform, such as "
            "lambda x: -1 if x is None else x, or leave the field out"
        )
    elif Kind.NUMBER in found and Kind.TEXT in found:
        mend = "give it a number in a transform, or leave the field out"
    else:
        mend = "give it one type in a transform, or leave the field out"
    return CollateError(
        f"{_field(path)} is {describe(values[0])} in sample 0 of the batch but {describe(values[other])} in sample "
        f"{other}: {mend}"
    )


def dtypes(found: Sequence[np.dtype[Any]], path: Path, values: Sequence[Any] | None = None) -> CollateError:
    """Return the error for arrays or numbers of several dtypes; `values` are shown where they are numbers."""
    other = next(i for i, dtype in enumerate(found) if dtype != found[0])
    first, second = found[0], found[other]
    shown = ["", ""] if values is None else [f" ({describe(values[i])})" for i in (0, other)]
    return CollateError(
        f"{_field(path)} is {first}{shown[0]} in sample 0 of the batch and {second}{shown[1]} in sample {other}: "
        f"{_one_dtype(first, second, numbers=values is not None)}"
    )


def _one_dtype(first: np.dtype[Any], second: np.dtype[Any], *, numbers: bool) -> str:
    try:
        both = np.promote_types(first, second)
    except TypeError:
        return "give it one dtype in a transform, or leave the field out"
    if both.kind in "OUSTV" and first.kind != second.kind:
        return "give it one dtype in a transform, or leave the field out"
    mend = f"numpy.{both.name}" if numbers else f"lambda x: x.astype({both.name!r})"
    rounded = both.kind in "fc" and any(dtype.kind in "iu" and dtype.itemsize == 8 for dtype in (first, second))
    note = ", which keeps whole numbers up to 2**53" if rounded else ""
    return f"convert it in a transform, such as {mend}{note}"


def fields(values: Sequence[Any], other: int, path: Path) -> CollateError:
    """Return the error for samples of other fields."""
    return CollateError(
        f"{_field(path)} has the fields {field_names(values[0])} in sample 0 of the batch but "
        f"{field_names(values[other])} in sample {other}: give all samples the same fields in a transform, or keep one "
        "dict per sample with dataload.whole.WholeDict(x)"
    )


def positions(values: Sequence[Any], other: int, path: Path) -> CollateError:
    """Return the error for tuples or lists of several lengths."""
    return CollateError(
        f"{_field(path)} has {len(values[0])} elements in sample 0 of the batch but {len(values[other])} in sample "
        f"{other}: its positions are gathered one by one. Make one array of it in a transform, or {_KEEP_LIST}"
    )


def all_empty(path: Path) -> CollateError:
    """Return the error for lists of which all in the batch are empty."""
    return CollateError(
        f"{_field(path)} is an empty list in every sample of the batch, which does not say what its elements would be: "
        f"use numpy.asarray(x, dtype) in a transform for numbers, while {_KEEP_LIST}"
    )


def too_large(values: Sequence[Any], path: Path) -> CollateError:
    """Return the error for whole numbers that int64 does not hold."""
    other = next((i for i, value in enumerate(values) if not -(1 << 63) <= value < 1 << 63), 0)
    return CollateError(f"{_field(path)} {BEYOND_64_BITS}, in sample {other} of the batch")


def shapes(arrays: Sequence[NDArray[Any]], other: int, path: Path) -> CollateError:
    """Return the error for arrays of several shapes that are to be stacked."""
    return CollateError(
        f"{_field(path)} has shape {arrays[0].shape} in sample 0 of the batch and {arrays[other].shape} in sample "
        f"{other}, which cannot be stacked: use collate_fn=pad, or PadOrTrim(length) as a transform"
    )


def padded_shapes(arrays: Sequence[NDArray[Any]], other: int, axes: int, path: Path) -> CollateError:
    """Return the error for arrays that differ in other axes than those that are padded."""
    which = "the leading axis" if axes == 1 else f"the first {axes} axes"
    mend = "give all samples the same number of axes in a transform"
    if arrays[other].ndim == arrays[0].ndim:
        mend = f"pad(..., axes={arrays[0].ndim}) evens out all of them"
    return CollateError(
        f"{_field(path)} has shape {arrays[0].shape} in sample 0 of the batch and {arrays[other].shape} in sample "
        f"{other}: padding evens out {which} only; {mend}"
    )
