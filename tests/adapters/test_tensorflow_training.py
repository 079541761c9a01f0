"""TensorFlow around the Dataset: ragged batches, Checkpoints, strategies, and workers that leave the GPU alone."""

import json
import os
import subprocess
import sys
from functools import partial
from itertools import islice

import numpy as np
import pytest
import tensorflow as tf
from adapter_data import Pair, epochs, labels, make, twenty_numbers

from dataload import Loader, pad
from dataload.adapters.tensorflow import LoaderState, to_dataset
from dataload.errors import ConfigError, StateError

FIRST, SECOND = epochs(2)


# Ragged tensors.


@pytest.mark.parametrize("num_workers", [0, 2])
def test_padded_fields_become_ragged_with_exact_specs_and_the_rest_stays(num_workers):
    with make(num_workers=num_workers, worker="process") as loader:
        dataset = to_dataset(loader, ragged=True)
        dense = to_dataset(make()).element_spec
        spec = tf.RaggedTensorSpec((None, None, 2), tf.float32, ragged_rank=1, row_splits_dtype=tf.int64)
        assert dataset.element_spec == {**dense, "audio": spec} and len(dataset) == 4
        for batch, bare in zip(dataset, make(), strict=True):
            assert isinstance(batch["audio"], tf.RaggedTensor)
            assert batch["audio"].row_lengths().numpy().tolist() == bare["audio_lengths"].tolist()
            for row, padded, length in zip(batch["audio"], bare["audio"], bare["audio_lengths"], strict=True):
                assert np.array_equal(row, padded[:length])
        assert loader.state_dict()["epoch"] == 1


@pytest.mark.parametrize("sample", [(np.zeros(3), 1), Pair(np.zeros(3), 1), [np.zeros(3), {"x": np.ones((2, 2))}]])
def test_padded_positions_of_tuples_become_ragged_too(sample):
    (batch,) = to_dataset(Loader([sample], collate_fn=pad), ragged=True)
    first = batch["left"] if isinstance(sample, Pair) else batch[0]
    assert isinstance(first, tf.RaggedTensor) and first.shape.as_list() == [1, None]
    if isinstance(sample, list):
        assert isinstance(batch[2]["x"], tf.RaggedTensor)


def test_a_bare_array_becomes_one_too():
    (batch,) = to_dataset(Loader([np.zeros(2), np.ones(3)], batch_size=2, collate_fn=pad), ragged=True)
    assert batch[0].to_list() == [[0, 0], [1, 1, 1]]


@pytest.mark.parametrize("collate", [None, partial(pad, fields=["label"]), lambda samples: {"x": 1}])
def test_where_nothing_is_padded_ragged_is_refused(collate):
    with pytest.raises(ConfigError, match=r"ragged=True, but no field of the batch is padded"):
        to_dataset(Loader(twenty_numbers(), collate_fn=collate), ragged=True)


def test_the_state_stays_exact_behind_ragged():
    loader = make()
    iterator = iter(to_dataset(loader, ragged=True))
    for taken in range(1, 4):
        next(iterator)
        assert loader.state_dict()["samples"] == 6 * taken


# Checkpoints.


@pytest.mark.parametrize("taken", [0, 1, 3, 4])
def test_a_checkpoint_holds_the_loaders_state_beside_the_variables(taken, tmp_path):
    loader, weights = make(), tf.Variable(1.0)
    iterator = iter(to_dataset(loader))
    list(islice(iterator, taken))
    weights.assign(7.0)
    path = tf.train.Checkpoint(weights=weights, loader=LoaderState(loader)).save(tmp_path / "model")
    resumed, restored = make(), tf.Variable(0.0)
    status = tf.train.Checkpoint(weights=restored, loader=LoaderState(resumed)).restore(path)
    status.assert_consumed()
    assert restored.numpy() == 7.0
    assert labels(to_dataset(resumed)) == (FIRST[taken:] or SECOND)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    path = tf.train.Checkpoint(loader=LoaderState(make())).save(tmp_path / "model")
    with pytest.raises(StateError, match="belongs to another"):
        tf.train.Checkpoint(loader=LoaderState(make(n=7))).restore(path)


# Strategies. The devices of a process are fixed once TensorFlow has looked at them, so in a process of its own.

MIRRORED = """
import json, numpy as np, tensorflow as tf, keras
from dataload import Loader
from dataload.adapters.tensorflow import to_dataset

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def make(context):
    size = context.get_per_replica_batch_size(8)
    samples = [(np.full(3, i, np.float32), np.float32(i)) for i in range(24)]
    return to_dataset(Loader(samples, batch_size=size, shuffle=True, drop_last=True, num_workers=2, worker="thread"))

distributed = strategy.distribute_datasets_from_function(make)
steps = []
@tf.function
def step(batch):
    strategy.run(lambda batch: tf.py_function(lambda y: seen.append(y.numpy().tolist()), [batch[1]], []), args=(batch,))
for _ in range(2):
    seen = []
    for batch in distributed:
        step(batch)
    steps.append(sorted(sum(seen, [])))
    assert {len(part) for part in seen} == {4}, seen
with strategy.scope():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
history = model.fit(distributed, epochs=2, steps_per_epoch=3, verbose=0)
print(json.dumps([steps, history.history["loss"]]))
"""


def test_a_mirrored_strategy_gives_every_sample_to_one_of_its_replicas():
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MIRRORED], capture_output=True, text=True, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stderr
    steps, losses = json.loads(ended.stdout.splitlines()[-1])
    assert steps == [list(range(24))] * 2 and len(losses) == 2 and np.isfinite(losses).all()


# Workers.


def devices(index):
    import tensorflow

    # The spec of a batch is found in the process that asks for it, so there the variable may be missing.
    return [len(tensorflow.config.list_physical_devices("GPU")), int(os.environ.get("CUDA_VISIBLE_DEVICES") == "")]


def test_a_transform_that_imports_tensorflow_in_a_worker_sees_no_gpu():
    with Loader(range(2), transforms=devices, batch_size=2, num_workers=1, worker="process") as loader:
        (batch,) = to_dataset(loader)
    assert batch.numpy().tolist() == [[0, 1], [0, 1]]
