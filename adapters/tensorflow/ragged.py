"""Padded fields as ragged tensors.

Apart from the dataset, because it is one step behind it: which fields, and how their padding is taken off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from dataload.adapters.element_spec import Leaf
from dataload.collate import Pad
from dataload.errors import ConfigError
from dataload.loader import Loader
from dataload.samples import Field, field_names, get_field, lengths_field, map_fields, rebuild_as_tree

_LENGTHS = np.dtype(np.int64)


def make_ragged(dataset: tf.data.Dataset, loader: Loader, spec: Any) -> tf.data.Dataset:
    """Return the dataset with each padded field as a `tf.RaggedTensor` whose second axis is ragged.

    Args:
        dataset: of dense batches.
        loader: that they come from.
        spec: their structure, with a `Leaf` for each array.

    Raises:
        ConfigError: the loader's collate function is not `pad`, or no field is padded.
    """
    if not isinstance(loader.pipeline.collate, Pad) or not _any_padded(spec):
        raise ConfigError(
            "ragged=True, but no field of the batch is padded with its lengths beside it: use collate_fn=pad, "
            "or a transform whose output varies in length, or leave ragged out"
        )
    # The map is a plain one, so that the loader's state stays exact. It gets the elements of a tuple one by one.
    return dataset.map(lambda *batch: _ragged(batch if isinstance(spec, tuple) else batch[0], spec))


def _ragged(batch: Any, spec: Any) -> Any:
    def change(name: Field, child: Any) -> Any:
        lengths = _lengths_field(spec, name)
        value = get_field(batch, name)
        if lengths is not None:
            return tf.RaggedTensor.from_tensor(value, lengths=get_field(batch, lengths), ragged_rank=1)
        return value if isinstance(child, Leaf) else _ragged(value, child)

    return map_fields(spec, change, rebuild_as_tree)


def _any_padded(spec: Any) -> bool:
    return not isinstance(spec, Leaf) and any(
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
    is_lengths = isinstance(lengths, Leaf) and lengths.dtype == _LENGTHS and len(lengths.shape or ()) == 1
    return beside if is_lengths else None
