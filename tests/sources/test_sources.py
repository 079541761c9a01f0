"""Arrays, files and tables as sources."""

import pickle
import tracemalloc
from pathlib import Path

import conformance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataload import ArraySource, FileSource, Loader, TableSource
from dataload.errors import ConfigError, DecodeError, SourceNotFound


@pytest.mark.parametrize(
    "arrays",
    [
        np.arange(30).reshape(10, 3),
        {"x": np.random.default_rng(0).normal(size=(10, 2)), "y": np.arange(10)},
        (np.arange(10.0), np.arange(10).reshape(10, 1)),
        [[1, 2]] * 10,
    ],
    ids=["array", "dict", "tuple", "list"],
)
def test_array_sources_keep_the_contract(arrays):
    conformance.check_source(ArraySource(arrays), length=10)


def test_an_array_source_reads_a_memory_map_row_by_row(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40, dtype=np.float32).reshape(10, 4))
    source = ArraySource(np.load(tmp_path / "x.npy", mmap_mode="r"))
    conformance.check_source(source, length=10)
    assert np.array_equal(source[3], [12, 13, 14, 15])


def test_arrays_of_unequal_length_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"same number of rows.*'x': 3, 'y': 4"):
        ArraySource({"x": np.zeros(3), "y": np.zeros(4)})
    with pytest.raises(ConfigError, match="needs rows"):
        ArraySource({"x": np.float32(1)})
    with pytest.raises(ConfigError, match="no arrays"):
        ArraySource({})


def test_other_data_of_the_same_shape_has_another_fingerprint():
    a = ArraySource(np.zeros((100, 3)))
    assert a.fingerprint() == ArraySource(np.zeros((100, 3))).fingerprint()
    assert a.fingerprint() != ArraySource(np.ones((100, 3))).fingerprint()


@pytest.fixture
def folder(tmp_path):
    for name in ("b.wav", "a.wav", "sub/c.wav", "é ü.wav", "notes.txt", ".hidden.wav", "10.wav", "9.wav"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "data" / "folder.wav").mkdir()
    return tmp_path / "data"


def test_file_sources_keep_the_contract(folder):
    conformance.check_source(FileSource(folder, "*.wav"), length=5)
    conformance.check_source(FileSource(folder, "**/*.wav", audio=str, name=lambda path: path.stem), length=6)


def test_files_come_sorted_without_folders_and_hidden_files(folder):
    source = FileSource(folder, "**/*.wav")
    names = [str(Path(path).relative_to(folder)) for path in source]
    assert names == ["10.wav", "9.wav", "a.wav", "b.wav", "sub/c.wav", "é ü.wav"]


def test_each_keyword_of_a_file_source_makes_a_field_of_the_path(folder):
    source = FileSource(folder, "a.wav", audio=str, label=lambda path: len(path.stem), path=lambda path: path)
    assert source[0] == {"audio": str(folder / "a.wav"), "label": 1, "path": folder / "a.wav"}


def test_a_moved_folder_has_the_same_fingerprint_and_another_list_of_files_does_not(folder):
    before = FileSource(folder, "*.wav").fingerprint()
    moved = folder.rename(folder.parent / "moved")
    assert FileSource(moved, "*.wav").fingerprint() == before
    (moved / "new.wav").write_text("x")
    assert FileSource(moved, "*.wav").fingerprint() != before


def test_a_missing_folder_a_file_and_an_empty_pattern_say_so(folder):
    with pytest.raises(SourceNotFound, match=r"no folder '.*nowhere'"):
        FileSource(folder / "nowhere", "*.wav")
    with pytest.raises(FileNotFoundError, match=r"matches '\*\.mp3'.*it holds .*10\.wav"):
        FileSource(folder, "*.mp3")
    with pytest.raises(ConfigError, match=r"is a file"):
        FileSource(folder / "a.wav", "*")
    with pytest.raises(ConfigError, match=r"field label=3 must be a function"):
        FileSource(folder, "*.wav", label=3)


def test_an_error_in_a_field_names_the_field_and_the_file(folder):
    source = FileSource(folder, "*.wav", label=lambda path: int(path.stem))
    with pytest.raises(ValueError, match="invalid literal") as caught:
        list(Loader(source, batch_size=5))
    notes = "\n".join(caught.value.__notes__)
    assert "field 'label'" in notes and "a.wav" in notes


TABLE = {
    "id": list(range(1000)),
    "score": [i / 8 for i in range(1000)],
    "text": [f"row {i}" for i in range(1000)],
    "flag": [i % 3 == 0 for i in range(1000)],
}


def write(table: pa.Table, path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=64)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=64)
    elif path.suffix == ".ipc":
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=64)
    elif path.suffix == ".jsonl":
        import json

        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        from pyarrow import csv

        options = csv.WriteOptions(delimiter="\t" if path.suffix == ".tsv" else ",")
        csv.write_csv(table, path, options)
    return path


@pytest.fixture(scope="module")
def pyarrow_started(tmp_path_factory):
    """Have pyarrow's thread pool open its own two descriptors before anyone counts."""
    TableSource(write(pa.table(TABLE), tmp_path_factory.mktemp("warm") / "t.csv"))


FORMATS = [".parquet", ".arrow", ".ipc", ".csv", ".tsv", ".jsonl"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_table_sources_keep_the_contract_in_every_format(suffix, tmp_path, pyarrow_started, leaves_nothing):
    path = write(pa.table(TABLE), tmp_path / f"t{suffix}")
    source = TableSource(path, cache_groups=2)
    conformance.check_source(source, length=1000)
    row = source[70]
    assert row == {"id": 70, "score": 8.75, "text": "row 70", "flag": False}
    assert row["id"].dtype == np.int64 and row["score"].dtype == np.float64 and row["flag"].dtype == np.bool_


@pytest.mark.parametrize("suffix", FORMATS)
def test_columns_can_be_chosen_in_every_format(suffix, tmp_path):
    path = write(pa.table(TABLE), tmp_path / f"t{suffix}")
    assert TableSource(path, columns=["text", "id"])[5] == {"text": "row 5", "id": 5}
    with pytest.raises(ConfigError, match=r"no column 'nope'.*'id', 'score'"):
        TableSource(path, columns=["nope"])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_text_tables_are_cut_into_blocks_with_types_that_hold_for_all(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr("dataload.sources.groups._BLOCK_BYTES", 256)
    values = {"id": list(range(300)), "score": [float(i) if i > 200 else i for i in range(300)]}
    path = tmp_path / f"t{suffix}"
    if suffix == ".csv":
        lines = [f"{i},{s}\n" for i, s in zip(*values.values(), strict=True)]
        path.write_text("id,score\n" + "".join(lines[:100]) + "\n\n" + "".join(lines[100:]).rstrip("\n"))
    else:
        path.write_text("".join(f'{{"id": {i}, "score": {s}}}\n' for i, s in zip(*values.values(), strict=True)))
    source = TableSource(path)
    assert [source[i]["id"] for i in range(300)] == list(range(300))
    assert {source[i]["score"].dtype for i in range(300)} == {np.dtype(np.float64)}
    conformance.check_source(source, length=300)


def test_lists_structs_and_nulls_become_arrays_dicts_and_none(tmp_path):
    table = pa.table(
        {
            "tokens": pa.array([[1, 2], [], None], pa.list_(pa.int32())),
            "vector": pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32(), 2)),
            "meta": [{"a": 1}, {"a": 2}, None],
            "f": pa.array([1.0, None, 3.0], pa.float32()),
            "i": [1, None, 3],
            "s": pa.array(["x", "y", "x"]).dictionary_encode(),
            "b": [b"\0", b"", b"z"],
        }
    )
    source = TableSource(write(table, tmp_path / "t.parquet"))
    assert source[0]["tokens"].dtype == np.int32 and source[0]["tokens"].tolist() == [1, 2]
    assert source[1]["tokens"].tolist() == [] and source[2]["tokens"] is None
    assert source[0]["vector"].dtype == np.float32 and source[0]["vector"].shape == (2,)
    assert source[0]["meta"] == {"a": 1}
    assert np.isnan(source[1]["f"]) and source[1]["f"].dtype == np.float32
    assert source[1]["i"] is None and source[2]["s"] == "x" and source[0]["b"] == b"\0"


def test_several_files_a_folder_and_a_pattern_are_one_table(tmp_path):
    parts = [write(pa.table(TABLE).slice(i * 100, 100), tmp_path / f"part-{i}.parquet") for i in range(3)]
    for paths in (parts, tmp_path, str(tmp_path / "part-*.parquet")):
        source = TableSource(paths)
        assert [source[i]["id"] for i in (0, 99, 100, 299)] == [0, 99, 100, 299]
    assert "row 1 of" in source.describe(101) and "part-1" in source.describe(101)
    other = write(pa.table({"other": [1]}), tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match="same columns"):
        TableSource([parts[0], other])


@pytest.mark.slow
def test_only_a_few_row_groups_are_in_memory(tmp_path):
    # 40 groups of 1 MB; a read of the whole file would show.
    table = pa.table({"x": np.random.default_rng(0).normal(size=40 << 17)})
    path = tmp_path / "big.parquet"
    pq.write_table(table, path, row_group_size=1 << 17)
    del table
    before = pa.total_allocated_bytes()
    source = TableSource(path, cache_groups=2)
    peak = 0
    for index in range(0, len(source), 1 << 16):
        source[index]
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert 0 < peak < 8 << 20


def test_a_table_source_travels_without_its_rows(tmp_path):
    path = write(pa.table(TABLE), tmp_path / "t.arrow")
    source = TableSource(path)
    source[0]
    assert len(pickle.dumps(source)) < 5000


def test_ten_thousand_paths_take_little_memory(tmp_path):
    for i in range(2000):
        (tmp_path / f"{i:06}.bin").touch()
    tracemalloc.start()
    source = FileSource(tmp_path, "*.bin")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / len(source) < 60


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_empty_and_missing_tables_name_the_file(suffix, tmp_path, pyarrow_started, leaves_nothing):
    path = tmp_path / f"t{suffix}"
    with pytest.raises(SourceNotFound, match=path.name):
        TableSource(path)
    path.write_bytes(b"")
    with pytest.raises(DecodeError, match=rf"{path.name}.*empty"):
        TableSource(path)
    path.write_bytes(b"\x00\x01\x02 not a table \xff\xfe" * 3)
    if suffix not in (".csv", ".tsv"):  # Any bytes are a CSV header.
        with pytest.raises(DecodeError, match=path.name):
            TableSource(path)
    with pytest.raises(ConfigError, match=r"must end in one of \.parquet"):
        (tmp_path / "t.xyz").write_text("x")
        TableSource(tmp_path / "t.xyz")


def test_a_row_of_a_csv_that_does_not_parse_names_the_file_and_place(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4,5\n")
    with pytest.raises(DecodeError, match=r"t\.csv.*near byte 4.*Expected 2 columns, got 3"):
        TableSource(path)
