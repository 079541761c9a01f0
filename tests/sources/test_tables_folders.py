"""Which files a folder of tables consists of, and tables in memory that are no sources."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataload import ConcatSource, Loader, TableSource
from dataload.errors import ConfigError, SourceNotFound


def put(path, *values):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"x": list(values)}), path)


def xs(source):
    return [row["x"] for row in source.__getitems__(range(len(source)))]


def test_hidden_files_and_what_is_no_table_are_left_out(tmp_path):
    put(tmp_path / "a.parquet", 1)
    put(tmp_path / ".hidden" / "b.parquet", 2)
    put(tmp_path / "_temporary" / "c.parquet", 3)
    (tmp_path / "._a.parquet").write_bytes(b"\0\5\x16\7" + bytes(200))
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "dataset_info.json").write_text('{"x": "about"}')
    (tmp_path / "README.md").write_text("x")
    assert xs(TableSource(tmp_path)) == [1]


def test_folders_in_a_folder_are_read_in_the_order_of_their_paths(tmp_path):
    put(tmp_path / "b" / "1.parquet", 3)
    put(tmp_path / "a" / "z" / "0.parquet", 1)
    put(tmp_path / "a.parquet", 2)
    (tmp_path / "b" / "loop").symlink_to(tmp_path / "b")
    assert xs(TableSource(tmp_path)) == [1, 2, 3]
    assert xs(TableSource(str(tmp_path / "[ab]"))) == [1, 3]
    assert xs(TableSource([tmp_path / "b", tmp_path / "a.parquet"])) == [3, 2]


def test_names_of_folders_are_columns_typed_like_text(tmp_path):
    put(tmp_path / "year=2021" / "speaker=0019" / "0.parquet", 1, 2)
    put(tmp_path / "year=2022" / "speaker=a%2Fb" / "0.parquet", 3)
    put(tmp_path / "year=2022" / "speaker=__HIVE_DEFAULT_PARTITION__" / "0.parquet", 4)
    source = TableSource(tmp_path)
    found = source.__getitems__(range(4))
    assert {row["x"]: row["speaker"] for row in found} == {1: "0019", 2: "0019", 3: "a/b", 4: None}
    assert {row["year"].dtype for row in found} == {np.dtype(np.int64)} and found[0]["year"] == 2021
    chosen = TableSource(tmp_path, columns=["year", "x"], types={"year": "string"})
    assert list(chosen[0].items()) == [("year", "2021"), ("x", 1)]
    assert TableSource(tmp_path).fingerprint() == source.fingerprint() != chosen.fingerprint()
    with pytest.raises(ConfigError, match="names of folders"):
        TableSource(tmp_path, columns=["year"])


def test_packed_files_are_tables_and_the_same_file_unpacked_is_not_read_twice(tmp_path):
    lines = b"x\n1\n2\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"x": 3}\n'))
    (tmp_path / "c.CSV").write_bytes(lines)
    assert xs(TableSource(tmp_path)) == [1, 2, 3, 1, 2]
    (tmp_path / "a.csv").write_bytes(lines)
    assert xs(TableSource(tmp_path)) == [1, 2, 3, 1, 2]


def test_json_files_make_a_table_where_there_is_no_other(tmp_path):
    (tmp_path / "0.json").write_text('[{"x": 1}, {"x": 2}]')
    (tmp_path / "1.json.gz").write_bytes(gzip.compress(b'{"x": 3}\n'))
    assert xs(TableSource(tmp_path)) == [1, 2, 3]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFound, match=r"\.parquet.*\.json"):
        TableSource(tmp_path / "empty")


def test_a_packed_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "t.parquet.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(ConfigError, match=r"t\.parquet\.gz.*must end in one of"):
        TableSource(tmp_path / "t.parquet.gz")
    with pytest.raises(ConfigError, match="paths is a int"):
        TableSource(3)


def test_the_fingerprints_of_0_1_0_stay(tmp_path):
    put(tmp_path / "a.parquet", 1, 2)
    (tmp_path / "b.csv").write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "c.jsonl").write_text('{"x": 1}\n{"y": 2, "x": null}\n')
    assert TableSource(tmp_path / "a.parquet").fingerprint() == "TableSource[2]:63fa9dc292b3e59c"
    assert TableSource(tmp_path / "b.csv").fingerprint() == "TableSource[2]:21b3a526ec9e4d47"
    assert TableSource(tmp_path / "b.csv", columns=["y"]).fingerprint() == "TableSource[2]:30297686e67b76d0"
    assert TableSource(tmp_path / "c.jsonl").fingerprint() == "TableSource[2]:125815ab1bd9179e"
    assert TableSource(tmp_path / "b.csv", types={"x": "string"}).fingerprint() != "TableSource[2]:21b3a526ec9e4d47"


class Frame:
    """A table of a library that is not installed here."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return index

    def __dataframe__(self):
        return self


@pytest.mark.parametrize(
    ("table", "mend"),
    [
        (pa.table({"a": [1, 2], "b": [3, 4]}), r"pyarrow Table.*to_pylist"),
        (pa.RecordBatch.from_pydict({"a": [1, 2]}), r"pyarrow RecordBatch.*to_pylist"),
        (pa.chunked_array([[1, 2]]), r"pyarrow ChunkedArray.*to_pylist"),
        (Frame(), r"Frame.*a list of dicts"),
    ],
)
def test_a_table_in_memory_is_refused_with_the_mend(table, mend):
    with pytest.raises(ConfigError, match=mend):
        Loader(table)
    with pytest.raises(ConfigError, match=mend):
        ConcatSource([1], table)
