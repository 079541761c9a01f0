"""Tables in a bucket, on a web server and in fsspec's memory: the rows of the disk, by ranges."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
from conformance import equal
from pyarrow import csv, parquet
from stores import upload

from dataload import Loader, TableSource
from dataload.errors import ConfigError, DecodeError, ReplacedError, SourceNotFound
from dataload.measuring.server import running_server

pytestmark = pytest.mark.timeout(120)
ROWS = 5_000


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder of tables in every format, and one in parts under hive folders."""
    root = tmp_path_factory.mktemp("tables")
    table = pa.table({"id": np.arange(ROWS), "text": [f"row {i}" for i in range(ROWS)], "x": np.sqrt(np.arange(ROWS))})
    parquet.write_table(table, root / "a.parquet", row_group_size=700)
    with pa.ipc.new_file(root / "a.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=600)
    csv.write_csv(table, root / "a.csv")
    (root / "a.csv.gz").write_bytes(gzip.compress((root / "a.csv").read_bytes()))
    lines = "".join(f'{{"id": {i}, "text": "row {i}"}}\n' for i in range(ROWS))
    (root / "a.jsonl").write_text(lines)
    for year in (2020, 2021):
        folder = root / "parts" / f"year={year}"
        folder.mkdir(parents=True)
        parquet.write_table(table.slice(0, 100), folder / "p.parquet")
    (root / "parts" / ".hidden.parquet").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def tables_bucket(make_bucket, tables):
    made = make_bucket("tables")
    made.upload(tables, "t")
    return made


NAMES = ["a.parquet", "a.arrow", "a.csv", "a.csv.gz", "a.jsonl", "parts", "parts/*/*.parquet", "parts/**/p.*"]


def batches(source, **options):
    with Loader(source, batch_size=64, seed=2, **options) as loader:
        return list(loader)


@pytest.mark.parametrize("name", NAMES)
def test_rows_in_a_bucket_are_those_on_the_disk(name, tables, tables_bucket):
    there = TableSource(f"{tables_bucket.url}/t/{name}", storage_options=tables_bucket.options)
    here = TableSource(tables / name) if "*" not in name else None
    if here is not None:
        assert equal(batches(there, shuffle="blocks"), batches(here, shuffle="blocks"))
        expected = batches(here, shuffle="blocks")
        assert equal(batches(there, shuffle="blocks", num_workers=2, worker="process"), expected)
    else:
        assert len(there) == 200 and there[100]["id"] == 0
    assert f"{tables_bucket.url}/t/" in there.describe(3)


def test_rows_on_a_web_server_and_in_memory_are_those_on_the_disk(tables, memory):
    upload(memory, tables)
    with running_server(tables) as server:
        for name in NAMES[:5]:
            expected = batches(TableSource(tables / name))
            assert equal(batches(TableSource(f"{server.url}/{name}")), expected)
            assert equal(batches(TableSource(f"{memory}/{name}")), expected)
        both = TableSource(server.url + "/a.{parquet,arrow}", columns=["id"])
        assert len(both) == 2 * ROWS
        with pytest.raises(SourceNotFound, match=r"/b\.csv: there is no such table file"):
            TableSource(f"{server.url}/b.csv")


def test_of_parquet_only_the_columns_and_row_groups_that_are_wanted_are_fetched(tables):
    with running_server(tables) as server:
        source = TableSource(f"{server.url}/a.parquet", columns=["id"])
        before = server.statistics()["bytes"]
        assert source[1500]["id"] == 1500
        fetched = server.statistics()["bytes"] - before
    assert 0 < fetched < (tables / "a.parquet").stat().st_size / 5


def test_a_table_that_is_replaced_or_missing_is_named(make_bucket, tables):
    bucket = make_bucket("tables-replaced")
    url = bucket.url
    bucket.put("a.parquet", (tables / "a.parquet").read_bytes())
    source = TableSource(f"{url}/a.parquet", storage_options=bucket.options)
    bucket.put("a.parquet", (tables / "parts/year=2020/p.parquet").read_bytes())
    with pytest.raises(ReplacedError, match=rf"{url}/a\.parquet: was replaced"):
        source[3_000]
    for wrong, error, text in [
        (f"{url}/no", SourceNotFound, f"there is no table file '{url}/no'"),
        (f"{url}/q*.csv", SourceNotFound, "there is no table file"),
        (url.replace("tables", "nothing") + "/a.csv", SourceNotFound, "there is no such bucket|no table file"),
    ]:
        with pytest.raises(error, match=text):
            TableSource(wrong, storage_options=bucket.options)
    with pytest.raises(ConfigError, match="storage_options goes with a URL"):
        TableSource(tables / "a.csv", storage_options=bucket.options)
    bucket.put("cut.parquet", (tables / "a.parquet").read_bytes()[:2_000])
    bucket.put("empty.csv", b"")
    for name in ("cut.parquet", "empty.csv"):
        with pytest.raises(DecodeError, match=f"{url}/{name}"):
            TableSource(f"{url}/{name}", storage_options=bucket.options)
