"""Keras 3 on each backend that is installed, with each kind of loader that it takes: whole epochs, and their state."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

BACKENDS = [name for name in ("tensorflow", "torch", "jax") if importlib.util.find_spec(name)]
ADAPTERS = {
    "tensorflow": "from dataload.adapters.tensorflow import to_dataset as adapt",
    "torch": "from dataload.adapters.torch import to_dataloader as adapt",
    "keras": "from dataload.adapters.keras import to_pydataset as adapt",
}

# The batches that a model was trained on are seen by a callback's eye: each loss is the mean of the labels.
SCRIPT = """
import json, sys
import keras, numpy as np
from dataload import Loader
{adapter}

def loader():
    samples = [(np.full(3, i, np.float32), np.float32(i)) for i in range(20)]
    return Loader(samples, batch_size=6, shuffle=True, seed=5, num_workers=2, worker="thread")

class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.states = []
    def on_train_batch_end(self, batch, logs=None):
        state = own.state_dict()
        self.states.append([state["epoch"], state["samples"]])

class Mean(keras.layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="zeros")
    def call(self, x):
        return keras.ops.sum(x, axis=1) * self.scale

def train(data, epochs, **options):
    model = keras.Sequential([Mean()])
    model.compile(keras.optimizers.SGD(0.0), "mean_absolute_error")
    losses = Losses()
    history = model.fit(data, epochs=epochs, verbose=0, callbacks=[losses], **options)
    return history.history["loss"], losses.states

own = loader()
result = {{"whole": train(adapt(own), 2)}}
own = loader()
result["limited"] = train(adapt(own), 2, steps_per_epoch=2)
own = loader()
data = adapt(own)
first = iter(own)
next(first), next(first)
saved = own.state_dict()
own = loader()
own.load_state_dict(saved)
data = adapt(own)
model = keras.Sequential([Mean()])
model.compile("sgd", "mae")
model.build((None, 3))
result["evaluated"] = keras.Sequential([Mean()]) and None
print(json.dumps(result))
"""


def run(backend, adapter):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(adapter=ADAPTERS[adapter])],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


CASES = [(backend, adapter) for backend in BACKENDS for adapter in ADAPTERS if not (backend == adapter == "x")]


@pytest.mark.parametrize(("backend", "adapter"), CASES)
def test_fit_sees_every_sample_once_in_each_epoch(backend, adapter):
    result = run(backend, adapter)
    print(backend, adapter, result)
