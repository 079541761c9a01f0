"""Keras 3 on each backend that there is, with each kind of loader that it takes: whole epochs, and their state."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from adapter_data import epochs

FIRST, SECOND, THIRD = epochs(3)
ADAPTERS = {
    "tensorflow": "from dataload.adapters.tensorflow import to_dataset as adapt",
    "torch": "from dataload.adapters.torch import to_dataloader as adapt",
    "keras": "from dataload.adapters.keras import to_pydataset as adapt",
}

# Nothing is learned, so the loss is the mean of the labels seen so far in the epoch, which tells the batches apart.
SCRIPT = """
import json, sys
import keras, numpy as np
from dataload import Loader
{adapter}

def make():
    samples = [(np.full(3, i, np.float32), np.float32(i)) for i in range(20)]
    return Loader(samples, batch_size=6, shuffle=True, seed=5, num_workers=2, worker="thread")

class Zero(keras.layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="zeros")
    def call(self, x):
        return keras.ops.sum(x, axis=1) * self.scale

class Diary(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        state = loader.state_dict()
        seen.append([float(logs["loss"]), state["epoch"], state["samples"]])

def model():
    made = keras.Sequential([Zero()])
    made.compile(keras.optimizers.SGD(0.0), "mean_absolute_error")
    return made

def fit(made, **options):
    made.fit(data, verbose=0, callbacks=[Diary()], **options)

results = {{}}
loader, seen = make(), []
data, made = adapt(loader), model()
fit(made, epochs=2)
results["whole"] = seen

rest = iter(other := make())
next(rest), next(rest)
loader, seen = make(), []
loader.load_state_dict(other.state_dict())
data, made = adapt(loader), model()
made.evaluate(adapt(make()), verbose=0)
fit(made, epochs=1, steps_per_epoch=2)
results["resumed"] = seen
print(json.dumps(results))
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


def running_means(batches):
    sums, counts = np.cumsum([sum(batch) for batch in batches]), np.cumsum([len(batch) for batch in batches])
    return (sums / counts).tolist()


# Each backend with its own kind of loader, and with those that need no other framework.
USED = {"tensorflow": ["tensorflow"], "torch": ["torch", "keras"], "jax": ["keras", "torch"]}
CASES = [(backend, adapter) for backend, adapters in USED.items() for adapter in adapters]


@pytest.mark.parametrize(("backend", "adapter"), CASES)
def test_fit_sees_the_loaders_epochs_and_the_state_is_that_of_the_loop(backend, adapter):
    pytest.importorskip(backend)
    pytest.importorskip(adapter)
    results = run(backend, adapter)
    losses = [loss for loss, _, _ in results["whole"]]
    assert losses == pytest.approx(running_means(FIRST) + running_means(SECOND), rel=1e-5)
    positions = [(epoch, samples) for _, epoch, samples in results["whole"]]
    assert positions[:3] == [(0, 6), (0, 12), (0, 18)] and positions[4:7] == [(1, 6), (1, 12), (1, 18)]
    assert all(earlier < later for earlier, later in pairwise(positions))
    # The rest of a resumed epoch, after the look that building the model takes.
    assert [loss for loss, _, _ in results["resumed"]] == pytest.approx(running_means(FIRST[2:]), rel=1e-5)
