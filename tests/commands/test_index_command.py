import os
import shutil

import pytest

from dataload import FileSource, TarSource
from dataload.commands import main
from dataload.shards.pack import Packing


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No index is kept in the cache folder of who runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def shards(fsdd, tmp_path):
    """A folder of six tar files."""
    folder = tmp_path / "shards"
    Packing(FileSource(fsdd, "*.wav", audio=str, label=lambda path: int(path.stem[0])), str(folder), size=400_000).run()
    return folder


@pytest.mark.parametrize("name", ["shards", "shards/", "shards/shard-*.tar", "shards/shard-00000{0..6}.tar"])
def test_the_index_is_written_beside_the_shards_and_read_from_there(shards, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert main(["index", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "300 samples in 7 shards"
    assert lines[1] == "fields: wav, cls"
    assert lines[2].startswith("shards/dataload-index.arrow: written after ")
    # With nothing else to be had from the shards' headers, what is read is what the index says.
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))
    source = TarSource(str(shards), audio="wav")
    assert len(source) == 300
    assert not (tmp_path / "nothing").exists()


def test_the_index_can_be_written_elsewhere_and_named(shards, tmp_path):
    out = tmp_path / "other" / "my.arrow"
    assert main(["index", str(shards), "--out", str(out)]) == 0
    assert not (shards / "dataload-index.arrow").exists()
    assert len(TarSource(str(shards), index=out, audio="wav")) == 300


def test_an_index_of_other_shards_is_made_anew(shards, capsys):
    assert main(["index", str(shards)]) == 0
    (shards / "shard-000006.tar").unlink()
    shutil.copy(shards / "shard-000000.tar", shards / "shard-000009.tar")
    assert main(["index", str(shards)]) == 0
    made = capsys.readouterr().out.splitlines()
    assert made[3] == f"{len(TarSource(str(shards)))} samples in 7 shards"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.tar"], "nowhere.tar"),
        (["nowhere-*.tar"], "nowhere"),
        (["table.csv"], "table.csv holds a table, and an index is made of tar files or TFRecords"),
        (["a.tar", "b.tfrecord"], "some shards are tar files and some TFRecords"),
        (["empty/"], "holds no audio files"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["index", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


def test_a_damaged_shard_fails_with_1_and_is_named(shards, capsys):
    path = shards / "shard-000003.tar"
    os.truncate(path, 5000)
    assert main(["index", str(shards)]) == 1
    assert str(path) in capsys.readouterr().err
    assert not (shards / "dataload-index.arrow").exists()
