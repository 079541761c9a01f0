"""TFRecords that are laid out alike are read a batch at a time: the batch of those read one by one, or their error."""

import numpy as np
import pytest
from conformance import equal
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload import Loader, TFRecordSource
from dataload.collate import stack
from dataload.errors import DecodeError
from dataload.memory import aligned_empty
from dataload.shards.alike import Column, stacked
from dataload.shards.example import encode_example
from dataload.shards.tfrecord import frame

FIELDS = {"x": ("x", np.int16), "label": ("n", int), "weight": ("w", float), "list": "f"}
INTS = st.integers(-(2**63), 2**63 - 1)


def write(path, examples):
    path.write_bytes(b"".join(frame(encode_example(one)) for one in examples))
    return path


def source_of(tmp_path, examples, **fields):
    return TFRecordSource(write(tmp_path / "a.tfrecord", examples), **(fields or FIELDS))


def both(source, indices):
    """Return the batch made at once, and that of the samples one by one, or the error of these."""
    indices = np.asarray(indices)
    try:
        return source.stacked(indices, aligned_empty), stack(source.__getitems__(indices.tolist()))
    except DecodeError as error:
        return source.stacked(indices, aligned_empty), error


def alike(rng, n, values=3, size=8):
    return [
        {
            "x": rng.bytes(2 * size),
            "n": int(rng.integers(-5, 40_000)),
            "w": float(rng.random()),
            "f": rng.random(values).tolist(),
        }
        for _ in range(n)
    ]


@pytest.mark.parametrize("size", [0, 1, 100, 3000])
def test_a_batch_made_at_once_is_that_of_the_records_one_by_one(tmp_path, size):
    rng = np.random.default_rng(size)
    source = source_of(tmp_path, alike(rng, 300, size=size))
    for indices in (np.arange(300), rng.permutation(300)[:64], [7], [5, 5, 4, 5]):
        made, expected = both(source, indices)
        assert made is not None and equal(made, expected)
        assert all(array.ctypes.data % 64 == 0 for array in made.values())


@given(values=st.lists(INTS, min_size=1, max_size=30))
@settings(max_examples=50)
def test_every_integer_is_what_it_is(tmp_path_factory, values):
    source = source_of(tmp_path_factory.mktemp("ints"), [{"n": value} for value in values], label=("n", int))
    made, expected = both(source, np.arange(len(values)))
    lengths = {len(encode_example({"n": value})) for value in values}
    assert (made is not None) == (len(lengths) <= 16)
    assert made is None or equal(made, expected)
    assert expected["label"].tolist() == values


@pytest.mark.parametrize("dtype", ["u1", ">i2", "<f4", "c8", "f8", "?"])
def test_bytes_are_numbers_of_any_type_the_lowest_byte_first(tmp_path, dtype):
    rng = np.random.default_rng(0)
    stored = [rng.integers(0, 2, 48, np.uint8).tobytes() for _ in range(9)]
    source = source_of(tmp_path, [{"x": data} for data in stored], x=("x", np.dtype(dtype)))
    made, expected = both(source, np.arange(9))
    assert equal(made, expected) and made["x"].dtype.isnative
    given = np.dtype(dtype) if dtype[0] == ">" else np.dtype(dtype).newbyteorder("<")
    assert made["x"].tolist() == [np.frombuffer(data, given).tolist() for data in stored]


UNLIKE = {
    "another name of the same length": lambda one: {"y" if name == "x" else name: one[name] for name in one},
    "another length": lambda one: {**one, "x": one["x"] + b"12"},
    "half a number": lambda one: {**one, "x": one["x"] + b"1"},
    "no value": lambda one: {**one, "n": np.array([], np.int64)},
    "two values": lambda one: {**one, "n": [1, 2]},
    "another kind": lambda one: {**one, "n": 0.5},
    "a feature that is missing": lambda one: {name: value for name, value in one.items() if name != "w"},
    "a longer list": lambda one: {**one, "f": [*one["f"], 1.0]},
}


@pytest.mark.parametrize("change", UNLIKE.values(), ids=UNLIKE)
@pytest.mark.parametrize("where", [0, 5])
def test_a_record_that_is_not_like_the_others_leaves_the_batch_to_reading_one_by_one(tmp_path, change, where):
    examples = alike(np.random.default_rng(1), 10)
    for one in examples:
        one["n"] = 3  # of one length
    examples[where] = change(examples[where])
    source = source_of(tmp_path, examples)
    assert source.stacked(np.arange(10), aligned_empty) is None
    others = np.delete(np.arange(10), where)
    assert equal(*both(source, others))


@pytest.mark.parametrize("kind", ["int", "float", "bytes", "floats"])
@pytest.mark.parametrize("values", [[1, 2], [3], [0.5, 1.5], [0.25], [b"1234"], [b"1234", b"5678"]], ids=repr)
def test_a_field_of_another_kind_or_number_is_never_taken_for_the_one_that_is_asked_for(tmp_path, kind, values):
    field = {"int": ("v", int), "float": ("v", float), "bytes": ("v", np.float32), "floats": "v"}[kind]
    source = source_of(tmp_path, [{"v": values}] * 4, field=field)
    fits = {"int": values == [3], "float": values == [0.25], "bytes": values == [b"1234"]}
    made = source.stacked(np.arange(4), aligned_empty)
    assert (made is not None) == fits.get(kind, isinstance(values[0], float))
    if made is not None:
        assert equal(*both(source, np.arange(4)))


def test_after_some_batches_that_are_not_alike_none_is_read_twice(tmp_path):
    examples = [{"n": [1] * (i % 2 + 1)} for i in range(80)]
    source = source_of(tmp_path, examples, n=("n", len))
    assert source.stacked(np.arange(2), aligned_empty) is None and source._unlike == 0, "it calls a function"
    source = source_of(tmp_path, [{"x": bytes(i)} for i in range(80)], x=("x", np.uint8))
    with Loader(source, batch_size=2, collate_fn=list) as loader:
        assert len(list(loader)) == 40 and source._unlike == 0, "not a stack"
    for i in range(10):
        assert source.stacked(np.arange(2 * i, 2 * i + 2), aligned_empty) is None
    assert source._unlike == 4


def test_every_flipped_bit_is_the_error_of_the_record_read_alone(tmp_path):
    examples = alike(np.random.default_rng(2), 3, values=1, size=2)
    path = write(tmp_path / "a.tfrecord", examples)
    whole = path.read_bytes()
    sizes = np.array([len(frame(encode_example(one))) for one in examples])
    starts = np.cumsum(sizes) - sizes
    columns = [Column("x", "x", "bytes", np.dtype("<i2")), Column("n", "n", "int")]
    assert stacked(whole, starts, sizes, columns, aligned_empty) is not None
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        assert stacked(bytes(damaged), starts, sizes, columns, aligned_empty) is None


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])
def test_a_loader_makes_the_same_batches_at_once_and_one_by_one(tmp_path, worker, num_workers):
    examples = alike(np.random.default_rng(3), 100)
    source = source_of(tmp_path, examples)
    slow = TFRecordSource(tmp_path / "a.tfrecord", **FIELDS)
    slow._unlike = 99
    options = {"batch_size": 8, "shuffle": True, "seed": 3}
    with Loader(source, **options, num_workers=num_workers, worker=worker) as one, Loader(slow, **options) as other:
        assert equal(list(one), list(other))
    assert source._unlike == 0
