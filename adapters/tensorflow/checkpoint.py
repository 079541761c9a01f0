"""The loader's state beside a model's variables, in one `tf.train.Checkpoint`.

Apart from the dataset, whose own iterator state TensorFlow could save only for pipelines without Python in them.
"""

from __future__ import annotations

import json

import tensorflow as tf

from dataload.loader import Loader


class LoaderState(tf.train.experimental.PythonState):  # type: ignore[misc]
    """Saves and restores a loader's state with whatever else a Checkpoint holds.

    `tf.train.Checkpoint(model=model, optimizer=optimizer, loader=LoaderState(loader))`: `save` writes where the
    training loop is, `restore` lets the next pass over `to_dataset(loader)` go on with the next batch. It is for you to
    restore before that pass begins.

    Args:
        loader: the one that the dataset was made of.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def serialize(self) -> str:
        """Return the state as text; TensorFlow calls this when it saves."""
        return json.dumps(self._loader.state_dict())

    def deserialize(self, string_value: str | bytes) -> None:
        """Take the state over; TensorFlow calls this when it restores.

        Raises:
            StateError: it belongs to another data set, sampler or seed.
        """
        self._loader.load_state_dict(json.loads(string_value))
