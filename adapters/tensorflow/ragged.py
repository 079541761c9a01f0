"""Padded fields, and lists per sample, as ragged tensors.

Apart from the dataset, because it is one step behind it: which fields, and how they are put together.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import tensorflow as tf

from dataload.adapters.leaves import Leaf, Lists
from dataload.collate import Pad
from dataload.errors import ConfigError
from dataload.loader import Loader
from dataload.samples import Field, field_names, get_field, lengths_field, map_fields, rebuild_as_tree

_LENGTHS = np.dtype(np.int64)


def check_padded(loader: Loader, spec: Any) -> None:
    """Raise ConfigError where the loader's collate function is not `pad`, or no field is padded."""
    if not isinstance(loader.pipeline.collate, Pad) or not _any_padded(spec):
        raise ConfigError(
            "ragged=True, but no field of the batch is padded with its lengths beside it: use collate_fn=pad, "
            "or a transform whose output varies in length, or leave ragged out"
        )


def has_lists(spec: Any) -> bool:
    """Tell whether a batch has lists of numbers or texts per sample."""
    if isinstance(spec, Leaf | Lists):
        return isinstance(spec, Lists)
    return any(has_lists(get_field(spec, name)) for name in field_names(spec))


def assemble(dataset: tf.data.Dataset, spec: Any, *, padded: bool) -> tf.data.Dataset:
    """Return the dataset with each `Lists` as a `tf.RaggedTensor` (batch, None), ragged along its second axis.

    Args:
        dataset: of dense batches, with the elements and the lengths of each `Lists`.
        spec: their structure, with a `Leaf` for each array.
        padded: whether padded fields become ragged too, along each axis that was padded.
    """

    def whole(*parts: Any) -> Any:
        # A map gets the elements of a tuple one by one.
        if isinstance(spec, Lists):
            return _ragged(parts, spec, padded)
        if isinstance(spec, tuple):
            return _ragged(rebuild_as_tree(spec, dict(zip(field_names(spec), parts, strict=True))), spec, padded)
        return _ragged(parts[0], spec, padded)

    # The map is a plain one, so that the loader's state stays exact.
    return dataset.map(whole)


def _ragged(batch: Any, spec: Any, padded: bool) -> Any:
    if isinstance(spec, Leaf):
        return batch
    if isinstance(spec, Lists):
        return tf.RaggedTensor.from_row_lengths(*batch, validate=False)

    def change(name: Field, child: Any) -> Any:
        beside = _lengths_field(spec, name) if padded else None
        value = get_field(batch, name)
        if beside is None:
            return _ragged(value, child, padded)
        return _without_padding(value, get_field(batch, beside))

    return map_fields(spec, change, rebuild_as_tree)


def _without_padding(value: tf.Tensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """Return a padded array (batch, longest, ...) as a ragged tensor, given lengths (batch,) or (batch, k)."""
    if lengths.shape.rank == 1:
        return tf.RaggedTensor.from_tensor(value, lengths=lengths, ragged_rank=1)
    axes = lengths.shape[1]
    inside = [
        tf.reshape(
            tf.sequence_mask(lengths[:, axis], tf.shape(value)[1 + axis]),
            [-1, *(tf.shape(value)[1 + axis] if other == axis else 1 for other in range(axes))],
        )
        for axis in range(axes)
    ]
    rows, nested = lengths, [lengths[:, 0]]
    for axis in range(1, axes):
        rows = tf.repeat(rows, nested[-1], axis=0)
        nested.append(rows[:, axis])
    values = tf.boolean_mask(value, reduce(tf.logical_and, inside))
    return tf.RaggedTensor.from_nested_row_lengths(values, nested, validate=False)


def _any_padded(spec: Any) -> bool:
    return not isinstance(spec, Leaf | Lists) and any(
        _lengths_field(spec, name) is not None or _any_padded(get_field(spec, name)) for name in field_names(spec)
    )


def _lengths_field(container: Any, name: Field) -> Field | None:
    """Return the field with the lengths of a padded one: `pad` puts it beside it by name, in a tuple by position."""
    leaf = get_field(container, name)
    padded = isinstance(leaf, Leaf) and leaf.shape is not None and len(leaf.shape) > 1 and leaf.shape[1] is None
    beside = lengths_field(container, name)
    if not padded or beside is None:
        return None
    lengths = get_field(container, beside)
    is_lengths = isinstance(lengths, Leaf) and lengths.dtype == _LENGTHS and _counts_axes(lengths, leaf)
    return beside if is_lengths else None


def _counts_axes(lengths: Leaf, array: Leaf) -> bool:
    """Tell whether lengths are of the shape (batch,), or (batch, k) beside k axes that vary."""
    shape, varying = lengths.shape or (), (array.shape or ())[1:]
    if len(shape) != 2 or shape[1] is None or shape[1] < 2:
        return len(shape) == 1
    return varying[: shape[1]] == (None,) * shape[1]
