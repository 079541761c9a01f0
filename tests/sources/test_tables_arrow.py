"""Parquet and Arrow files: one type per column in all files, and what values of every type become."""

import datetime
import decimal
import pickle

import conformance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataload import Loader, TableSource, pad
from dataload.errors import ConfigError, DecodeError

SOME = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, table, rows=64):
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=rows)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=rows)
    return path


def rows(source):
    return source.__getitems__(range(len(source)))


def shards(folder, *columns, name="x"):
    for number, column in enumerate(columns):
        write(folder / f"{number}.parquet", pa.table({name: column}))
    return folder


@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [
        (pa.array([1, 2]), pa.array([1.5, None]), np.float64),
        (pa.array([1, 2], pa.int32()), pa.array([3, None]), np.int64),
        (pa.array([None, None]), pa.array([3], pa.int8()), np.int8),
        (pa.array([1.0], pa.float32()), pa.array([3.0]), np.float64),
        (pa.array([1], pa.uint8()), pa.array([-1], pa.int8()), np.int16),
        (pa.array([1], pa.int8()), pa.array([1.5], pa.float32()), np.float64),
    ],
)
def test_numbers_of_two_types_are_one_type_in_every_batch(tmp_path, a, b, dtype):
    source = TableSource(shards(tmp_path, a, b))
    found = [row["x"] for row in rows(source)]
    assert {value.dtype for value in found if value is not None} == {np.dtype(dtype)}
    written = [*a.to_pylist(), *b.to_pylist()]
    assert all(np.isnan(x) if w is None and x is not None else x == w for x, w in zip(found, written, strict=True))
    conformance.check_source(source, length=len(written))


def test_a_whole_number_that_a_float_would_round_names_column_file_and_row(tmp_path):
    source = TableSource(shards(tmp_path, pa.array([1, (1 << 53) + 1]), pa.array([0.5])))
    assert source[2] == {"x": 0.5}
    with pytest.raises(DecodeError, match=r"column 'x'.*0\.parquet', row 1 is int64 and cannot be read as double"):
        source[1]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (pa.array([1]), pa.array(["a"])),
        (pa.array([True]), pa.array([1])),
        (pa.array([1], pa.uint64()), pa.array([-1])),
        (pa.array([{"a": 1}]), pa.array([{"b": 1}])),
        (pa.array([[1]]), pa.array([1])),
        (pa.array([0], pa.timestamp("us")), pa.array([0], pa.timestamp("us", "UTC"))),
    ],
)
def test_types_with_none_in_common_are_an_error_when_the_source_is_made(tmp_path, a, b):
    with pytest.raises(ConfigError, match=r"column 'x'.*0\.parquet.*1\.parquet.*types=\{'x'") as caught:
        TableSource(shards(tmp_path, a, b))
    assert "astype" not in str(caught.value)


def test_structs_with_the_same_fields_in_another_order_are_one_type(tmp_path):
    other = pa.array([{"b": "y", "a": 2.5}], pa.struct([("b", pa.string()), ("a", pa.float64())]))
    source = TableSource(shards(tmp_path, pa.array([{"a": 1, "b": "x"}]), other))
    assert rows(source) == [{"x": {"a": 1, "b": "x"}}, {"x": {"a": 2.5, "b": "y"}}]
    assert {row["x"]["a"].dtype for row in rows(source)} == {np.dtype(np.float64)}


def test_a_named_type_settles_what_files_disagree_on(tmp_path):
    source = TableSource(shards(tmp_path, pa.array([1, None]), pa.array(["007"])), types={"x": "string"})
    assert rows(source) == [{"x": "1"}, {"x": None}, {"x": "007"}]
    with pytest.raises(
        DecodeError, match=r"column 'x'.*1\.parquet', row 0 is string and cannot be read as int8.*'abc'"
    ):
        rows(TableSource(shards(tmp_path, pa.array([1]), pa.array(["abc"])), types={"x": "int8"}))


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_text_is_text_in_whatever_layout(tmp_path, kind):
    write(tmp_path / "0.arrow", pa.table({"x": pa.array(["a", None], kind)}))
    write(tmp_path / "1.arrow", pa.table({"x": pa.array(["b"])}))
    assert rows(TableSource(tmp_path)) == [{"x": "a"}, {"x": None}, {"x": "b"}]


def test_other_orders_of_columns_and_columns_left_out_do_not_matter(tmp_path):
    write(tmp_path / "0.parquet", pa.table({"a": [1], "b": ["x"]}))
    write(tmp_path / "1.parquet", pa.table({"b": ["y"], "a": [2]}))
    source = TableSource(tmp_path)
    assert rows(source) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert [list(row) for row in rows(source)] == [["a", "b"], ["a", "b"]]
    write(tmp_path / "2.parquet", pa.table({"a": [3], "c": [1.5]}))
    with pytest.raises(ConfigError, match=r"2\.parquet.*same columns"):
        TableSource(tmp_path)
    assert rows(TableSource(tmp_path, columns=["a"])) == [{"a": 1}, {"a": 2}, {"a": 3}]
    with pytest.raises(ConfigError, match=r"2\.parquet' has no column 'b'"):
        TableSource(tmp_path, columns=["a", "b"])


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_column_with_a_dot_in_its_name_is_not_a_part_of_another(tmp_path, suffix):
    path = write(tmp_path / f"t{suffix}", pa.table({"a": [{"b": 1}], "a.b": [2], "c": [3]}))
    assert TableSource(path, columns=["c", "a"])[0] == {"c": 3, "a": {"b": 1}}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("list_", [pa.list_, pa.large_list], ids=["list", "large list"])
def test_lists_of_lists_are_arrays_and_lists_of_texts_are_lists(tmp_path, suffix, list_):
    matrix = [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]]
    table = pa.table(
        {
            "m": pa.array(matrix, list_(list_(pa.float32()))),
            "tags": pa.array([["cat", "black"], ["dog"]], list_(pa.string())),
            "talk": pa.array([[{"role": "x"}], []], list_(pa.struct([("role", pa.string())]))),
        }
    )
    source = TableSource(write(tmp_path / f"t{suffix}", table))
    for collate in (None, lambda samples: pad(samples, fields=["tags"])):
        batch = next(iter(Loader(source, batch_size=2, collate_fn=collate)))
        assert batch["m"].shape == (2, 3, 2) and batch["m"].dtype == np.float32 and batch["m"].tolist() == matrix
        assert batch["tags"] == [["cat", "black"], ["dog"]] and batch["talk"] == [[{"role": "x"}], []]
    conformance.check_source(source, length=2)


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_lists_come_back_from_workers_as_they_are(tmp_path, worker):
    table = pa.table(
        {"tags": [[f"t{i}"] * (i % 3) for i in range(8)], "r": [[[1] * j for j in range(i % 3)] for i in range(8)]}
    )
    path = write(tmp_path / "t.parquet", table)
    with Loader(TableSource(path), batch_size=4, num_workers=1, worker=worker) as loader:
        found = [tags for batch in loader for tags in batch["tags"]]
    assert found == table["tags"].to_pylist() and {type(tags) for tags in found} == {list}


NESTED = st.lists(
    st.none() | st.lists(st.none() | st.lists(st.integers(-9, 9), max_size=3), max_size=3), min_size=1, max_size=5
)


def as_lists(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [as_lists(inner) for inner in value] if isinstance(value, list) else value


@SOME
@given(NESTED, st.booleans(), st.lists(st.integers(0, 4), max_size=6))
def test_ragged_lists_and_nulls_are_arrays_where_they_can_be_and_hold_what_was_written(tmp_path, values, large, order):
    list_ = pa.large_list if large else pa.list_
    path = write(tmp_path / "t.arrow", pa.table({"x": pa.array(values, list_(list_(pa.int16())))}), rows=2)
    source = TableSource(path)
    order = [i % len(values) for i in order]
    for index, row in zip(order, source.__getitems__(order), strict=True):
        value, written = row["x"], values[index]
        assert as_lists(value) == written or (written == [] and value.shape == (0, 0))
        even = written is not None and None not in written and len({len(inner) for inner in written}) < 2
        assert isinstance(value, np.ndarray) == even
        if even:
            assert value.dtype == np.int16 and value.ndim == 2
        assert conformance.equal(source[index]["x"], value)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_fixed_shapes_are_arrays_of_that_shape(tmp_path, suffix):
    values = np.arange(48, dtype=np.float32).reshape(4, 3, 4)
    fixed = pa.list_(pa.list_(pa.int8(), 2), 3)
    columns = {
        "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(values),
        "fixed": pa.array([[[1, 2], [3, 4], [5, 6]], None, [[0, 0]] * 3, [[1, 1]] * 3], fixed),
        "none": pa.array([[[]], [[]], [], None], pa.list_(pa.list_(pa.float64()))),
    }
    source = TableSource(write(tmp_path / f"t{suffix}", pa.table(columns), rows=3))
    assert np.array_equal([row["tensor"] for row in rows(source)], values)
    assert source[0]["fixed"].tolist() == [[1, 2], [3, 4], [5, 6]] and source[0]["fixed"].dtype == np.int8
    assert source[1]["fixed"] is None and source[0]["none"].shape == (1, 0) and source[2]["none"].shape == (0, 0)


def test_axes_of_a_tensor_are_put_in_the_order_of_its_type(tmp_path):
    kind = pa.fixed_shape_tensor(pa.int32(), [2, 3], permutation=[1, 0])
    column = pa.ExtensionArray.from_storage(kind, pa.array([list(range(6))], pa.list_(pa.int32(), 6)))
    source = TableSource(write(tmp_path / "t.arrow", pa.table({"x": column})))
    assert np.array_equal(
        source[0]["x"],
        column.to_tensor().to_numpy()[0] if hasattr(column, "to_tensor") else column.to_numpy_ndarray()[0],
    )
    assert source[0]["x"].shape == (3, 2)


def test_a_null_inside_of_a_list_is_nan_among_floats_and_an_error_among_whole_numbers(tmp_path):
    table = pa.table({"f": [[1.0, None], [2.0]], "i": [[1, None], [2]]})
    source = TableSource(write(tmp_path / "t.parquet", table), columns=["f"])
    assert np.isnan(source[0]["f"][1]) and source[0]["f"].dtype == np.float64
    whole = TableSource(tmp_path / "t.parquet", columns=["i"])
    assert whole[1]["i"].dtype == np.int64
    with pytest.raises(DecodeError, match=r"column 'i'.*t\.parquet.*null inside of a list.*types="):
        whole[0]
    named = TableSource(tmp_path / "t.parquet", columns=["i"], types={"i": pa.list_(pa.float64())})
    assert np.isnan(named[0]["i"][1]) and named[1]["i"].dtype == np.float64


def test_nulls_do_not_change_the_types_of_other_rows(tmp_path):
    columns = {
        "i": pa.array([1, None, 3], pa.int32()),
        "b": [True, None, False],
        "f": pa.array([1.0, None, 3.0], pa.float16()),
        "s": [{"n": 1, "f": 1.5}, None, {"n": None, "f": None}],
    }
    source = TableSource(write(tmp_path / "t.parquet", pa.table(columns)))
    together, alone = rows(source), [source[i] for i in range(3)]
    assert conformance.equal(together[0], alone[0]) and conformance.equal(together[2]["i"], alone[2]["i"])
    assert together[0]["i"].dtype == np.int32 and together[0]["b"].dtype == np.bool_ and together[1]["i"] is None
    assert {row["f"].dtype for row in together} == {np.dtype(np.float16)}
    assert together[0]["s"]["n"].dtype == np.int64 and np.isnan(together[2]["s"]["f"]) and together[1]["s"] is None


SPECIAL = {
    "bool8": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())), [True, False, None]),
    "runs": (pa.RunEndEncodedArray.from_arrays([1, 3], ["a", "b"]), ["a", "b", "b"]),
    "runs of numbers": (pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([7, 8], pa.int16())), [7, 7, 8]),
    "views in lists": (pa.array([["a"], [], None], pa.list_(pa.string_view())), [["a"], [], None]),
    "list view": (pa.array([[1], [], [2, 3]], pa.list_view(pa.int32())), [[1], [], [2, 3]]),
    "list views in lists": (
        pa.array([[[1], [2, 3]], None, [[4], [5, 6]]], pa.large_list(pa.list_view(pa.int32()))),
        [[[1], [2, 3]], None, [[4], [5, 6]]],
    ),
    "views in lists of a length": (
        pa.array([["a", "b"], None, ["c", "d"]], pa.list_(pa.string_view(), 2)),
        [["a", "b"], None, ["c", "d"]],
    ),
    "list views in structs": (
        pa.array([{"a": [1, 2]}, None, {"a": [3, 4]}], pa.struct([("a", pa.list_view(pa.int8()))])),
        None,
    ),
    "large list view": (pa.array([[1], None, [2, 3]], pa.large_list_view(pa.int64())), [[1], None, [2, 3]]),
    "dictionaries in lists": (
        pa.ListArray.from_arrays(pa.array([0, 1, 1, 2]), pa.array(["a", "b"]).dictionary_encode()),
        [["a"], [], ["b"]],
    ),
    "views in structs": (pa.array([{"a": "x"}] * 3, pa.struct([("a", pa.string_view())])), [{"a": "x"}] * 3),
    "views in maps": (pa.array([[("a", "x")]] * 3, pa.map_(pa.string(), pa.string_view())), [[("a", "x")]] * 3),
    "binary view": (pa.array([b"a", None, b""], pa.binary_view()), [b"a", None, b""]),
    "decimal": (pa.array([decimal.Decimal("1.50")] * 3, pa.decimal128(9, 2)), [decimal.Decimal("1.50")] * 3),
    "wide decimal": (pa.array([decimal.Decimal("1.50")] * 3, pa.decimal256(60, 2)), [decimal.Decimal("1.50")] * 3),
    "duration": (
        pa.array([1, None, 2], pa.duration("ms")),
        [datetime.timedelta(milliseconds=1), None, datetime.timedelta(milliseconds=2)],
    ),
    "duration in ns": (pa.array([1000] * 3, pa.duration("ns")), [datetime.timedelta(microseconds=1)] * 3),
    "time in ns": (pa.array([1000] * 3, pa.time64("ns")), [datetime.time(0, 0, 0, 1)] * 3),
    "timestamp in ns": (pa.array([1000] * 3, pa.timestamp("ns")), [datetime.datetime(1970, 1, 1, 0, 0, 0, 1)] * 3),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_values_of_every_type_are_what_python_calls_them(tmp_path, name):
    column, values = SPECIAL[name]
    source = TableSource(write(tmp_path / "t.arrow", pa.table({"x": column})))
    found = [as_lists(row["x"]) for row in rows(source)]
    if values is None:
        found, values = [value and {"a": as_lists(value["a"])} for value in found], column.to_pylist()
    assert found == values
    assert not any("pandas" in type(value).__module__ for value in found)
    conformance.check_source(source, length=3)


def test_nanoseconds_that_python_has_none_for_are_an_error_and_can_be_read_as_numbers(tmp_path):
    path = write(tmp_path / "t.parquet", pa.table({"t": pa.array([1_000_000_001], pa.timestamp("ns"))}))
    with pytest.raises(DecodeError, match=r"column 't'.*t\.parquet.*would lose data"):
        TableSource(path)[0]
    assert TableSource(path, types={"t": "int64"})[0] == {"t": 1_000_000_001}


def test_what_has_no_values_is_an_error_that_names_file_and_column_when_the_source_is_made(tmp_path):
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    nowhere = pa.array([0], pa.timestamp("us", "Mars/Base"))
    for number, column in enumerate((twice, nowhere)):
        path = write(tmp_path / f"{number}.arrow", pa.table({"good": [1], "x": column}))
        with pytest.raises(ConfigError, match=rf"column 'x' of .*{number}\.arrow.*columns="):
            TableSource(path)
        assert TableSource(path, columns=["good"])[0] == {"good": 1}


def test_a_name_that_is_there_twice_is_an_error_unless_it_is_left_out(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "b", "a"])
    for suffix in (".arrow", ".parquet"):
        path = write(tmp_path / f"t{suffix}", table)
        with pytest.raises(ConfigError, match=rf"t\{suffix}.*2 columns 'a'"):
            TableSource(path)
        assert TableSource(path, columns=["b"])[0] == {"b": 2}


def test_files_of_several_formats_are_one_table_of_one_type(tmp_path):
    write(tmp_path / "0.parquet", pa.table({"x": [1.5], "s": ["a"]}))
    (tmp_path / "1.csv").write_text("s,x\n007,3\n")
    (tmp_path / "2.jsonl").write_text('{"x": 4, "s": "c"}\n{"s": null, "x": null}\n')
    source = TableSource(tmp_path)
    found = rows(source)
    assert [row["s"] for row in found] == ["a", "007", "c", None]
    assert [type(row["x"]) for row in found] == [np.float64] * 4 and np.isnan(found[3]["x"])
    assert len(pickle.dumps(source)) < 5000
    (tmp_path / "3.jsonl").write_text('{"x": [1], "s": "c"}\n')
    with pytest.raises((ConfigError, DecodeError), match=r"column 'x'.*types="):
        TableSource(tmp_path)
