"""The element spec of the tf.data.Dataset: found from the first batches, true for all of them, or a clear word."""

from functools import partial

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from adapter_data import Point, make, twenty_numbers

from dataload import FileSource, Loader, pad, stack
from dataload.adapters.tensorflow import to_dataset
from dataload.errors import CollateError, ConfigError
from dataload.transforms import DecodeAudio, LogMel, PadOrTrim


def spec(*shape, dtype):
    return tf.TensorSpec(shape, dtype)


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
