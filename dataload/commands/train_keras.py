"""A small Keras model on the demo's batches: `model.fit` on `to_dataset`.

No other command imports TensorFlow or Keras.
"""

from __future__ import annotations

import os

# All are read when TensorFlow and Keras are imported. The first two silence a page of start-up notes;
# TensorFlow prints the one on oneDNN at every log level. The third keeps a user's configuration of Keras for
# another backend from meeting a tf.data pipeline.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

from dataload.adapters.tensorflow import to_dataset
from dataload.commands.task import Task
from dataload.terminal import Advance

HIDDEN = 64
LEARNING_RATE = 0.01


def train(task: Task, epochs: int, advance: Advance) -> float:
    """Train for `epochs`, call `advance` after each, and return the accuracy on the held-out samples."""
    keras.utils.set_random_seed(task.seed)
    model = make_model(task)
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    after_epoch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance())
    model.fit(to_dataset(task.train).map(_pair), epochs=epochs, shuffle=False, verbose=0, callbacks=[after_epoch])
    scores = model.evaluate(to_dataset(task.held_out).map(_pair), verbose=0, return_dict=True)
    return float(scores["accuracy"])


def make_model(task: Task) -> keras.Model:
    """Return a model from (batch, frames, n_mels) to (batch, n_classes) logits.

    Padding is zeros, so `Masking` tells it from data and the mean over frames leaves it out.
    """
    return keras.Sequential(
        [
            keras.Input((None, len(task.mean))),
            keras.layers.Masking(0.0),
            keras.layers.Normalization(mean=task.mean, variance=task.std**2),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(task.n_classes),
        ]
    )


def _pair(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a batch as `fit` takes it: (inputs, labels)."""
    return batch["audio"], batch["label"]
