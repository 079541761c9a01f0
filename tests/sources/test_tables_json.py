"""JSON files: rows as they are written, of one type per column where they have one."""

import gzip
import json
import math

import conformance
import numpy as np
import pyarrow as pa
import pytest
from growth import grows_with_size
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataload import Loader, TableSource, pad
from dataload.errors import DataloadError, DecodeError
from dataload.sources import groups

SOME = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def rows(source):
    return source.__getitems__(range(len(source)))


def same(value, written):
    """Whether the value of a sample is what was written, and as a type that holds it."""
    if isinstance(value, np.ndarray | list):
        return len(value) == len(written) and all(map(same, value, written))
    if isinstance(value, dict):
        return value.keys() == written.keys() and all(same(value[key], written[key]) for key in value)
    if isinstance(value, np.floating) and np.isnan(value):
        return written is None or math.isnan(written)
    number = isinstance(written, bool) == isinstance(value, bool | np.bool_)
    return number and (value is None) == (written is None) and value == written


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(-(1 << 65), 1 << 65), st.floats(allow_nan=False),
    st.text(max_size=5), st.sampled_from(["2021-05-05", "2021-05-06T10:00:00+02:00", "12", "null"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from("xyz"), v, max_size=3), max_leaves=8
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "ключ"]), VALUES, max_size=3), min_size=1, max_size=6)


@pytest.mark.slow
@SOME
@given(ROWS, st.integers(1, 60))
def test_rows_of_any_structure_come_back_as_they_are_written(tmp_path, written, block):
    path = write(tmp_path / "t.jsonl", written)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_BLOCK_BYTES", block)
        source = TableSource(path, types={name: "json" for row in written for name in row})
        assert all(map(same, rows(source), written))
        try:
            source = TableSource(path)
        except DecodeError as error:
            assert "types={" in str(error) and "t.jsonl" in str(error)
        else:
            assert all(map(same, rows(source), written))


def test_no_row_has_a_key_that_only_others_have(tmp_path):
    written = [{"args": {"city": "Bonn"}}, {"args": {"amount": 3}, "id": "x"}, {"args": None}]
    source = TableSource(write(tmp_path / "t.jsonl", written))
    assert rows(source) == written
    named = TableSource(tmp_path / "t.jsonl", columns=["id", "args"])
    assert rows(named) == [{"id": None, **written[0]}, written[1], {"id": None, **written[2]}]
    assert next(iter(Loader(named, batch_size=3))) == {"id": [None, "x", None], "args": [r["args"] for r in written]}


def test_objects_with_the_same_keys_are_dicts_of_typed_values(tmp_path):
    written = [{"p": {"x": 1, "y": [1, 2]}}, {"p": {"y": [3, 4], "x": 0.5}}]
    batch = next(iter(Loader(TableSource(write(tmp_path / "t.jsonl", written)), batch_size=2)))
    assert batch["p"]["x"].dtype == np.float64 and batch["p"]["y"].tolist() == [[1, 2], [3, 4]]


def test_values_of_several_types_are_an_error_with_the_mend_unless_asked_for(tmp_path):
    written = [{"content": "hi"}, {"content": [{"type": "text", "text": "hi"}]}]
    path = write(tmp_path / "t.jsonl", written)
    with pytest.raises(DecodeError, match=r"column 'content'.*text in row 0.*a list in row 1.*'json'") as caught:
        TableSource(path)
    assert "t.jsonl" in str(caught.value)
    source = TableSource(path, types={"content": "json"})
    assert rows(source) == written
    assert next(iter(Loader(source, batch_size=2)))["content"] == ["hi", written[1]["content"]]
    assert TableSource(write(tmp_path / "u.jsonl", [*written, {"n": 1}]), columns=["n"])[2] == {"n": 1}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, None, 3], np.int64),
        ([1, 0.5], np.float64),
        ([1 << 53, 0.5], np.float64),
        ([(1 << 64) - 1, 0], np.uint64),
        ([True, None], np.bool_),
        ([0.5, None], np.float64),
    ],
)
def test_numbers_have_one_type_in_all_rows_blocks_and_files(tmp_path, monkeypatch, values, dtype):
    monkeypatch.setattr(groups, "_BLOCK_BYTES", 4)
    for number, value in enumerate(values):
        write(tmp_path / f"{number}.jsonl", [{"x": value}])
    found = rows(TableSource(tmp_path))
    assert {row["x"].dtype for row in found if row["x"] is not None} == {np.dtype(dtype)}
    assert all(same(row["x"], value) for row, value in zip(found, values, strict=True))
    assert (found[-1]["x"] is None) == (values[-1] is None and dtype is not np.float64)


def test_whole_numbers_are_never_rounded(tmp_path):
    beyond = [{"id": 1 << 64}, {"id": -1}]
    assert rows(TableSource(write(tmp_path / "a.jsonl", beyond))) == beyond
    with pytest.raises(DecodeError, match=r"column 'id'.*a whole number in row 0.*a fraction in row 1"):
        TableSource(write(tmp_path / "b.jsonl", [{"id": (1 << 53) + 1}, {"id": 0.5}]))
    with pytest.raises(DecodeError, match=r"row 0.*cannot be read"):
        TableSource(write(tmp_path / "c.jsonl", ['{"id": ' + "9" * 100_000 + "}"]))
    named = TableSource(tmp_path / "b.jsonl", types={"id": "float64"})
    assert named[1] == {"id": 0.5}
    with pytest.raises(DecodeError, match=r"column 'id'.*b\.jsonl.*row 0"):
        named[0]


def test_types_can_be_named_and_a_value_that_has_none_such_names_its_row(tmp_path):
    import datetime

    written = [{"t": "2021-05-05T10:00:00", "x": 1, "l": [1]}, {"t": None, "x": 2.5, "l": []}]
    source = TableSource(
        write(tmp_path / "t.jsonl", written), types={"t": "timestamp[s]", "x": "float32", "l": pa.list_(pa.float32())}
    )
    assert source[0]["t"] == datetime.datetime(2021, 5, 5, 10) and source[1]["t"] is None
    assert {row["x"].dtype for row in rows(source)} == {np.dtype("f4")} == {row["l"].dtype for row in rows(source)}
    with pytest.raises(DecodeError, match=r"column 'x'.*t\.jsonl.*row 1.*int64"):
        rows(TableSource(tmp_path / "t.jsonl", types={"x": "int64"}))
    assert TableSource(tmp_path / "t.jsonl", types={"x": "int64"})[0]["x"] == 1


def test_lists_of_numbers_are_arrays_and_others_are_one_list_per_sample(tmp_path):
    written = [
        {"v": [1, 2], "m": [[1, 2], [3, 4]], "r": [[1], [2, 3]], "tags": ["a", "b"], "talk": [{"role": "x"}]},
        {"v": [0.5], "m": [], "r": [], "tags": [], "talk": [{"role": "x", "text": "y"}, {}]},
    ]
    source = TableSource(write(tmp_path / "t.jsonl", written))
    first, second = rows(source)
    assert first["v"].dtype == second["v"].dtype == np.float64
    assert first["m"].shape == (2, 2) and second["m"].shape == (0, 0) and second["m"].dtype == np.int64
    assert [inner.tolist() for inner in first["r"]] == [[1], [2, 3]]
    batch = next(
        iter(
            Loader(
                source,
                batch_size=2,
                collate_fn=lambda samples: pad([{k: s[k] for k in ("v", "tags", "talk")} for s in samples]),
            )
        )
    )
    assert batch["tags"] == [["a", "b"], []] and batch["talk"] == [row["talk"] for row in written]
    assert batch["v"].tolist() == [[1, 2], [0.5, 0]]


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1, "b": "x"}, {"a": 2, "b": "]},{"}]',
        '[\n  {"a": 1,\n   "b": "x"},\n  {"a": 2, "b": "]},{"}\n]\n',
        '{"a": 1, "b": "x"}\n{"a": 2, "b": "]},{"}\n',
        '{\n"a": 1, "b": "x"}\n\n{"a": 2,\n "b": "]},{"}',
        '{"a": 1, "b": "x"}{"a": 2, "b": "]},{"}',
        '\ufeff\n \n{"a": 1, "b": "x"}\r\n  \r\n{"a": 2, "b": "]},{"}\r\n',
    ],
    ids=["array", "array over lines", "lines", "over lines", "in one line", "blank lines"],
)
@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.json.gz", "t.ndjson.gz"])
@pytest.mark.parametrize("block", [5, 1 << 20])
def test_rows_in_lines_in_an_array_or_over_lines_are_the_same(tmp_path, monkeypatch, text, name, block):
    monkeypatch.setattr(groups, "_BLOCK_BYTES", block)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    source = TableSource(tmp_path / name)
    assert rows(source) == [{"a": 1, "b": "x"}, {"a": 2, "b": "]},{"}]
    conformance.check_source(source, length=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": \n', "row 1"),
        ('{"a": 1}\n[1]\n', "row 1.*is a list"),
        ("3\n", "row 0.*is a int"),
        ('{"a": 1}\n{"a": 1, "a": 2}\n', "row 1.*'a' is there twice"),
        ('[{"a": 1}, {"a": 2', "row 1"),
        ('[{"a": 1}, {"a": 2}', "row 2"),
        ("[]", "no rows"),
        ('{"a": {"a": 1\n{"b": 2}}, {"c": 3}\n', "row 0"),
    ],
)
@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_what_is_no_row_is_an_error_that_names_it(tmp_path, text, message, name):
    (tmp_path / name).write_text(text)
    with pytest.raises(DecodeError, match=message) as caught:
        TableSource(tmp_path / name)
    assert name in str(caught.value)


def test_bytes_that_are_not_utf_8_name_the_row(tmp_path):
    (tmp_path / "t.jsonl").write_bytes(b'{"a": "x"}\n{"a": "caf\xe9"}\n')
    with pytest.raises(DecodeError, match=r"row 1 of.*t\.jsonl.*encoding='latin-1'"):
        TableSource(tmp_path / "t.jsonl")
    assert TableSource(tmp_path / "t.jsonl", encoding="latin-1")[1] == {"a": "café"}


@pytest.mark.slow
@pytest.mark.parametrize("depth", [101, 5000, 1_000_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_deep_nesting_is_an_error_that_names_the_row(tmp_path, depth, brackets, name):
    begin, end = brackets[:-1], brackets[-1]
    (tmp_path / name).write_text('{"x": 1}\n{"x": ' + begin * depth + "1" + end * depth + "}\n")
    with pytest.raises(DecodeError, match=rf"{name}.*nested more than 100 times"):
        TableSource(tmp_path / name)


def test_brackets_in_texts_are_no_nesting(tmp_path):
    written = [{"x": "[{" * 500 + '\\"'}, {"x": "y"}]
    assert rows(TableSource(write(tmp_path / "t.jsonl", written))) == written


@pytest.mark.slow
def test_time_grows_with_the_file_also_where_every_row_has_other_keys(tmp_path):
    def prepare(count):
        rows = [{f"k{i}": i, "args": {f"a{i}": i}} for i in range(count)]
        return write(tmp_path / f"{count}.jsonl", rows), rows[-1]

    def work(prepared):
        path, last = prepared
        source = TableSource(path)
        assert source[len(source) - 1] == last

    assert grows_with_size(prepare, work)


def test_a_file_that_changed_behind_the_source_is_an_error_that_names_it(tmp_path):
    path = write(tmp_path / "t.jsonl", [{"a": 1}, {"a": 2}])
    source = TableSource(path)
    path.write_text('{"a": 1}\n{"a"= 2}\n')
    with pytest.raises(DataloadError, match=r"t\.jsonl"):
        source[1]
