"""The tf.data.Dataset: the loader's batches on the loader's memory, with a spec that holds for all of them."""

import gc
import os
import subprocess
import sys
import weakref
from functools import partial

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from adapter_data import Pair, Point, Recorded, fail_on_seven, labels, make, same, twenty_numbers

from dataload import FileSource, Loader, pad, stack
from dataload.adapters.tensorflow import to_dataset
from dataload.errors import CollateError, ConfigError
from dataload.transforms import DecodeAudio, LogMel, PadOrTrim


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


def test_the_spec_comes_from_the_chain_and_not_from_the_lengths_that_a_batch_happens_to_have(tmp_path):
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", np.zeros(4000), 8000)
    loader = Loader(
        FileSource(tmp_path, "*.wav", audio=str, fixed=str),
        transforms={
            "audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=8)],
            "fixed": [DecodeAudio(8_000), LogMel(8_000, n_mels=8), PadOrTrim(10)],
        },
    )
    assert to_dataset(loader).element_spec == {
        "audio": spec(None, None, 8, dtype=tf.float32),
        "audio_lengths": spec(None, dtype=tf.int64),
        "fixed": spec(None, 10, 8, dtype=tf.float32),
    }


@pytest.mark.parametrize(
    ("collate", "expected"),
    [
        (stack, (spec(None, 3, dtype=tf.float64), (spec(None, 2, dtype=tf.float32), spec(None, dtype=tf.int64)))),
        (
            pad,
            (
                spec(None, None, dtype=tf.float64),
                spec(None, dtype=tf.int64),
                (spec(None, None, dtype=tf.float32), spec(None, dtype=tf.int64), spec(None, dtype=tf.int64)),
            ),
        ),
        (
            partial(pad, fields=[1]),
            (
                spec(None, 3, dtype=tf.float64),
                (spec(None, None, dtype=tf.float32), spec(None, dtype=tf.int64), spec(None, dtype=tf.int64)),
            ),
        ),
        (
            partial(partial(pad, value=7.0), fields=[0]),
            (
                spec(None, None, dtype=tf.float64),
                spec(None, dtype=tf.int64),
                (spec(None, 2, dtype=tf.float32), spec(None, dtype=tf.int64)),
            ),
        ),
    ],
)
def test_positions_of_tuples_are_found_behind_the_lengths_of_padded_ones(collate, expected):
    dataset = to_dataset(Loader([(np.zeros(3), [np.zeros(2, np.float32), 1])] * 4, batch_size=2, collate_fn=collate))
    assert dataset.element_spec == expected
    assert len(list(dataset)) == 2


def test_a_padded_field_behind_a_padded_field_of_a_tuple_is_found():
    dataset = to_dataset(Loader([(np.zeros(3), 1, np.zeros((3, 2)))] * 2, collate_fn=partial(pad, fields=[0, 2])))
    assert [part.shape.rank for part in dataset.element_spec] == [2, 1, 1, 3, 1]
    assert dataset.element_spec[3] == spec(None, None, 2, dtype=tf.float64)


def test_a_bare_array_and_a_bare_number_are_elements_too():
    assert to_dataset(Loader(np.zeros((4, 3)), batch_size=2)).element_spec == spec(None, 3, dtype=tf.float64)
    assert to_dataset(Loader([1, 2, 3])).element_spec == spec(None, dtype=tf.int64)
    padded = to_dataset(Loader(np.zeros((4, 3)), collate_fn=pad)).element_spec
    assert padded == (spec(None, None, dtype=tf.float64), spec(None, dtype=tf.int64))


def test_lists_become_tuples_and_dataclasses_dicts():
    dataset = to_dataset(Loader([{"list": ["a", 1], "point": Point(1.0, np.zeros(3))}]))
    assert dataset.element_spec == {
        "list": (spec(None, dtype=tf.string), spec(None, dtype=tf.int64)),
        "point": {"x": spec(None, dtype=tf.float64), "y": spec(None, 3, dtype=tf.float64)},
    }
    (batch,) = dataset
    assert batch["list"][0].numpy().tolist() == [b"a"] and batch["point"]["x"].numpy() == 1


def test_finding_the_spec_leaves_the_loader_where_it_was():
    loader = make()
    next(iter(loader))
    state = loader.state_dict()
    to_dataset(loader)
    assert loader.state_dict() == state


# Collate functions that nobody has told anything about.


def mean_and_longest(samples):
    longest = max(len(sample["audio"]) for sample in samples)
    audio = np.stack([np.resize(sample["audio"], (longest, 2)) for sample in samples])
    return {"audio": audio, "mean": audio.mean((0, 1)), "count": len(samples), "label": [s["label"] for s in samples]}


def test_what_varies_under_another_collate_function_is_found_by_comparing_batches():
    dataset = to_dataset(make(collate_fn=mean_and_longest))
    assert dataset.element_spec == {
        "audio": spec(None, None, 2, dtype=tf.float32),
        "mean": spec(2, dtype=tf.float32),
        "count": spec(dtype=tf.int64),
        "label": spec(None, dtype=tf.int64),
    }
    assert [len(batch["label"]) for batch in dataset] == [6, 6, 6, 2]


def test_another_collate_function_with_drop_last_has_a_known_batch_axis():
    dataset = to_dataset(Loader(twenty_numbers(), batch_size=6, drop_last=True, collate_fn=lambda s: stack(s)))
    assert dataset.element_spec == {"x": spec(6, 3, dtype=tf.float32), "label": spec(6, dtype=tf.int64)}


def long_in_the_middle(samples):
    return {"x": np.zeros((len(samples), 9 if samples[0]["label"] == 8 else 2), np.float32)}


def test_a_batch_that_does_not_fit_the_spec_is_refused_by_name_with_what_to_do(leaves_nothing):
    loader = Loader(
        twenty_numbers(), batch_size=4, collate_fn=long_in_the_middle, num_workers=2, worker="thread", prefetch_factor=1
    )
    with pytest.raises(tf.errors.OpError) as caught:
        list(to_dataset(loader))
    assert "CollateError: field 'x' has shape (4, 9) in this batch, where element_spec has (None, 2)" in str(
        caught.value
    )
    assert "pass element_spec=" in str(caught.value)
    fitting = to_dataset(loader, element_spec={"x": tf.TensorSpec((None, None), tf.float32)})
    assert [batch["x"].shape[1] for batch in fitting] == [2, 2, 9, 2, 2]
    anything = to_dataset(loader, element_spec={"x": tf.TensorSpec(None, tf.float32)})
    assert len(list(anything)) == 5
    loader.close()


@pytest.mark.parametrize(
    ("element_spec", "message"),
    [
        (
            {"x": tf.TensorSpec((None, 3), tf.float64)},
            "field 'x' is float32 in this batch, where element_spec has float64",
        ),
        (
            {"y": tf.TensorSpec((None, 3), tf.float32)},
            "the batch has the fields ['x'], where element_spec has the fields",
        ),
        (
            (tf.TensorSpec((None, 3), tf.float32),),
            "the batch has the fields ['x'], where element_spec has the fields [0]",
        ),
    ],
)
def test_an_element_spec_that_is_wrong_is_told_apart_from_the_batch(element_spec, message):
    loader = Loader([{"x": np.zeros(3, np.float32)}])
    with pytest.raises(tf.errors.OpError) as caught:
        list(to_dataset(loader, element_spec=element_spec))
    assert message in str(caught.value)


def test_an_element_spec_of_something_else_is_refused():
    with pytest.raises(ConfigError, match="element_spec has a str for field 'x'"):
        to_dataset(Loader([{"x": 1}]), element_spec={"x": "float32"})


def changing(samples):
    return np.zeros(2, np.float32 if 0 in samples else np.float64) if 1 not in samples else {"x": np.zeros(2)}


@pytest.mark.parametrize(
    ("samples", "message"), [([0, 1], "same structure"), ([0, 2], "float32 in the first batch and float64 in another")]
)
def test_a_collate_function_that_changes_its_mind_is_refused(samples, message):
    with pytest.raises(CollateError, match=message):
        to_dataset(Loader(samples, collate_fn=changing))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "field 'meta.odd' holds a NoneType"),
        (np.zeros(2, object), "field 'meta.odd' holds a int"),
        (np.zeros(2, "M8[s]"), "field 'meta.odd' is datetime64"),
        (np.zeros(2, [("a", "f4")]), "field 'meta.odd' is "),
    ],
)
def test_what_tensorflow_has_no_dtype_for_is_refused_by_the_name_of_its_field(value, message):
    with pytest.raises(CollateError, match=message):
        to_dataset(Loader([{"meta": {"odd": value}}]))


def test_a_loader_without_batches_is_refused():
    with pytest.raises(ConfigError, match="has no batches"):
        to_dataset(Loader([1, 2], batch_size=3, drop_last=True))


@pytest.mark.parametrize("values", [np.array(["é", "longer"]), np.array([b"a", b"bc"]), np.array(["x", b"y"], object)])
def test_arrays_of_strings_become_string_tensors(values):
    (batch,) = to_dataset(Loader([{"s": values}]))
    assert batch["s"].dtype == tf.string and batch["s"].shape == (1, 2)
    texts = [value.encode() if isinstance(value, str) else value for value in values.tolist()]
    assert batch["s"].numpy().tolist() == [texts]


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
