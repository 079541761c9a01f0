"""The tf.data.Dataset: the loader's batches on the loader's memory, with a spec that holds for all of them."""

import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
import tensorflow as tf
from adapter_data import Pair, Recorded, fail_on_seven, labels, make, same, twenty_numbers

from dataload import Loader, stack
from dataload.adapters.tensorflow import to_dataset


def spec(*shape, dtype):
    return tf.TensorSpec(shape, dtype)


@pytest.mark.parametrize("worker", ["thread", "process"])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_those_of_the_loader_bit_for_bit(worker, num_workers, leaves_nothing):
    expected = make()
    with make(num_workers=num_workers, worker=worker) as loader:
        dataset = to_dataset(loader)
        for _ in range(2):
            got, bare = list(dataset), list(expected)
            assert len(got) == len(bare) == 4
            assert all(map(same, got, bare))


def test_it_is_a_dataset_with_the_exact_spec_and_length():
    dataset = to_dataset(make())
    assert isinstance(dataset, tf.data.Dataset)
    assert len(dataset) == int(dataset.cardinality()) == 4
    assert dataset.element_spec == {
        "audio": spec(None, None, 2, dtype=tf.float32),
        "audio_lengths": spec(None, dtype=tf.int64),
        "label": spec(None, dtype=tf.int64),
        "name": spec(None, dtype=tf.string),
        "meta": (
            spec(None, 3, dtype=tf.uint8),
            {"gain": spec(None, dtype=tf.float64), "loud": spec(None, dtype=tf.bool)},
        ),
        "pair": Pair(spec(None, dtype=tf.int64), spec(None, dtype=tf.float16)),
    }


def test_drop_last_makes_the_batch_axis_known():
    dataset = to_dataset(make(drop_last=True))
    assert dataset.element_spec["audio"] == spec(6, None, 2, dtype=tf.float32)
    assert dataset.element_spec["name"] == spec(6, dtype=tf.string)
    assert len(dataset) == len(list(dataset)) == 3


# Memory.


def address(tensor):
    return np.asarray(memoryview(tensor)).ctypes.data


@pytest.mark.parametrize("num_workers", [0, 2])
def test_tensors_are_on_the_memory_that_the_samples_were_collated_into(num_workers):
    collate = Recorded(stack)
    # The function is one that nobody has told anything about, so batches are made to find the spec, too.
    with Loader(twenty_numbers(), batch_size=5, collate_fn=collate, num_workers=num_workers, worker="thread") as loader:
        dataset = to_dataset(loader)
        collate.addresses.clear()
        kept = list(dataset)
    found = [{name: address(tensor) for name, tensor in batch.items()} for batch in kept]
    assert len(found) == 4
    assert sorted(map(repr, found)) == sorted(map(repr, collate.addresses))


def test_tensors_of_worker_processes_start_on_64_byte_boundaries_and_stay_as_they_are():
    with make(num_workers=2, worker="process") as loader:
        kept = list(to_dataset(loader))
        assert {address(batch["audio"]) % 64 for batch in kept} == {0}
        assert all(map(same, kept, make()))


def test_arrays_that_may_not_be_written_are_copied_so_that_no_operation_writes_to_them():
    fixed = np.arange(8.0)
    fixed.flags.writeable = False
    dataset = to_dataset(Loader([0], collate_fn=lambda samples: fixed))
    (batch,) = dataset.map(lambda x: -x)
    assert batch.numpy().tolist() == (-fixed).tolist()
    (batch,) = dataset
    assert address(batch) != fixed.ctypes.data and fixed.tolist() == list(range(8))


def test_arrays_in_another_byte_order_arrive_as_numbers():
    (batch,) = to_dataset(Loader([0], collate_fn=lambda samples: np.arange(3.0).astype(">f4")))
    assert batch.dtype == tf.float32 and batch.numpy().tolist() == [0, 1, 2]


# Errors and ends.


def just_x(dataset):
    return dataset.map(lambda batch: batch["x"])


@pytest.mark.parametrize("through", [lambda dataset: dataset, just_x])
@pytest.mark.parametrize("workers", [None, "thread", "process"])
def test_an_exception_arrives_with_its_type_message_and_notes(workers, through, leaves_nothing):
    options = {"num_workers": 2, "worker": workers} if workers else {}
    loader = Loader(twenty_numbers(), transforms=fail_on_seven, batch_size=4, **options)
    iterator = iter(through(to_dataset(loader)))
    next(iterator)
    # Asking on after an error gives the error again, and starts no new epoch.
    for _ in range(2):
        with pytest.raises(tf.errors.OpError) as caught:
            next(iterator)
    text = str(caught.value)
    assert "KeyError: 'seven is broken'" in text
    assert "in transform fail_on_seven" in text and "sample 7" in text and "in batch 1 of epoch 0" in text
    loader.close()


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_leaving_the_loop_leaves_nothing_running(worker, leaves_nothing):
    dataset = to_dataset(make(num_workers=2, worker=worker))
    for _ in dataset:
        break
    iterator = iter(dataset.map(lambda batch: batch["audio"]).prefetch(2))
    next(iterator)
    del iterator, dataset
    gc.collect()


def test_the_loader_lives_as_long_as_a_dataset_or_iterator_made_of_it_and_no_longer():
    loader = make()
    alive = weakref.ref(loader)
    dataset = to_dataset(loader).map(lambda batch: batch["label"]).repeat()
    del loader
    gc.collect()
    iterator = iter(dataset)
    del dataset
    gc.collect()
    assert len([next(iterator) for _ in range(9)]) == 9
    del iterator
    gc.collect()
    assert alive() is None


def test_an_iterator_without_its_dataset_is_told_that_the_loader_is_gone():
    dataset = to_dataset(make())
    variant, element_spec = tf.data.experimental.to_variant(dataset), dataset.element_spec
    del dataset
    gc.collect()
    with pytest.raises(tf.errors.OpError, match="keep the Dataset while iterating over it"):
        list(tf.data.experimental.from_variant(variant, element_spec))


def test_the_interpreter_can_exit_in_the_middle_of_a_pass():
    script = (
        "from dataload import Loader; from dataload.adapters.tensorflow import to_dataset\n"
        "dataset = to_dataset(Loader(range(100), num_workers=2, worker='process'))\n"
        "iterator = iter(dataset); next(iterator); next(iterator); print('done')\n"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert ended.returncode == 0 and ended.stdout == "done\n"
    assert "Traceback" not in ended.stderr


def test_map_and_the_rest_of_tf_data_work_behind_it():
    dataset = (
        to_dataset(make()).map(lambda batch: (batch["audio"], batch["label"])).unbatch().batch(4, drop_remainder=True)
    )
    assert dataset.element_spec[0] == spec(4, None, 2, dtype=tf.float32)
    pairs = to_dataset(make()).map(lambda batch: {"label": batch["label"] * 2}).prefetch(1)
    assert labels(pairs) == [[2 * label for label in batch] for batch in labels(make())]
