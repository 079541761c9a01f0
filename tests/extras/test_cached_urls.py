"""Remote bytes that are kept on disk: a second epoch asks nothing, in any kind of worker and in new processes."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from conformance import equal
from stores import KEY

from dataload import FileSource, Loader, SegmentSource, TableSource, TarSource, TFRecordSource
from dataload.commands import main
from dataload.errors import ConfigError, ReplacedError
from dataload.measuring.server import running_server
from dataload.storage.cached import Keeper
from dataload.storage.places import place
from dataload.transforms import DecodeAudio

pytestmark = pytest.mark.timeout(180)
CHAIN = {"audio": [DecodeAudio(8_000)]}
KINDS = [{}, {"num_workers": 2, "worker": "thread"}, {"num_workers": 2, "worker": "process"}]


@pytest.fixture(scope="module")
def shards(clip_folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("shards")
    (root / "clips.py").write_text(
        "from dataload import FileSource\n"
        f"source = FileSource({str(clip_folder)!r}, '**/*.wav', audio=str, label=lambda path: int(path.stem[0]))\n"
    )
    for kind in ("tar", "tfrecord", "parquet"):
        command = [sys.executable, "-m", "dataload", "pack", "clips.py:source", ".", "--format", kind, "--name", kind]
        done = subprocess.run([*command, "--size", "10MB"], cwd=root / ".", capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        for path in root.glob("*.json"):
            path.unlink()
    return root


def requests(server):
    return server.statistics().get("requests", 0)


def epochs(source, server, **options):
    """The batches of two epochs, and how many requests each took."""
    batches, asked = [], []
    with Loader(source, transforms=CHAIN, batch_size=8, seed=3, collate_fn=list, **options) as loader:
        for _ in range(2):
            before = requests(server)
            batches += list(loader)
            asked.append(requests(server) - before)
        return batches, asked, loader.stats


@pytest.mark.parametrize("options", KINDS)
def test_a_second_epoch_of_files_asks_nothing_and_has_the_same_bytes(options, clip_folder, tmp_path):
    names = [path.relative_to(clip_folder).as_posix() for path in sorted(clip_folder.rglob("*.wav"))]
    kept = {"cache": tmp_path / "cache", "cache_bytes": "100 MB"}
    with running_server(clip_folder, "--latency=0.03") as server:
        expected, _, _ = epochs(FileSource(clip_folder, names=names, audio=str), server, shuffle=True)
        source = FileSource(server.url, names=names, audio=str, **kept)
        got, asked, stats = epochs(source, server, shuffle=True, **options)
        assert all(equal(one, other) for one, other in zip(got, expected, strict=True))
        assert asked[0] >= len(names) and asked[1] == 0
        total = sum(path.stat().st_size for path in clip_folder.rglob("*.wav"))
        assert stats.bytes_read == 0 and stats.bytes_cached == total
        # Another source asks whether they are the same, and for no bytes.
        before = server.statistics()["bytes"]
        again = FileSource(server.url, names=names, audio=str, **kept)
        assert equal([a["audio"].read() for a in again], [Path(clip_folder / name).read_bytes() for name in names])
        # The answer to that question is counted too.
        assert server.statistics()["bytes"] - before < 100


@pytest.mark.parametrize("shuffle", [True, "blocks"])
def test_a_second_epoch_of_shards_and_tables_asks_nothing_also_in_another_process(shuffle, shards, tmp_path):
    kept = {"cache": str(tmp_path / "cache"), "cache_bytes": 50_000_000}

    def sources(root, **kept):
        return [
            TarSource(f"{root}/tar-000000.tar", audio="wav", **kept),
            TFRecordSource(f"{root}/tfrecord-000000.tfrecord", audio=("audio", bytes), **kept),
            TableSource(f"{root}/parquet-000000.parquet", columns=["audio"], **kept),
        ]

    with running_server(shards) as server:
        for there, here in zip(sources(server.url, **kept), sources(shards), strict=True):
            expected, _, _ = epochs(here, server, shuffle=shuffle)
            got, asked, stats = epochs(there, server, shuffle=shuffle)
            assert all(equal(one, other) for one, other in zip(got, expected, strict=True))
            assert asked[1] == 0 and stats.bytes_read == 0, there
            (tmp_path / "source").write_bytes(pickle.dumps(there))
            before = requests(server)
            program = f"import pickle; s = pickle.load(open({str(tmp_path / 'source')!r}, 'rb')); print(len(list(s)))"
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
            assert done.stdout == f"{len(there)}\n", done.stderr
            assert requests(server) == before, there


def test_segments_of_plain_urls_are_kept(clip_folder, tmp_path):
    path = sorted(clip_folder.glob("*.wav"))[0]
    with running_server(clip_folder) as server:
        kept = {"cache": tmp_path / "cache", "cache_bytes": "10MB"}
        there, here = SegmentSource([f"{server.url}/{path.name}"], 0.1, **kept), SegmentSource([str(path)], 0.1)
        decode = DecodeAudio(8_000)
        for _ in range(2):
            before = requests(server)
            copy = pickle.loads(pickle.dumps(there))
            assert all((decode(a) == decode(b)).all() for a, b in zip(copy, here, strict=True))
        assert requests(server) == before


def test_ranges_are_answered_however_they_were_asked_for_before(tmp_path):
    data = bytes(range(256)) * 1000
    (tmp_path / "a.bin").write_bytes(data)
    with running_server(tmp_path) as server:
        at = place(f"{server.url}/a.bin")
        store = Keeper(tmp_path / "cache", "10MB").store(at.store)
        tag = at.stat().tag
        before = requests(server)
        assert store.read("a.bin", 100, 1000, tag) == data[100:1000]
        assert store.read("a.bin", 500, 3000, tag) == data[500:3000]
        assert requests(server) - before == 2
        assert store.read("a.bin", 100, 3000, tag) == data[100:3000] and store.read("a.bin", 5, 5, tag) == b""
        assert requests(server) - before == 2
        assert store.read("a.bin", 0, None, tag) == data
        asked = requests(server)
        assert store.read("a.bin") == data and store.read("a.bin", 7, 90_000) == data[7:90_000]
        assert requests(server) == asked


def test_an_object_that_was_replaced_is_not_answered_with_its_old_bytes(s3, tmp_path):
    bucket = s3("kept-replaced")
    kept = {"cache": tmp_path / "cache", "cache_bytes": "10MB", "storage_options": bucket.options}
    bucket.put("r/a.bin", b"old")
    old = FileSource(f"{bucket.url}/r", "*.bin", **kept)
    assert old.path(0).read_bytes() == b"old"
    late = FileSource(f"{bucket.url}/r", "*.bin", **{**kept, "cache": tmp_path / "empty"})
    bucket.put("r/a.bin", b"new")
    new = FileSource(f"{bucket.url}/r", "*.bin", **kept)
    assert new.path(0).read_bytes() == b"new"
    # What was listed is what is got.
    assert old.path(0).read_bytes() == b"old"
    with pytest.raises(ReplacedError, match="was replaced since it was listed"):
        late.path(0).read_bytes()
    assert all(KEY.encode() not in path.read_bytes() for path in (tmp_path / "cache").iterdir())
    assert KEY.encode() not in pickle.dumps(new)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"cache_bytes": "1GB"}, "is the size of a cache: give its folder too"),
        ({"cache": "c"}, "has no size: say what it may take, cache_bytes='100GB'"),
        ({"cache": "c", "cache_bytes": "many"}, "cache_bytes='many' is not a number of bytes above 0"),
        ({"cache": "c", "cache_bytes": 10}, "cache_bytes=10 must be at least 1 MB"),
        ({"cache": "c", "cache_bytes": 1e9}, "cache_bytes=1000000000.0 must be a whole number of bytes"),
        ({"cache": "s3://b/c", "cache_bytes": "1GB"}, "must be the path of a folder on a disk of this machine"),
        ({"cache": "file/c", "cache_bytes": "1GB"}, "cannot be written to .Not a directory.: give a folder that can"),
    ],
)
def test_a_cache_that_cannot_be_one_is_an_error(arguments, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(ConfigError, match=text):
        FileSource("http://127.0.0.1:1", names=["a"], **arguments)


def test_a_cache_of_files_of_this_machine_is_an_error(clip_folder, shards, tmp_path):
    kept = {"cache": tmp_path / "cache", "cache_bytes": "1GB"}
    clips = [str(path) for path in clip_folder.glob("*.wav")]
    for make in (
        lambda: FileSource(clip_folder, **kept),
        lambda: TarSource(shards, audio="wav", **kept),
        lambda: TFRecordSource(shards, **kept),
        lambda: TableSource(shards / "parquet-000000.parquet", **kept),
        lambda: SegmentSource(clips, 0.1, **kept),
    ):
        with pytest.raises(ConfigError, match="is of this machine: leave out cache and cache_bytes"):
            make()


def test_the_command_says_what_is_there_and_clears_it(clip_folder, tmp_path, capsys):
    folder = tmp_path / "cache"
    names = sorted(path.name for path in clip_folder.glob("*.wav"))[:5]
    with running_server(clip_folder) as server:
        source = FileSource(server.url, names=names, cache=folder, cache_bytes="10MB")
        for index in range(5):
            source.path(index).read_bytes()
    assert main(["cache", "list", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "in 1 segments" in told and "objects, whole or in part: 5\n" in told and "used last: 20" in told
    assert main(["cache", "clear", str(folder)]) == 0 and "cleared" in capsys.readouterr().out
    assert main(["cache", "list", str(folder)]) == 0 and "objects, whole or in part: 0\n" in capsys.readouterr().out
    assert main(["cache", "list", str(folder / "none")]) == 2 and "there is no folder" in capsys.readouterr().err
