"""The loader as a `tf.data.Dataset`, for `model.fit`, `.map` and everything else that takes one.

TensorFlow asks a Python generator for each batch and takes over its arrays without copying, because the loader's
memory starts on 64-byte boundaries. What is here says what a batch looks like; the passes are a file of their own.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from dataload.adapters.element_spec import find_spec
from dataload.adapters.leaves import Leaf, Lists
from dataload.adapters.tensorflow.passes import DatasetPasses
from dataload.adapters.tensorflow.ragged import assemble, check_padded, has_lists
from dataload.errors import CollateError, ConfigError, DataloadError
from dataload.loader import Loader
from dataload.samples import Path, map_fields, rebuild_as_tree, where


def to_dataset(loader: Loader, *, element_spec: Any = None, ragged: bool = False) -> tf.data.Dataset:
    """Return the loader as a Dataset, whose elements are the loader's batches as tensors on the loader's own memory.

    Dicts, tuples and named tuples stay what they are, lists become tuples and dataclasses dicts; strings are tf.string,
    file names that are not UTF-8 the bytes that they are. A list of texts per sample, such as its tags, is a
    `tf.RaggedTensor` (batch, None).

    Each pass over the dataset is the loader's next epoch, as with `iter(loader)`, with two differences, because Keras
    begins passes that it drops, and never asks for more than the last batch. A pass that Keras drops after one batch of
    several, or before the first, was only a look: the next one starts where it started. And with the last batch of an
    epoch the loader moves on to the next epoch.

    The loader's state counts the batches that TensorFlow has taken, and TensorFlow takes each when it is asked for it:
    `loader.state_dict()` between two steps is exact. What takes batches ahead makes the state run ahead: `.prefetch(n)`
    by n batches, a `.map` with num_parallel_calls, a distribution strategy (under which the look that Keras takes
    before it trains costs an epoch). No prefetch is needed where the loader has workers: they make batches ahead.

    The cardinality is `len(loader)`. After `loader.load_state_dict` the first pass may have fewer batches than that;
    Keras then warns that the input ran out of data, and goes on with the next epoch. It is unknown where a sampler of
    another library gives the order, whose epochs may differ in length.

    An exception on the way to a batch arrives as the `tf.errors` that TensorFlow makes of it; its message holds the
    original type, message, traceback and notes.

    Args:
        loader: makes the batches, with its own workers, order and state.
        element_spec: the structure of a batch with a `tf.TensorSpec` for each array, and a
            `tf.RaggedTensorSpec([None, None], dtype)` for lists of numbers or texts per sample. None finds it: one
            batch is made for that, three with a collate function other than `stack` and `pad`. The batch axis is None
            unless the loader has drop_last, axes that are padded are None.
        ragged: fields that `pad` has padded become `tf.RaggedTensor`, without the padding and with one copy, ragged
            along each axis that was padded; their lengths stay beside them.

    Raises:
        ConfigError: the loader has no batches, element_spec holds something else than such specs, or ragged=True
            where nothing is padded.
        CollateError: a field is of a kind that TensorFlow has no dtype for.

    >>> dataset = to_dataset(Loader([1.0, 2.0, 3.0], batch_size=2))
    >>> dataset.element_spec, len(dataset)
    (TensorSpec(shape=(None,), dtype=tf.float64, name=None), 2)
    """
    spec = find_spec(loader) if element_spec is None else _read_signature(element_spec, ())
    if ragged:
        check_padded(loader, spec)
    signature = _signature(spec)
    # An order that does not follow from the seed has been read from elsewhere, and may be longer in another epoch.
    known = loader.plan.order_digest(loader.state_dict()["epoch"]) is None
    passes = DatasetPasses(loader, spec, known)
    reference = weakref.ref(passes)

    def next_pass() -> Iterator[Any]:
        alive = reference()
        if alive is None:
            raise DataloadError("the dataset is gone, and with it its loader: keep the Dataset while iterating over it")
        return alive.start()

    dataset = tf.data.Dataset.from_generator(next_pass, output_signature=signature)
    if known:
        # Where the first pass is short, `repeat` asks for another and gets an empty one, which ends it. Together with
        # `take` this makes the cardinality known; `assert_cardinality` would fail in the short pass.
        dataset = dataset.repeat().take(len(loader))
    options = tf.data.Options()
    # Otherwise TensorFlow puts a prefetch of its own at the end and makes the user's `.map` a parallel one, and the
    # loader's state runs ahead.
    options.experimental_optimization.inject_prefetch = False
    options.experimental_optimization.map_parallelization = False
    options.autotune.enabled = False
    dataset = dataset.with_options(options)
    # TensorFlow keeps the generator function for ever, so that one must not hold the loader and its workers. Datasets
    # and iterators made of this dataset hold it.
    dataset._dataload_passes = passes
    return assemble(dataset, spec, padded=ragged) if ragged or has_lists(spec) else dataset


def _signature(spec: Any) -> Any:
    """Return the structure with a `tf.TensorSpec` for each `Leaf`, and two for each `Lists`: elements and lengths."""
    if isinstance(spec, Leaf):
        return tf.TensorSpec(spec.shape, _dtype(spec))
    if isinstance(spec, Lists):
        return tf.TensorSpec([None], _dtype(spec)), tf.TensorSpec([None], tf.int64)
    return map_fields(spec, lambda name, child: _signature(child), rebuild_as_tree)


def _dtype(leaf: Leaf | Lists) -> tf.DType:
    try:
        if leaf.dtype.type.__module__ == "ml_dtypes" and leaf.dtype.name != "bfloat16":
            raise TypeError("tf.data cannot export graphs with such tensors")
        return tf.as_dtype(leaf.dtype)
    except TypeError as error:
        raise CollateError(
            f"{where(leaf.path)} is {leaf.dtype}, which tf.data has no elements of: convert it in a transform, or "
            "leave the field out"
        ) from error


def _read_signature(element_spec: Any, path: Path) -> Any:
    """Return the structure with a `Leaf` for each `tf.TensorSpec`, and a `Lists` for each `tf.RaggedTensorSpec`."""
    if isinstance(element_spec, tf.TensorSpec):
        shape = element_spec.shape
        dtype = np.dtype(element_spec.dtype.as_numpy_dtype)
        return Leaf(path, None if shape.rank is None else tuple(shape), dtype)
    if isinstance(element_spec, tf.RaggedTensorSpec):
        if element_spec.ragged_rank != 1 or element_spec.shape.rank != 2:
            raise ConfigError(
                f"element_spec has {element_spec} for {where(path)}: a list per sample is "
                "tf.RaggedTensorSpec([None, None], dtype)"
            )
        return Lists(path, np.dtype(element_spec.dtype.as_numpy_dtype))
    if isinstance(element_spec, dict | tuple | list):
        return map_fields(element_spec, lambda name, child: _read_signature(child, (*path, name)), rebuild_as_tree)
    raise ConfigError(
        f"element_spec has a {type(element_spec).__name__} for {where(path)}: use tf.TensorSpec(shape, dtype)"
    )
