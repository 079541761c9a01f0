"""An index of shards: found beside them, kept, made anew where it is stale, and believed in nothing unchecked."""

import json
import os
import pickle
import random
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pyarrow as pa
import pytest
from programs import ROOT, python
from tar_files import Bucket, write

from dataload.errors import ConfigError, DataloadError, DecodeError, SourceNotFound
from dataload.shards.columns import Columns, Entry, Keys, decode, encode, open_columns
from dataload.shards.index import NAME, Scan, ShardIndex, find_index, write_index
from dataload.shards.tar import scan_tar
from dataload.storage.places import find_shards


class Scans:
    """A scanner that counts."""

    def __init__(self):
        self.names = []

    def __call__(self, shard):
        self.names.append(shard.place.name.rpartition("/")[2])
        return scan_tar(shard)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dataload" / "index"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for shard in range(3):
        write(
            tmp_path / "data" / f"{shard}.tar",
            [(f"s{shard}-{i}.{suffix}", b"x" * (10 * shard + i)) for i in range(shard + 2) for suffix in ("a", "b")],
        )
    return tmp_path / "data"


def shards(folder, pattern="*.tar"):
    return find_shards(f"{folder}/{pattern}", ".tar")


def replace_one(folder):
    """Write other samples to shard 1, in a file of the same size."""
    path = folder / "1.tar"
    size = path.stat().st_size
    write(path, [(f"new{i}.a", b"y" * i) for i in range(6)])
    assert path.stat().st_size == size
    os.utime(path, ns=(1, 1))


def everything(index):
    """All that an index says."""
    samples = np.arange(len(index))
    located = {field: [part.tolist() for part in index.locate(field, samples)] for field in index.fields}
    return index.keys(samples), located, index.runs().tolist(), index.fingerprint()


def test_samples_are_numbered_through_and_located(folder):
    index = find_index(shards(folder), "tar", scan_tar)
    assert len(index) == 9 and index.fields == ("a", "b") and index.runs().tolist() == [2, 3, 4]
    assert index.keys(np.arange(9)) == [f"s{s}-{i}" for s in range(3) for i in range(s + 2)]
    located = index.locate("b", np.array([8, 0, 2]))
    assert located.shards.tolist() == [2, 0, 1] and (located.stops - located.starts).tolist() == [23, 0, 10]
    for number, start, stop in zip(*located, strict=True):
        shard = index.shards[number]
        assert shard.place.read(int(start), int(stop)) == b"x" * (stop - start)
    assert index.shard(8).place.name.endswith("2.tar") and index.key(8) == "s2-3"
    for outside in (-1, 9):
        with pytest.raises(IndexError, match="outside"):
            index.locate("a", np.array([outside]))


def test_a_field_that_a_sample_lacks_is_at_minus_one(tmp_path):
    write(tmp_path / "0.tar", [("0.a", b"1"), ("1.b", b"2")])
    write(tmp_path / "1.tar", [("0.c", b"1")])
    index = find_index(shards(tmp_path), "tar", scan_tar)
    assert index.locate("a", np.arange(3)).starts.tolist() == [512, -1, -1]
    assert index.locate("a", np.arange(3)).stops.tolist() == [513, -1, -1]
    assert index.locate("c", np.arange(3)).stops.tolist() == [-1, -1, 513]


def test_formats_without_keys_have_empty_ones(folder):
    def scan(shard):
        return Scan(None, {"record": np.array([0, 100])}, {"record": np.array([100, 100])})

    index = find_index(shards(folder), "records", scan)
    assert index.keys(np.arange(6)) == [""] * 6 and index.runs().tolist() == [2, 2, 2]
    assert everything(find_index(shards(folder), "records", scan)) == everything(index)


def test_sizes_beyond_two_gigabytes_are_kept(folder):
    big = 3 << 30

    def scan(shard):
        return Scan(None, {"record": np.array([5])}, {"record": np.array([big])})

    found = [shard._replace(size=big + 5) for shard in shards(folder)]
    assert find_index(found, "records", scan).locate("record", np.array([2])).stops.tolist() == [big + 5]


def test_an_index_is_made_once_and_kept_in_the_cache_folder(folder, cache):
    scans = Scans()
    made = find_index(shards(folder), "tar", scans)
    assert sorted(scans.names) == ["0.tar", "1.tar", "2.tar"] and len(list(cache.iterdir())) == 1
    again = find_index(shards(folder), "tar", scans)
    assert len(scans.names) == 3 and everything(again) == everything(made)


def test_an_index_of_replaced_shards_is_made_anew(folder):
    find_index(shards(folder), "tar", scan_tar)
    write_index(find_index(shards(folder), "tar", scan_tar), folder / NAME)
    replace_one(folder)
    scans = Scans()
    index = find_index(shards(folder), "tar", scans)
    assert len(scans.names) == 3 and len(index) == 12 and index.key(2) == "new0"


def test_an_index_beside_the_shards_is_found_and_read(folder, cache):
    made = find_index(shards(folder), "tar", scan_tar)
    write_index(made, folder / NAME)
    for path in cache.iterdir():
        path.unlink()
    scans = Scans()
    assert everything(find_index(shards(folder), "tar", scans)) == everything(made)
    assert not scans.names and not list(cache.iterdir())


def test_an_index_is_an_arrow_file_that_others_can_read(folder):
    index = find_index(shards(folder), "tar", scan_tar)
    write_index(index, folder / NAME)
    with pa.ipc.open_file(folder / NAME) as file:
        table = file.read_all()
    assert table["key"].to_pylist() == [key.encode() for key in index.keys(np.arange(9))]
    assert table["b offset"].to_pylist() == index.locate("b", np.arange(9)).starts.tolist()
    described = json.loads(table.schema.metadata[b"dataload"])
    assert described["kind"] == "tar" and [name for name, *_ in described["shards"]] == ["0.tar", "1.tar", "2.tar"]


def test_an_index_of_more_shards_serves_those_asked_for_in_their_order(folder):
    write_index(find_index(shards(folder), "tar", scan_tar), folder / NAME)
    scans = Scans()
    some = find_index(find_shards([f"{folder}/2.tar", f"{folder}/0.tar"], ".tar"), "tar", scans)
    assert not scans.names and some.runs().tolist() == [4, 2]
    assert some.keys(np.arange(6)) == ["s2-0", "s2-1", "s2-2", "s2-3", "s0-0", "s0-1"]
    (folder / NAME).unlink()
    assert everything(find_index(some.shards, "tar", scan_tar)) == everything(some)


def test_an_index_above_folders_tells_shards_of_one_name_apart(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "0.tar", [(f"{name}.a", b"1")])
    both = find_shards([f"{tmp_path}/x", f"{tmp_path}/y"], ".tar")
    write_index(find_index(both, "tar", scan_tar), tmp_path / NAME)
    scans = Scans()
    assert find_index(both, "tar", scans, index=tmp_path / NAME).keys(np.arange(2)) == ["x", "y"]
    assert find_index(both[::-1], "tar", scans).keys(np.arange(2)) == ["y", "x"]
    assert find_index(both[1:], "tar", scans, index=tmp_path / NAME).keys(np.arange(1)) == ["y"]
    assert not scans.names


def test_an_index_of_the_user_is_taken_or_refused_with_what_to_do(folder, tmp_path):
    made = find_index(shards(folder), "tar", scan_tar)
    write_index(made, tmp_path / "mine.arrow")
    scans = Scans()
    assert everything(find_index(shards(folder), "tar", scans, index=tmp_path / "mine.arrow")) == everything(made)
    with pytest.raises(SourceNotFound, match=r"other\.arrow: no such index"):
        find_index(shards(folder), "tar", scans, index=tmp_path / "other.arrow")
    with pytest.raises(ConfigError, match=r"mine\.arrow' is of tar shards, and these are tfrecord"):
        find_index(shards(folder), "tfrecord", scans, index=tmp_path / "mine.arrow")
    write(folder / "3.tar", [("a.b", b"")])
    with pytest.raises(ConfigError, match=r"does not have the shard .*3\.tar.*dataload index"):
        find_index(shards(folder), "tar", scans, index=tmp_path / "mine.arrow")
    replace_one(folder)
    with pytest.raises(ConfigError, match=r"before the shard .*1\.tar was replaced"):
        find_index(shards(folder, "[012].tar"), "tar", scans, index=tmp_path / "mine.arrow")
    write(folder / "1.tar", [("a.b", bytes(20_000))])
    with pytest.raises(ConfigError, match=r"when the shard .*1\.tar had 10240 bytes, and it has"):
        find_index(shards(folder, "[012].tar"), "tar", scans, index=tmp_path / "mine.arrow")
    assert not scans.names


def test_a_damaged_index_beside_the_shards_is_a_warning_and_one_that_is_kept_is_made_anew(folder, cache):
    made = everything(find_index(shards(folder), "tar", scan_tar))
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:500])
    assert everything(find_index(shards(folder), "tar", scan_tar)) == made
    assert everything(find_index(shards(folder), "tar", lambda shard: pytest.fail("not kept"))) == made
    (folder / NAME).write_bytes(b"ARROW1 and more")
    with pytest.warns(RuntimeWarning, match=f"{NAME}.*damaged"):
        assert everything(find_index(shards(folder), "tar", scan_tar)) == made


def test_an_index_by_a_later_version_is_passed_over_beside_and_refused_when_given(folder):
    columns = find_index(shards(folder), "tar", scan_tar).columns()
    data = b"".join(encode(columns))
    (folder / NAME).write_bytes(data.replace(b'{"version":1,', b'{"version":2,'))
    with pytest.warns(RuntimeWarning, match="later version"):
        assert len(find_index(shards(folder), "tar", scan_tar)) == 9
    with pytest.raises(ConfigError, match="update dataload"):
        find_index(shards(folder), "tar", scan_tar, index=folder / NAME)


def test_an_index_that_cannot_be_kept_stays_in_memory_with_one_warning(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="cannot be kept.*XDG_CACHE_HOME") as caught:
        index = find_index(shards(folder), "tar", scan_tar)
    assert len(caught) == 1 and len(index) == 9
    assert everything(pickle.loads(pickle.dumps(index))) == everything(index)


def test_an_index_pickles_as_the_name_of_its_file(folder, cache):
    index = find_index(shards(folder), "tar", scan_tar)
    pickled = pickle.dumps(index)
    assert len(pickled) < 1500 and everything(pickle.loads(pickled)) == everything(index)
    (kept,) = cache.iterdir()
    other = find_index(shards(folder, "[01].tar"), "tar", scan_tar)
    kept.write_bytes(b"".join(encode(other.columns())))
    with pytest.raises(ConfigError, match="replaced by that of other shards"):
        pickle.loads(pickled)
    kept.unlink()
    with pytest.raises(SourceNotFound, match="no such index"):
        pickle.loads(pickled)


def test_the_fingerprint_is_of_the_shards_and_not_of_their_folder(folder, tmp_path):
    index = find_index(shards(folder), "tar", scan_tar)
    folder.rename(tmp_path / "moved")
    moved = find_index(shards(tmp_path / "moved"), "tar", scan_tar)
    assert moved.fingerprint() == index.fingerprint()
    assert find_index(moved.shards[::-1], "tar", scan_tar).fingerprint() != index.fingerprint()
    write(tmp_path / "moved" / "0.tar", [("x.a", b"1")])
    assert find_index(shards(tmp_path / "moved"), "tar", scan_tar).fingerprint() != index.fingerprint()


def test_an_index_of_a_bucket_is_fetched_once_and_its_tags_count(folder):
    bucket = Bucket(folder)
    made = find_index(bucket.shards(), "tar", scan_tar)
    write_index(find_index(shards(folder), "tar", scan_tar), folder / NAME)  # The tags of files say nothing there.
    bucket.reads.clear()
    scans = Scans()
    for _ in range(2):
        assert everything(find_index(bucket.shards(), "tar", scans)) == everything(made)
    assert not scans.names and [name for name, *_ in bucket.reads] == [NAME]
    write_index(made, folder / NAME)
    replace_one(folder)
    assert find_index(bucket.shards(), "tar", scans).key(2) == "new0" and len(scans.names) == 3


def test_shards_are_read_through_several_at_a_time_and_a_failure_ends_it(tmp_path):
    for i in range(40):
        write(tmp_path / f"{i:02}.tar", [("0.a", b"")])
    meeting, seen = threading.Barrier(3, timeout=20), []

    def scan(shard):
        if shard.place.name.endswith(("00.tar", "01.tar", "02.tar")):
            meeting.wait()
        seen.append(shard)
        if shard.place.name.endswith("03.tar"):
            raise DecodeError("03.tar is damaged")
        time.sleep(0.01)
        return scan_tar(shard)

    with pytest.raises(DecodeError, match=r"03\.tar is damaged"):
        find_index(shards(tmp_path), "tar", scan)
    assert len(seen) < 30
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dataload-index")]


@pytest.mark.slow
def test_progress_is_shown_once_it_takes_long(tmp_path, capsys):
    for i in range(5):
        write(tmp_path / f"{i}.tar", [("0.a", b"")])

    def slow(shard):
        time.sleep(1.5)
        return scan_tar(shard)

    find_index(shards(tmp_path), "tar", scan_tar)
    assert capsys.readouterr().err == ""
    find_index(shards(tmp_path), "other", slow, progress=False)
    assert capsys.readouterr().err == ""
    find_index(shards(tmp_path), "another", slow)
    assert "Reading through 5 shards ... done" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_that_make_it_at_once_both_succeed(folder, cache):
    code = f"""
import time
import numpy as np
from dataload.shards.index import find_index
from dataload.shards.tar import scan_tar
from dataload.storage.places import find_shards

def scan(shard):
    time.sleep(0.3)
    return scan_tar(shard)

index = find_index(find_shards({str(folder)!r}, ".tar"), "tar", scan)
print(index.keys(np.arange(len(index))), index.columns().path)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0] and answers[0] == answers[1] != ""
    assert len(list(cache.iterdir())) == 1


def big(samples, shards=1000):
    entries = [Entry(f"{i:04}.tar", 10**9, "tag", samples // shards) for i in range(shards)]
    fields = ("flac", "txt")
    offsets = {field: np.arange(samples) for field in fields}
    sizes = {field: np.full(samples, 7, np.int32) for field in fields}
    keys = Keys(np.arange(samples + 1) * 5, np.frombuffer(b"train" * samples, np.uint8))
    return Columns("tar", True, entries, offsets, sizes, keys)


@pytest.mark.slow
def test_ten_million_samples_are_opened_at_once_and_take_little_memory(tmp_path):
    path = tmp_path / "big.arrow"
    with path.open("wb") as file:
        file.writelines(encode(big(10**7)))
    assert path.stat().st_size < 10**7 * (12 * 2 + 8 + 5) + 10**6
    open_columns(str(path))  # Imports.
    before, start = psutil.Process().memory_info().rss, time.perf_counter()
    columns = open_columns(str(path))
    assert time.perf_counter() - start < 0.1 and psutil.Process().memory_info().rss - before < 10 << 20
    assert columns.keys.get(10**7 - 1) == "train" and columns.offsets["txt"][-1] == 10**7 - 1


def test_an_index_that_claims_what_is_not_in_a_shard_is_refused_where_it_is_used(folder, tmp_path):
    index = find_index(shards(folder), "tar", scan_tar)
    for starts, sizes in [([-1] * 9, [5] * 9), ([10**9] * 9, [1] * 9), ([0] * 9, [-2] * 9), ([2**63 - 1] * 9, [9] * 9)]:
        columns = index.columns()
        wrong = Columns(
            "tar", False, columns.entries, {"a": np.array(starts)}, {"a": np.array(sizes, np.int64)}, columns.keys
        )
        (tmp_path / "wrong.arrow").write_bytes(b"".join(encode(wrong)))
        found = find_index(index.shards, "tar", scan_tar, index=tmp_path / "wrong.arrow")
        with pytest.raises(DecodeError, match=r"wrong\.arrow: places field 'a' of sample 3 .*1\.tar.*damaged"):
            found.locate("a", np.array([3]))


def arrow(described, **columns):
    schema = pa.schema([(name, array.type) for name, array in columns.items()])
    batch = pa.RecordBatch.from_arrays(list(columns.values()), schema=schema.with_metadata({b"dataload": described}))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


GOOD = {"version": 1, "kind": "tar", "remote": False, "fields": ["a"], "keys": False, "shards": [["0.tar", 9, "", 2]]}
TWO = {"a offset": pa.array([0, 1]), "a size": pa.array([0, 1])}
WRONG = {
    "types": (GOOD, {"a offset": pa.array([0.0, 1.0]), "a size": pa.array([0, 1])}, "other types"),
    "text": (GOOD, {"a offset": pa.array(["x", "y"]), "a size": pa.array([0, 1])}, "other types"),
    "rows": ({**GOOD, "shards": [["0.tar", 9, "", 3]]}, TWO, "3 samples, and it has 2 rows"),
    "negative": ({**GOOD, "shards": [["0.tar", -9, "", 2]]}, TWO, "cannot be"),
    "entries": ({**GOOD, "shards": [["0.tar", "9", "", 2]]}, TWO, "right types"),
    "short entries": ({**GOOD, "shards": [["0.tar"]]}, TWO, "not enough values"),
    "fields": ({**GOOD, "fields": ["b"]}, TWO, "its columns are"),
    "no fields": ({**GOOD, "fields": 7}, TWO, "no list of names"),
    "keys": ({**GOOD, "keys": True}, {"key": pa.array(["a", "b"]), **TWO}, "keys is of another type"),
    "nothing": ({"version": 1}, TWO, "no 'kind'"),
    "no object": ([], TWO, "damaged"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_index_that_says_nonsense_is_refused_by_name(name):
    described, columns, message = WRONG[name]
    with pytest.raises(DecodeError, match=rf"x\.arrow: .*{message}.*dataload index"):
        decode(arrow(json.dumps(described), **columns), "x.arrow")


def test_columns_that_are_compressed_are_refused_before_memory_is_taken_for_them():
    sink = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays([pa.array(np.zeros(10**6, np.int64))], ["a offset"])
    batch = batch.replace_schema_metadata({b"dataload": json.dumps(GOOD)})
    with pa.ipc.new_file(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    with pytest.raises(DecodeError, match="compressed"):
        decode(sink.getvalue().to_pybytes(), "x.arrow")


@pytest.mark.slow
def test_flips_and_cuts_of_an_index_are_an_error_or_numbers_and_nothing_else(folder, tmp_path, budget):
    rng = random.Random(0)
    index = find_index(shards(folder), "tar", scan_tar)
    whole = b"".join(encode(index.columns()))
    path, opened = tmp_path / "x.arrow", 0
    for trial in range(2000 * budget):
        damaged = bytearray(whole)
        if trial % 4:
            for _ in range(rng.choice([1, 2, 8])):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        else:
            del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            found = find_index(index.shards, "tar", scan_tar, index=path)
        except DataloadError as error:
            assert str(path) in str(error)
            continue
        assert trial % 4, "a file that was cut off was opened"
        opened += 1
        found.keys(np.arange(9))
        for field in found.fields:
            try:
                starts, stops = found.locate(field, np.arange(9))[1:]
            except DecodeError:
                continue
            assert (starts >= -1).all() and (stops <= max(shard.size for shard in found.shards)).all()
    assert opened > 50


def test_an_index_is_mapped_and_not_copied_by_worker_processes(folder, cache):
    index = find_index(shards(folder), "tar", scan_tar)
    assert isinstance(index, ShardIndex) and index.columns().path == str(next(cache.iterdir()))
    code = """if True:
    import pickle, sys
    index = pickle.load(sys.stdin.buffer)
    print(index.columns().offsets["a"].flags.writeable, len(index), "pyarrow" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(index),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == [b"False", b"9", b"False"], done.stderr
    assert python("-c", "import dataload.shards.index, sys; print('pyarrow' in sys.modules)", cwd=folder) == "False\n"
