"""What every batch of a loader looks like: its structure, and the shape and dtype of each array in it.

Frameworks that build a graph must know this before the first batch. It is found by making the first batch and asking
the collate function which axes vary, so it does not depend on how long the samples in that batch happen to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.adapters.leaves import (
    Leaf,
    Lists,
    Shape,
    as_leaf,
    dtype_name,
    flatten,
    is_column,
    is_lists,
    spec_of_lists,
)
from dataload.batching import SizedBatches
from dataload.collate import Pad, Stack
from dataload.errors import CollateError, ConfigError
from dataload.loader import Loader
from dataload.samplers.base import IndexArray
from dataload.samples import (
    Field,
    Path,
    field_names,
    get_field,
    is_container,
    is_namedtuple,
    leaves,
    map_fields,
    map_leaves,
    rebuild_as_tree,
    where,
)


def find_spec(loader: Loader) -> Any:
    """Return the structure of the loader's batches with a `Leaf` for each array; the loader stays where it is.

    The first batch is made once for this. With a collate function other than `stack` and `pad`, the second and the
    last one are made too, and an axis counts as varying if it differs between them. A list of numbers or texts per
    sample, in a batch that `stack` or `pad` made, is a `Lists`.

    Raises:
        ConfigError: the loader has no batches.
        CollateError: the batches hold something else than numbers and strings, or differ in structure or dtype.
    """
    epoch = loader.state_dict()["epoch"]
    collate = loader.pipeline.collate
    layout = collate if isinstance(collate, Stack | Pad) else None
    chosen = list(_some_batches(loader, epoch, just_first=layout is not None))
    if not chosen:
        raise ConfigError(f"{loader!r} has no batches, so what they look like cannot be found: pass element_spec=")
    batches = [loader.pipeline.run(epoch, indices) for indices in chosen]
    is_leaf = is_column if layout is None else _is_leaf
    probes = [dict(leaves(batch, is_leaf=is_leaf)) for batch in batches]
    for probe in probes:
        for path, leaf in probe.items():
            probe[path] = leaf if layout is not None and is_lists(leaf) else as_leaf(leaf, path)
    sizes = [len(indices) for indices in chosen]
    # With drop_last all batches have one size; else the last one is smaller, and so is the first after a resume.
    full = loader.drop_last and loader.batch_size is not None
    shape_of: Callable[[Path], Shape | None]
    if layout is not None:
        shape_of = partial(_collated_shape, batches[0], probes[0], layout, None if not full else loader.batch_size)
    else:
        shape_of = partial(_common_shape, probes, sizes, full)

    def spec_of(leaf: Any, path: Path) -> Leaf | Lists:
        found = probes[0][path]
        return Leaf(path, shape_of(path), found.dtype) if isinstance(found, np.ndarray) else spec_of_lists(leaf, path)

    return map_leaves(batches[0], spec_of, is_leaf=is_leaf, rebuild=rebuild_as_tree)


def conform(batch: Any, spec: Any, path: Path = ()) -> Any:
    """Return the batch in the structure of the spec, with an array for each `Leaf` and two for each `Lists`.

    An array is handed on as it is, if its memory can be; strings become arrays of objects, read-only arrays copies,
    because whoever gets the array may write to it.

    Raises:
        CollateError: the batch does not fit; the message names the field, what it is and what it should be.
    """
    if isinstance(spec, Leaf):
        array = as_leaf(batch, path)
        _check_leaf(array, spec)
        return array
    if isinstance(spec, Lists):
        return flatten(batch, spec)
    names = field_names(spec)
    found = field_names(batch) if is_container(batch) and not is_column(batch) else None
    if found is None or set(found) != set(names):
        has = type(batch).__name__ if found is None else f"the fields {found}"
        raise CollateError(f"{where(path)} has {has}, where element_spec has the fields {names}: {_ADVICE}")
    return map_fields(spec, lambda name, child: conform(get_field(batch, name), child, (*path, name)), rebuild_as_tree)


def map_arrays(batch: Any, change: Callable[[NDArray[Any], Path], Any]) -> Any:
    """Return the batch in containers that frameworks know, with change(array, path) for each array in it.

    Raises:
        CollateError: it holds something else than numbers and strings; the message names the field.
    """
    return map_leaves(
        batch, lambda leaf, path: change(as_leaf(leaf, path), path), is_leaf=is_column, rebuild=rebuild_as_tree
    )


_ADVICE = "let collate_fn return the same structure, dtypes and number of axes for any samples, or pass element_spec="


def _check_leaf(array: NDArray[Any], leaf: Leaf) -> None:
    if array.dtype != leaf.dtype:
        raise CollateError(
            f"{where(leaf.path)} is {dtype_name(array.dtype)} in this batch, where element_spec has "
            f"{dtype_name(leaf.dtype)}: {_ADVICE}"
        )
    if leaf.shape is None:
        return
    fits = len(array.shape) == len(leaf.shape) and all(
        expected is None or size == expected for size, expected in zip(array.shape, leaf.shape, strict=True)
    )
    if not fits:
        raise CollateError(
            f"{where(leaf.path)} has shape {array.shape} in this batch, where element_spec has {leaf.shape}: "
            "pass element_spec= with None for each axis that varies"
        )


def _some_batches(loader: Loader, epoch: int, *, just_first: bool) -> Iterator[IndexArray]:
    """Yield the indices of the first batch, or of the first, the second and the last one."""
    plan = loader.plan
    batches = plan.batches(epoch)
    yield from islice(batches, 1 if just_first else 2)
    count = plan.num_batches(epoch)
    if just_first or count < 3:
        return
    if isinstance(plan, SizedBatches):
        batches = plan.batches(epoch, plan.position(epoch, 0, count - 1))
    *_, last = batches
    yield last


def _is_leaf(value: Any) -> bool:
    """Tell whether a list in a batch of `stack` or `pad` is one column, of values or of lists."""
    return is_column(value) or is_lists(value)


def _collated_shape(
    batch: Any,
    arrays: dict[Path, NDArray[Any]],
    layout: Stack | Pad,
    size: int | None,
    path: Path,
) -> Shape:
    """Return the shape of an array made by `stack` or `pad`: which axes vary is known from the function alone."""
    shape = arrays[path].shape
    axes = _padded_axes(batch, layout.padded_axes, path) if path else layout.padded_axes(None)
    axes = max(min(axes, len(shape) - 1), 0)
    return (size, *[None] * axes, *shape[1 + axes :])


def _padded_axes(container: Any, axes_of: Callable[[Field], int], path: Path) -> int:
    """Return how many axes are padded of the array at a path of a batch; none where it holds lengths.

    Args:
        container: the batch, or a part of it.
        axes_of: says it of the fields of a sample.
        path: from the container to the array.
    """
    field, is_lengths = _origin(container, axes_of, path[0])
    axes = axes_of(field)
    if len(path) > 1:
        return _padded_axes(get_field(container, path[0]), lambda inner: axes, path[1:])
    return 0 if is_lengths else axes


def _origin(container: Any, axes_of: Callable[[Field], int], name: Field) -> tuple[Field, bool]:
    """Return what the sample calls a field of a batch, and whether this one is the lengths that `pad` put beside it."""

    def is_padded(field: Field, value: Any) -> bool:
        return axes_of(field) > 0 and isinstance(value, np.ndarray) and value.ndim > 1

    if isinstance(container, tuple | list) and not is_namedtuple(container):
        position = at = 0
        while name not in (at, at + 1) or (name == at + 1 and not is_padded(position, container[at])):
            at += 2 if is_padded(position, container[at]) else 1
            position += 1
        return position, name != at
    if isinstance(name, str) and name.endswith("_lengths"):
        for field in field_names(container):
            if f"{field}_lengths" == name and is_padded(field, get_field(container, field)):
                return field, True
    return name, False


def _common_shape(probes: list[dict[Path, NDArray[Any]]], sizes: list[int], full: bool, path: Path) -> Shape | None:
    """Return the shape of an array made by an unknown function, from what is alike in some batches."""
    if any(probe.keys() != probes[0].keys() for probe in probes):
        raise CollateError(f"collate_fn does not return the same structure for any samples: {_ADVICE}")
    arrays = [probe[path] for probe in probes]
    for array in arrays:
        if array.dtype != arrays[0].dtype:
            raise CollateError(
                f"{where(path)} is {dtype_name(arrays[0].dtype)} in the first batch and {dtype_name(array.dtype)} in "
                f"another: {_ADVICE}"
            )
    if len({array.ndim for array in arrays}) > 1:
        return None
    shape: list[int | None] = []
    for axis, lengths in enumerate(zip(*(array.shape for array in arrays), strict=True)):
        grows = axis == 0 and not full and list(lengths) == sizes
        shape.append(None if grows or len(set(lengths)) > 1 else lengths[0])
    return tuple(shape)
