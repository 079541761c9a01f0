"""The loader as a `keras.utils.PyDataset`, for `model.fit` on any backend, TensorFlow and torch installed or not.

Keras takes `to_dataset` of the TensorFlow adapter and `to_dataloader` of the torch adapter as well; this one needs
neither, and so is the one for Keras on JAX.
"""

from __future__ import annotations

from typing import Any

from dataload.adapters.element_spec import map_arrays
from dataload.adapters.hooks import PassHooks
from dataload.adapters.messages import missing_extra
from dataload.adapters.passes import Pass, Passes, Resumable
from dataload.errors import CollateError, ConfigError
from dataload.loader import Loader
from dataload.samples import Path, where

try:
    import keras
except ImportError as error:
    raise missing_extra("keras", "keras", error) from error


def to_pydataset(loader: Loader) -> KerasBatches:
    """Return the loader's batches as a PyDataset, on the loader's own memory.

    `fit` wants each batch to be (inputs, targets) or (inputs, targets, sample weights): let the transforms or the
    collate function of the loader give such tuples. Each epoch of `fit` is the loader's next epoch. The order is the
    loader's, with `shuffle=True` too, and Keras starts no workers, because the loader has its own. The look that Keras
    takes at the first batch before it trains costs nothing.

    With the TensorFlow backend use `dataload.adapters.tensorflow.to_dataset`: TensorFlow takes batches of this one
    ahead, which the state would count.

    Args:
        loader: makes the batches, with its own workers, order and state.

    Returns:
        A PyDataset with `set_epoch`, `state_dict` and `load_state_dict`. On the way to a batch it raises what the
        loader raises, and `CollateError` for text and objects, which Keras has no tensors of, with the name of the
        field.

    Raises:
        ConfigError: the loader has no batches.

    >>> to_pydataset(Loader([(1.0, 0), (2.0, 1)], batch_size=2))[0]
    (array([1., 2.]), array([0, 1]))
    """
    if not len(loader):
        raise ConfigError(f"{loader!r} has no batches: Keras needs at least one")
    return KerasBatches(loader)


class KerasBatches(Resumable, keras.utils.PyDataset):  # type: ignore[misc]
    """A PyDataset whose batches come from a `Loader`; see `to_pydataset`.

    Attributes:
        loader: makes the batches.
    """

    def __init__(self, loader: Loader) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.loader = loader
        # Keras alone asks for batches here, and looks at the first one before it trains.
        self._passes = Passes(loader, lambda batch: map_arrays(batch, _numbers), hooks=_Hooks(), is_look=lambda: True)
        self._pass: Pass | None = None

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return len(self.loader)

    def __getitem__(self, index: int) -> Any:
        """Return the next batch, whatever its index: Keras asks once for each, in some order, and the order is ours."""
        if self._pass is None:
            self._pass = self._passes.start()
        batch = next(self._pass, None)
        if batch is None:
            # What is left of a resumed epoch is shorter than Keras knows.
            self._pass = self._passes.start()
            batch = next(self._pass)
        return batch

    def on_epoch_begin(self) -> None:
        """Begin the next pass; Keras calls this."""
        self._end()

    def on_epoch_end(self) -> None:
        """End the pass; Keras calls this."""
        self._end()

    def _end(self) -> None:
        ended, self._pass = self._pass, None
        if ended is not None:
            ended.leave()


class _Hooks(PassHooks):
    def length_changed(self) -> None:
        raise ConfigError(
            "reshard changed the number of batches of an epoch that Keras is in the middle of: call it between two "
            "calls of fit, or keep the samples of a step as many as they are, without batch_size="
        )


def _numbers(array: Any, path: Path) -> Any:
    if array.dtype.kind not in "biufc" and array.dtype.name != "bfloat16":
        raise CollateError(
            f"{where(path)} is {'text' if array.dtype.kind in 'OUST' else array.dtype}, which Keras has no tensors of: "
            "make numbers of it in a transform, or leave the field out"
        )
    return array
