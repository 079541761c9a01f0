"""Samples to batches: structure, types, padding, and errors that name the field."""

from collections import namedtuple
from dataclasses import dataclass
from functools import partial

import conformance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dataload import pad, stack
from dataload.collate import Pad, Stack, as_collate
from dataload.errors import CollateError, ConfigError


@dataclass
class Record:
    x: np.ndarray
    y: int


Pair = namedtuple("Pair", "a b")


def test_each_kind_of_leaf_is_gathered_as_documented():
    batch = stack([{"a": np.float32([1, 2]), "n": i, "f": 0.5, "t": True, "s": "x", "o": None} for i in (3, 4)])
    expected = {
        "a": np.float32([[1, 2], [1, 2]]),
        "n": np.int64([3, 4]),
        "f": np.float64([0.5, 0.5]),
        "t": np.array([True, True]),
        "s": ["x", "x"],
        "o": [None, None],
    }
    assert conformance.equal(batch, expected)


def test_nesting_is_kept_around_the_leaves():
    batch = stack([{"p": Pair(1, [np.zeros(2), "s"]), "r": Record(np.ones(3), 2), "q": (1, 2)}] * 2)
    assert isinstance(batch["p"], Pair) and batch["p"].b[0].shape == (2, 2) and batch["p"].b[1] == ["s", "s"]
    assert isinstance(batch["r"], Record) and batch["r"].x.shape == (2, 3) and batch["r"].y.tolist() == [2, 2]
    assert isinstance(batch["q"], tuple)


def test_a_list_of_numbers_is_an_array():
    assert np.array_equal(stack([[1, 2], [3, 4]]), [[1, 2], [3, 4]])
    assert stack([np.float32(1), np.float32(2)]).dtype == np.float32


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.sampled_from([(), (3,), (2, 2)]))
def test_padding_keeps_every_value_and_says_how_many_there_are(lengths, rest):
    samples = [{"x": np.random.default_rng(i).normal(size=(n, *rest)), "i": i} for i, n in enumerate(lengths)]
    batch = pad(samples, value=-7)
    assert batch["x"].shape == (len(lengths), max(lengths), *rest) and list(batch) == ["x", "x_lengths", "i"]
    assert batch["x_lengths"].tolist() == lengths and batch["x_lengths"].dtype == np.int64
    for row, sample, n in zip(batch["x"], samples, lengths, strict=True):
        assert np.array_equal(row[:n], sample["x"]) and (row[n:] == -7).all()


@given(hnp.arrays(st.sampled_from([np.float32, np.int16, np.bool_]), hnp.array_shapes(min_dims=0, max_dims=3)))
def test_stacking_equals_numpy_and_starts_on_a_64_byte_boundary(array):
    batch = stack([array, array])
    assert conformance.equal(batch, np.stack([array, array])) and batch.ctypes.data % 64 == 0


def test_the_structure_of_a_padded_batch_does_not_depend_on_the_data():
    assert pad([{"x": np.ones(2)}] * 2).keys() == pad([{"x": np.ones(2)}, {"x": np.ones(3)}]).keys()


def test_only_the_named_fields_are_padded():
    batch = pad([{"x": np.ones(2), "y": np.ones(2), "z": {"w": [1]}}] * 2, fields=["x", "z"])
    assert list(batch) == ["x", "x_lengths", "y", "z"] and list(batch["z"]) == ["w", "w_lengths"]


def test_lengths_stand_beside_the_array_in_tuples_and_make_records_dicts():
    x, lengths, y = pad([(np.ones(1), 5), (np.ones(2), 6)])
    assert x.shape == (2, 2) and lengths.tolist() == [1, 2] and y.tolist() == [5, 6]
    x, lengths = pad([np.ones(1), np.ones(2)])
    assert x.shape == (2, 2) and lengths.tolist() == [1, 2]
    assert list(pad([Record(np.ones(1), 1)])) == ["x", "x_lengths", "y"]
    assert list(pad([Pair(np.ones(1), 1)])) == ["a", "a_lengths", "b"]


def test_collate_writes_where_the_allocator_says():
    made = []

    def alloc(shape, dtype):
        made.append(np.empty(shape, dtype))
        return made[-1]

    batch = pad([{"x": np.ones(2), "y": 1}], alloc=alloc)
    assert batch["x"] is made[0] and all(any(v is m for m in made) for v in batch.values())


@pytest.mark.parametrize(
    ("collate", "samples", "message"),
    [
        (stack, [{"x": np.ones(2)}, {"x": np.ones(3)}], r"'x' has shape \(2,\).*\(3,\) in sample 1.*collate_fn=pad"),
        (pad, [{"x": np.ones((2, 3))}, {"x": np.ones((2, 4))}], "'x' has shape.*leading axis only"),
        (stack, [{"x": np.ones(2)}, {"y": 1}], r"fields \['x'\] in sample 0 .* but \['y'\] in sample 1"),
        (stack, [{"a": {"b": 1}}, {"a": {"b": None}}], "'a.b' is 1 in sample 0 .* None in sample 1"),
        (stack, [{"x": np.ones(1)}, {"x": np.ones(1, "f4")}], r"float64.*float32 in sample 1.*astype\('float64'\)"),
        (stack, [(1, 2), (1,)], "2 elements in sample 0 .* 1 in sample 1"),
        (stack, [(1, 2), 3], "a tuple of 2 elements in sample 0 .* 3 in sample 1: give it one type"),
        (stack, [{"x": 2**70}], "'x' has whole numbers beyond 64 bits"),
        (pad, [{"x": np.ones(1), "x_lengths": 1}], "'x_lengths', which padding would overwrite"),
    ],
)
def test_what_makes_no_batch_is_named(collate, samples, message):
    with pytest.raises(CollateError, match=message):
        collate(samples)


# Several axes.


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6),
    st.sampled_from([(), (3,)]),
    st.integers(2, 3),
)
def test_padding_over_several_axes_keeps_every_value_and_the_size_of_each_sample(sizes, rest, axes):
    samples = [{"x": np.random.default_rng(i).normal(size=(*size, *rest))} for i, size in enumerate(sizes)]
    batch = pad(samples, axes=axes, value=-7)
    padded = min(axes, 2 + len(rest))
    assert batch["x"].shape == (len(sizes), *np.max(sizes, 0), *rest)
    assert batch["x_lengths"].tolist() == [[*size, *rest][:padded] for size in sizes]
    assert batch["x_lengths"].dtype == np.int64
    for row, sample, (height, width) in zip(batch["x"], samples, sizes, strict=True):
        assert np.array_equal(row[:height, :width], sample["x"])
        assert (row[height:] == -7).all() and (row[:, width:] == -7).all()


def test_arrays_of_fewer_axes_are_padded_in_all_of_theirs():
    samples = [{"picture": np.ones((n, 3 - n)), "tokens": [1] * n, "label": n} for n in (1, 2)]
    batch = pad(samples, axes=2)
    assert batch["picture"].shape == (2, 2, 2) and batch["picture_lengths"].tolist() == [[1, 2], [2, 1]]
    assert batch["tokens"].shape == (2, 2) and batch["tokens_lengths"].tolist() == [1, 2]
    assert batch["label"].tolist() == [1, 2]


def test_an_option_of_pad_reaches_what_the_loader_collates_with():
    for function in (partial(pad, axes=2), partial(partial(pad, fields=[0]), axes=2, value=1.0)):
        collate = as_collate(function)
        assert isinstance(collate, Pad) and collate.padded_axes(0) == 2
        assert collate.padded_axes(1) == (2 if collate.fields is None else 0)
    assert Stack().padded_axes("x") == 0 and Pad(["x"]).padded_axes("x") == 1


@pytest.mark.parametrize("axes", [0, -1, 1.0, True, None])
def test_a_number_of_axes_that_is_none_is_refused(axes):
    with pytest.raises(ConfigError, match="must be the number of leading axes to pad"):
        pad([np.ones(1)], axes=axes)


def test_unlike_axes_behind_those_that_are_padded_are_refused_with_the_mend():
    samples = [{"x": np.ones((2, 3, 4))}, {"x": np.ones((2, 3, 5))}]
    with pytest.raises(CollateError, match=r"'x' has shape.*the first 2 axes only; pad\(..., axes=3\) evens out all"):
        pad(samples, axes=2)
    with pytest.raises(CollateError, match="same number of axes"):
        pad([{"x": np.ones((2, 3))}, {"x": np.ones(2)}], axes=2)


@pytest.mark.parametrize(
    ("values", "filled"),
    [
        (np.array(["ab", "c"]), ""),
        (np.array([b"ab", b"c"]), b""),
        (np.array([1, "a"], object), None),
        (np.array([True, True]), False),
        (np.array([1, 2], np.uint8), 0),
    ],
)
def test_padding_is_filled_with_what_the_dtype_holds(values, filled):
    batch, _ = pad([values, values[:1]])
    assert batch.dtype == values.dtype and batch.tolist() == [values.tolist(), [*values[:1].tolist(), filled]]


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[ms]"])
def test_times_are_padded_with_no_time(dtype):
    batch, _ = pad([np.zeros(2, dtype), np.zeros(1, dtype)])
    assert np.isnat(batch).tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize(("dtype", "value"), [("u1", -1), ("i1", 300), ("i8", float("nan")), ("i4", 0.5), ("?", 2)])
def test_a_filling_that_the_dtype_cannot_hold_is_refused(dtype, value):
    with pytest.raises(CollateError, match=r"'x' is .*, which cannot hold value=.*convert the field"):
        pad([{"x": np.ones(1, dtype)}], value=value)
