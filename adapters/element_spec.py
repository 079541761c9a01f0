"""What every batch of a loader looks like: its structure, and the shape and dtype of each array in it.

Frameworks that build a graph must know this before the first batch. It is found by making the first batch and asking
the collate function which axes vary, so it does not depend on how long the samples in that batch happen to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    leaves,
    map_fields,
    map_leaves,
    rebuild_as_tree,
    where,
)

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Leaf:
    """One array of a batch.

    Attributes:
        path: of field names and positions, from the batch to the array.
        shape: None for an axis that varies; None as a whole where even the number of axes does.
        dtype: object for strings.
    """

    path: Path
    shape: Shape | None
    dtype: np.dtype[Any]


def find_spec(loader: Loader) -> Any:
    """Return the structure of the loader's batches with a `Leaf` for each array; the loader stays where it is.

    The first batch is made once for this. With a collate function other than `stack` and `pad`, the second and the
    last one are made too, and an axis counts as varying if it differs between them.

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
    probes = [{path: _as_array(leaf, path) for path, leaf in leaves(batch, is_leaf=_is_column)} for batch in batches]
    sizes = [len(indices) for indices in chosen]
    # With drop_last all batches have one size; else the last one is smaller, and so is the first after a resume.
    full = loader.drop_last and loader.batch_size is not None
    shape_of: Callable[[Path], Shape | None]
    if layout is not None:
        shape_of = partial(_collated_shape, batches[0], probes[0], layout, None if not full else loader.batch_size)
    else:
        shape_of = partial(_common_shape, probes, sizes, full)
    return map_arrays(batches[0], lambda array, path: Leaf(path, shape_of(path), array.dtype))


def conform(batch: Any, spec: Any, path: Path = ()) -> Any:
    """Return the batch in the structure of the spec, with an array for each `Leaf`.

    An array is handed on as it is, if its memory can be; strings become arrays of objects, read-only arrays copies,
    because whoever gets the array may write to it.

    Raises:
        CollateError: the batch does not fit; the message names the field, what it is and what it should be.
    """
    if isinstance(spec, Leaf):
        array = _as_array(batch, path)
        _check_leaf(array, spec)
        return array
    names = field_names(spec)
    found = field_names(batch) if is_container(batch) and not _is_column(batch) else None
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
        batch, lambda leaf, path: change(_as_array(leaf, path), path), is_leaf=_is_column, rebuild=rebuild_as_tree
    )


_ADVICE = "let collate_fn return the same structure, dtypes and number of axes for any samples, or pass element_spec="


def _check_leaf(array: NDArray[Any], leaf: Leaf) -> None:
    if array.dtype != leaf.dtype:
        raise CollateError(
            f"{where(leaf.path)} is {_dtype_name(array.dtype)} in this batch, where element_spec has "
            f"{_dtype_name(leaf.dtype)}: {_ADVICE}"
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


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return "string" if dtype.kind == "O" else str(dtype)


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


def _collated_shape(
    batch: Any,
    arrays: dict[Path, NDArray[Any]],
    layout: Stack | Pad,
    size: int | None,
    path: Path,
) -> Shape:
    """Return the shape of an array made by `stack` or `pad`: which axes vary is known from the function alone."""
    shape = arrays[path].shape
    field = _sample_field(batch, layout, path[0]) if path else None
    # The lengths beside a padded array have one axis, so they come out right as well.
    return (size, *((None, *shape[2:]) if len(shape) > 1 and layout.pads(field) else shape[1:]))


def _sample_field(batch: Any, layout: Stack | Pad, field: Field) -> Field:
    """Return what the sample calls a field of the batch: in a tuple each padded array is followed by its lengths."""
    if not isinstance(field, int) or not isinstance(batch, tuple | list):
        return field
    position = at = 0
    while True:
        value = batch[at]
        width = 2 if layout.pads(position) and isinstance(value, np.ndarray) and value.ndim > 1 else 1
        if field < at + width:
            return position
        position, at = position + 1, at + width


def _common_shape(probes: list[dict[Path, NDArray[Any]]], sizes: list[int], full: bool, path: Path) -> Shape | None:
    """Return the shape of an array made by an unknown function, from what is alike in some batches."""
    if any(probe.keys() != probes[0].keys() for probe in probes):
        raise CollateError(f"collate_fn does not return the same structure for any samples: {_ADVICE}")
    arrays = [probe[path] for probe in probes]
    for array in arrays:
        if array.dtype != arrays[0].dtype:
            raise CollateError(
                f"{where(path)} is {_dtype_name(arrays[0].dtype)} in the first batch and {_dtype_name(array.dtype)} in "
                f"another: {_ADVICE}"
            )
    if len({array.ndim for array in arrays}) > 1:
        return None
    shape: list[int | None] = []
    for axis, lengths in enumerate(zip(*(array.shape for array in arrays), strict=True)):
        grows = axis == 0 and not full and list(lengths) == sizes
        shape.append(None if grows or len(set(lengths)) > 1 else lengths[0])
    return tuple(shape)


def _is_column(value: Any) -> bool:
    """Tell whether a list is one array, of strings or numbers, and not a container of arrays."""
    if not isinstance(value, list):
        return False
    first = value[0] if value else None
    nested = isinstance(first, np.ndarray | list) or (hasattr(first, "__array__") and not isinstance(first, np.generic))
    return not nested and not is_container(first)


def _as_array(value: Any, path: Path) -> NDArray[Any]:
    try:
        array = value if isinstance(value, np.ndarray) else np.asarray(value)
    except ValueError as error:
        raise CollateError(f"{where(path)} does not make one array ({error}): {_ADVICE}") from error
    if array.dtype.kind in "UST":
        # The lengths of strings vary; numpy would fill them up to the longest one.
        return np.array(value, object) if array is not value else array.astype(object)
    if array.dtype.kind == "O":
        for item in array.flat:
            if not isinstance(item, str | bytes):
                raise CollateError(
                    f"{where(path)} holds a {type(item).__name__}, which does not go into a tensor: make a number or a "
                    "string of it in a transform, or leave the field out"
                )
        return array
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    # Whoever takes the memory over may write to it.
    return array if array.flags.writeable else array.copy()
