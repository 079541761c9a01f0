"""The loader for JAX: batches as pytrees of `jax.Array`, on their devices before they are asked for.

JAX has no loader of its own that would set the form, so this one has that of the others: iterate, save, restore.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.adapters.element_spec import map_arrays
from dataload.adapters.messages import missing_extra
from dataload.adapters.passes import Pass, Passes, Resumable
from dataload.errors import CollateError
from dataload.loader import Loader
from dataload.samples import Path, where

try:
    import jax
except ImportError as error:
    raise missing_extra("jax", "jax", error) from error

# Batches that are on their devices before they are asked for. One is copied while the step on the batch before it runs.
_AHEAD = 2


def to_jax(loader: Loader, sharding: jax.sharding.Sharding | None = None) -> JaxLoader:
    """Return the loader's batches as `jax.Array`s.

    Dicts, tuples and named tuples stay what they are, lists become tuples and dataclasses dicts, so that every batch is
    a pytree of arrays. 64-bit numbers become 32-bit ones, as everywhere in JAX unless `jax_enable_x64` is set.

    Each pass is the next epoch, and `state_dict()` counts the batches that were handed out, whatever is on its way to a
    device.

    Args:
        loader: makes the batches, with its own workers, order and state. Among several processes each has its own
            `shard` of it.
        sharding: of each array, for example `NamedSharding(mesh, PartitionSpec("data"))`, which divides the leading
            axis, the samples; None is the default device. Over the devices of several processes, each brings the part
            that is its own.

    Returns:
        Something to iterate over, again for each epoch, with `len`, `set_epoch`, `state_dict` and `load_state_dict`.
        On the CPU arrays stay on the loader's memory where JAX takes it; to other devices batches are copied ahead, on
        a thread. While a batch is on its way it raises what the loader raises, and `CollateError` for what JAX has no
        arrays of (strings, objects, times, whole numbers beyond 32 bits); the message names the field.

    >>> [batch.tolist() for batch in to_jax(Loader([1.0, 2.0, 3.0], batch_size=2))]
    [[1.0, 2.0], [3.0]]
    """
    return JaxLoader(loader, sharding)


class JaxLoader(Resumable):
    """A loader whose batches are pytrees of `jax.Array`; see `to_jax`.

    Attributes:
        loader: makes the batches.
        sharding: of their arrays.
    """

    def __init__(self, loader: Loader, sharding: jax.sharding.Sharding | None = None) -> None:
        self.loader = loader
        self.sharding = sharding
        devices = sharding.device_set if sharding is not None else jax.devices()[:1]
        ahead = 0 if all(device.platform == "cpu" for device in devices) else _AHEAD
        put = partial(_put, sharding)
        self._passes = Passes(loader, lambda batch: map_arrays(batch, put), ahead=ahead)

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return len(self.loader)

    def __iter__(self) -> Pass:
        """Return the next pass: the next epoch, or what is left of the one of a loaded state."""
        return self._passes.start()

    def __repr__(self) -> str:
        return f"to_jax({self.loader!r}, sharding={self.sharding!r})"


def _put(sharding: jax.sharding.Sharding | None, array: NDArray[Any], path: Path) -> jax.Array:
    if array.dtype.itemsize == 8 and array.dtype.kind in "iu" and not jax.config.jax_enable_x64:
        limits = np.iinfo(f"{array.dtype.kind}4")
        if array.size and not limits.min <= array.min() <= array.max() <= limits.max:
            raise CollateError(
                f"{where(path)} has whole numbers beyond 32 bits, which JAX would cut off: set "
                "jax.config.update('jax_enable_x64', True), or leave the field out"
            )
    try:
        if sharding is None or sharding.is_fully_addressable:
            return jax.device_put(array, sharding)
        return jax.make_array_from_process_local_data(sharding, array)
    except TypeError as error:
        what = "text" if array.dtype.kind in "OUST" else array.dtype
        raise CollateError(
            f"{where(path)} is {what}, which JAX has no arrays of: make numbers of it in a transform, or leave the "
            "field out"
        ) from error
    except ValueError as error:
        raise CollateError(
            f"{where(path)} has shape {array.shape}, which {sharding} does not divide ({error}): use a batch_size that "
            "is a multiple of the devices, with drop_last=True"
        ) from error
