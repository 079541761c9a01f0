"""Fields of every kind in torch, TensorFlow, JAX and Keras: the same values, or an error that names the field."""

import os
import sys
from functools import partial
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import torch

from dataload import Loader, pad, stack
from dataload.adapters.jax import to_jax
from dataload.adapters.keras import to_pydataset
from dataload.adapters.tensorflow import to_dataset
from dataload.adapters.torch import to_dataloader
from dataload.adapters.torch.tensors import to_tensors
from dataload.errors import CollateError, ConfigError
from dataload.whole import WholeList

WORKERS = [{"num_workers": 0}, {"num_workers": 2, "worker": "thread"}, {"num_workers": 1, "worker": "process"}]
SMALL_FLOATS = ["bfloat16", "float8_e4m3fn", "float8_e5m2"]


def small_floats(x):
    return {name: np.arange(3).astype(getattr(ml_dtypes, name)) + np.array(x, name) for name in SMALL_FLOATS}


def values(array):
    return np.asarray(array).astype(np.float32).tolist()


EXPECTED = [[0, 1, 2], [1, 2, 3]]


@pytest.mark.parametrize("workers", WORKERS)
def test_small_floats_are_tensors_of_their_own_type_on_the_same_memory(workers):
    with Loader(range(2), transforms=small_floats, batch_size=2, **workers) as loader:
        [batch] = to_dataloader(loader)
    assert {name: tensor.dtype for name, tensor in batch.items()} == {name: getattr(torch, name) for name in batch}
    assert all(tensor.float().tolist() == EXPECTED for tensor in batch.values())
    array = np.zeros((2, 2), ml_dtypes.bfloat16)
    tensor = to_tensors({"x": array})["x"]
    tensor[0, 1] = 3
    assert array[0, 1] == 3 and to_tensors(array[:, 1]).float().tolist() == [3, 0]


@pytest.mark.parametrize("workers", WORKERS)
def test_types_of_ml_dtypes_are_kept_in_every_kind_of_worker(workers):
    def every_type(x):
        return {**small_floats(x), "int4": np.array([x], ml_dtypes.int4), "number": ml_dtypes.bfloat16(x)}

    with Loader(range(2), transforms=every_type, batch_size=2, **workers) as loader:
        [batch] = loader
    assert [array.dtype.name for array in batch.values()] == [*SMALL_FLOATS, "int4", "bfloat16"]
    assert [values(array) for array in batch.values()] == [EXPECTED] * 3 + [[[0], [1]], [0, 1]]


def test_bfloat16_tensors_of_samples_come_back_as_what_they_were():
    [batch] = to_dataloader(Loader([{"e": torch.ones(2, dtype=torch.bfloat16)}] * 2, batch_size=2))
    assert batch["e"].dtype == torch.bfloat16 and batch["e"].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2, ml_dtypes.int4),
        np.zeros(2, "M8[s]"),
        np.zeros(2, np.longdouble),
        np.zeros(2, [("a", "f4")]),
        np.array(["a"]),
        np.array([None]),
    ],
)
def test_what_torch_has_no_tensors_of_is_named(value):
    with pytest.raises(CollateError, match=r"field 'meta\.x' is an array of dtype .*convert it to numbers"):
        next(iter(to_dataloader(Loader([{"meta": {"x": value}}]))))


def test_a_field_of_a_structured_array_is_a_tensor():
    array = np.array([(1, 2.5), (2, 3.5)], [("a", "i4"), ("b", "f8")])
    assert to_tensors(array["b"]).tolist() == [2.5, 3.5]


@pytest.mark.parametrize("adapt", [to_dataloader, to_dataset, to_jax, lambda loader: list(iter_pydataset(loader))])
def test_a_mask_is_never_lost(adapt):
    def masked(samples):
        return {"x": np.ma.masked_array(np.zeros(len(samples)), [True] * len(samples))}

    with pytest.raises(CollateError, match="field 'x' is a masked array"):
        list(adapt(Loader([1, 2], batch_size=2, collate_fn=masked)))


def iter_pydataset(loader):
    dataset = to_pydataset(loader)
    return (dataset[i] for i in range(len(dataset)))


@pytest.mark.parametrize("workers", WORKERS)
def test_small_floats_are_what_jax_calls_them(workers):
    with Loader(range(2), transforms=small_floats, batch_size=2, **workers) as loader:
        [batch] = to_jax(loader)
        assert all(isinstance(array, jax.Array) and array.dtype.name == name for name, array in batch.items())
        assert all(values(array) == EXPECTED for array in batch.values())


@pytest.mark.parametrize("workers", WORKERS)
def test_tensorflow_takes_bfloat16_and_names_what_it_does_not_take(workers):
    with Loader(range(2), transforms=lambda x: small_floats(x)["bfloat16"], batch_size=2, **workers) as loader:
        [batch] = to_dataset(loader)
    assert batch.dtype == tf.bfloat16 and values(batch.numpy()) == EXPECTED
    for dtype in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4):
        with pytest.raises(CollateError, match=r"field 'x' is .*, which tf\.data has no elements of"):
            to_dataset(Loader([{"x": np.zeros(2, dtype)}]))


def test_keras_takes_bfloat16_and_names_what_it_does_not_take():
    loader = Loader(range(2), transforms=lambda x: np.array([x], ml_dtypes.bfloat16), batch_size=2)
    assert values(to_pydataset(loader)[0]) == [[0], [1]]
    with pytest.raises(CollateError, match="field 'float8_e4m3fn' is float8_e4m3fn, which Keras has no tensors of"):
        next(iter_pydataset(Loader(range(2), transforms=small_floats)))


# Lists per sample, in TensorFlow.


@pytest.mark.parametrize("collate", [None, pad])
@pytest.mark.parametrize("drop_last", [False, True])
def test_lists_of_texts_become_ragged_tensors(collate, drop_last):
    tags = [["cat", "é"], [], ["dog"], ["a", "b", "c"]]
    samples = [{"tags": value, "x": np.ones(2, np.float32)} for value in tags]
    dataset = to_dataset(Loader(samples, batch_size=2, collate_fn=collate, drop_last=drop_last))
    spec = dataset.element_spec["tags"]
    assert isinstance(spec, tf.RaggedTensorSpec) and spec.dtype == tf.string and spec.shape[1:].as_list() == [None]
    got = [row for batch in dataset for row in batch["tags"].to_list()]
    assert got == [[text.encode() for text in value] for value in tags]
    assert len(dataset) == 2 and next(iter(dataset))["x"].shape == (2, 2)


def test_lists_of_numbers_kept_whole_become_ragged_tensors_wherever_they_stand():
    samples = [(1, WholeList([1, 2])), (2, WholeList([])), (3, WholeList([3]))]
    [batch] = to_dataset(Loader(samples, batch_size=3))
    assert batch[0].numpy().tolist() == [1, 2, 3] and batch[1].to_list() == [[1, 2], [], [3]]
    assert batch[1].dtype == tf.int64
    [batch] = to_dataset(Loader([["a"], ["b", "c"]], batch_size=2))
    assert batch.to_list() == [[b"a"], [b"b", b"c"]]


def test_a_ragged_spec_takes_what_any_collate_function_returns():
    def collate(samples):
        return {"boxes": [np.arange(n) for n in samples], "empty": [[] for _ in samples]}

    spec = {name: tf.RaggedTensorSpec([None, None], tf.int64) for name in ("boxes", "empty")}
    [batch] = to_dataset(Loader([1, 0, 2], batch_size=3, collate_fn=collate), element_spec=spec)
    assert batch["boxes"].to_list() == [[0], [], [0, 1]] and batch["empty"].to_list() == [[], [], []]
    with pytest.raises(ConfigError, match=r"a list per sample is tf\.RaggedTensorSpec"):
        to_dataset(Loader([1]), element_spec=tf.RaggedTensorSpec([None, None, None], tf.int64))


def test_lists_that_do_not_fit_are_named():
    with pytest.raises(CollateError, match=r"field 'tags' is an empty list in every sample of the first batch.*Ragged"):
        to_dataset(Loader([{"tags": WholeList()}] * 2))
    with pytest.raises(CollateError, match="field 'tags' is NoneType and no list in sample 1"):
        to_dataset(Loader([{"tags": ["a"]}, {"tags": None}], batch_size=2))
    with pytest.raises(tf.errors.OpError, match=r"field 'tags' holds lists of int64 in this batch, .* has string"):
        list(to_dataset(Loader([{"tags": WholeList(["a"])}, {"tags": WholeList([1])}])))


def test_other_things_in_lists_are_named():
    for value in (bytearray(b"abc"), range(3), {1, 2}, None, ["a", 1]):
        collate = list if not isinstance(value, list) else lambda samples: samples[0]
        with pytest.raises(CollateError, match="holds a "):
            to_dataset(Loader([value] * 2, batch_size=2, collate_fn=lambda s, collate=collate: {"x": collate(s)}))


def test_file_names_that_are_not_utf_8_arrive_as_their_bytes(tmp_path):
    name = bytes(tmp_path) + b"/caf\xe9"
    text = os.fsdecode(name)
    Path(text).write_bytes(b"inside")
    for loader in (Loader([{"path": text}, {"path": "é"}], batch_size=2), Loader([{"path": np.array(text)}] * 2)):
        first = next(iter(to_dataset(loader)))["path"][0]
        assert first.numpy() == name and tf.io.read_file(first).numpy() == b"inside"
    with pytest.raises(tf.errors.OpError, match=r"field 'path' holds '.ud800', which is not Unicode text"):
        list(to_dataset(Loader([{"path": "a"}, {"path": "\ud800"}])))


# Padding over several axes, in TensorFlow.


def pictures():
    return [{"x": np.full((2 + i, 3 - i, 4), i, np.float32), "y": [1] * i} for i in range(3)]


def test_each_padded_axis_varies_and_the_lengths_do_not():
    dataset = to_dataset(Loader(pictures(), batch_size=2, collate_fn=partial(pad, axes=2)))
    assert dataset.element_spec == {
        "x": tf.TensorSpec((None, None, None, 4), tf.float32),
        "x_lengths": tf.TensorSpec((None, 2), tf.int64),
        "y": tf.TensorSpec((None, None), tf.int64),
        "y_lengths": tf.TensorSpec((None,), tf.int64),
    }
    assert [batch["x"].shape.as_list() for batch in dataset] == [[2, 3, 3, 4], [1, 4, 1, 4]]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("fields", [None, [1], [0]])
def test_padded_positions_of_tuples_and_their_lengths_are_found(axes, fields):
    samples = [(np.zeros((2, 2)), np.zeros((3, 3, 3)), 1)] * 2
    loader = Loader(samples, batch_size=2, drop_last=True, collate_fn=partial(pad, axes=axes, fields=fields))
    expected = []
    for position, array in enumerate(samples[0][:2]):
        count = min(axes, array.ndim) if fields is None or position in fields else 0
        expected.append(tf.TensorSpec((2, *[None] * count, *array.shape[count:]), tf.float64))
        if count:
            expected.append(tf.TensorSpec((2,) if count == 1 else (2, count), tf.int64))
    assert to_dataset(loader).element_spec == (*expected, tf.TensorSpec((2,), tf.int64))


def test_a_field_of_the_user_that_is_called_lengths_is_none():
    samples = [{"x": 1, "x_lengths": np.zeros((2, 3))}, {"x": 1, "x_lengths": np.zeros((1, 2))}]
    spec = to_dataset(Loader(samples, batch_size=2, collate_fn=partial(pad, fields=["x_lengths"], axes=2))).element_spec
    assert spec["x_lengths"].shape.as_list() == [None, None, None]


@pytest.mark.parametrize("sizes", [[(2, 3), (3, 1)], [(0, 5), (2, 1)], [(2, 0), (0, 0)]])
def test_axes_that_were_padded_are_ragged_without_their_padding(sizes):
    samples = [(np.arange(h * w, dtype=np.float32).reshape(h, w), i) for i, (h, w) in enumerate(sizes)]
    [batch] = to_dataset(Loader(samples, batch_size=2, collate_fn=partial(pad, axes=2)), ragged=True)
    assert batch[0].to_list() == [sample.tolist() for sample, _ in samples]
    assert batch[1].numpy().tolist() == [list(size) for size in sizes] and batch[2].numpy().tolist() == [0, 1]


# Tensors of torch, in samples.


@pytest.mark.parametrize("workers", WORKERS)
def test_bfloat16_tensors_make_bfloat16_batches(workers):

    def tensors(x):
        return {"e": torch.full((2,), x + 1, dtype=torch.bfloat16), "f": torch.ones(1).to(torch.float8_e5m2)}

    with Loader(range(2), transforms=tensors, batch_size=2, **workers) as loader:
        [batch] = loader
    assert batch["e"].dtype.name == "bfloat16" and batch["e"].astype(np.float32).tolist() == [[1, 1], [2, 2]]
    assert batch["f"].dtype.name == "float8_e5m2" and batch["f"].astype(np.float32).tolist() == [[1], [1]]


def test_tensors_that_make_no_array_are_named_with_the_mend():
    for tensor, message in (
        (torch.ones(2, requires_grad=True), r"requires grad.*detach\(\)"),
        (torch.ones(2, dtype=torch.bfloat16, requires_grad=True), r"requires grad.*detach\(\)"),
        (torch.eye(2).to_sparse(), r"Sparse.*to_dense\(\)"),
        (torch.eye(2, dtype=torch.bfloat16).to_sparse(), "that does not make an array"),
        (torch.ones(2, device="meta"), "meta"),
        (torch.ones(2, dtype=torch.complex64).conj(), r"resolve_conj\(\)"),
    ):
        with pytest.raises(CollateError, match=f"^field 'meta.e' is a Tensor .*{message}.*in sample 0 of the batch"):
            stack([{"meta": {"e": tensor}}] * 2)


def test_bfloat16_tensors_without_ml_dtypes_are_refused_with_the_mend(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(CollateError, match=r"field 'e' is a tensor of bfloat16.*ml_dtypes.*x\.float\(\)"):
        stack([{"e": torch.ones(2, dtype=torch.bfloat16)}])
