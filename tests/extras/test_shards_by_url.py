"""Tars and TFRecords in a bucket, on a web server and in memory: the batches of the disk, from few large requests."""

import io
import tarfile

import numpy as np
import pytest
from commands.runs import dataload  # noqa: F401
from conformance import equal
from stores import upload

from dataload import FileSource, Loader, TableSource, TarSource, TFRecordSource
from dataload.errors import ReplacedError
from dataload.measuring.server import running_server
from dataload.transforms import DecodeAudio, LogMel

pytestmark = pytest.mark.timeout(180)
CHAIN = {"audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=40)]}
FIELDS = {"audio": "wav", "label": ("cls", int)}


def digit(path):
    return int(path.stem[0])


def batches(source, **options):
    with Loader(source, transforms=CHAIN, batch_size=8, shuffle=True, seed=5, **options) as loader:
        return [batch for _ in range(2) for batch in loader]


@pytest.fixture(scope="module")
def packed(clip_folder, tmp_path_factory):
    """Folders of tars, TFRecords and Parquet made of the same clips, and the source that they were made of."""
    import subprocess
    import sys

    root = tmp_path_factory.mktemp("packed")
    (root / "clips.py").write_text(
        "from dataload import FileSource\n"
        f"source = FileSource({str(clip_folder)!r}, '**/*.wav', audio=str, label=lambda path: int(path.stem[0]))\n"
    )
    for kind in ("tar", "tfrecord", "parquet"):
        command = ["pack", "clips.py:source", kind, "--format", kind, "--size", "60KB"]
        done = subprocess.run(
            [sys.executable, "-m", "dataload", *command], cwd=root, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert len(list((root / kind).glob(f"*.{kind}"))) > 2
    return root


def sources(root, options=None):
    """Return a source of each format below a folder or URL."""
    return {
        "tar": TarSource(f"{root}/tar/*.tar", storage_options=options, **FIELDS),
        "tfrecord": TFRecordSource(
            f"{root}/tfrecord/*.tfrecord", storage_options=options, audio=("audio", bytes), label=("label", int)
        ),
        "parquet": TableSource(f"{root}/parquet/*.parquet", columns=["audio", "label"], storage_options=options),
    }


@pytest.fixture(scope="module")
def expected(clip_folder):
    """The batches of the files that the shards were made of."""
    return batches(FileSource(clip_folder, "**/*.wav", audio=str, label=digit))


def test_the_same_batches_from_every_format_on_a_disk_and_in_memory(packed, memory, expected):
    upload(memory, packed)
    for kind, source in [*sources(packed).items(), *sources(memory).items()]:
        assert equal(batches(source), expected), (kind, source)
    for kind, source in sources(packed).items():
        assert equal(batches(source, num_workers=2, worker="process"), expected), kind


def test_the_same_batches_from_every_format_in_a_bucket(packed, make_bucket, expected):
    bucket = make_bucket("formats")
    bucket.upload(packed, "p")
    for kind, source in sources(f"{bucket.url}/p", bucket.options).items():
        assert equal(batches(source), expected), kind
        assert equal(batches(source, num_workers=2, worker="process"), expected), kind


def test_shards_on_a_web_server_are_named_by_braces(packed):
    last = len(list((packed / "tar").glob("*.tar"))) - 1
    with running_server(packed, "--latency=0.01") as server:
        names = f"{server.url}/tar/tar-{{000000..{last:06}}}.tar"
        found = sorted(path.name for path in (packed / "tar").glob("*.tar"))
        names = f"{server.url}/tar/{{{','.join(found)}}}"
        there = TarSource(names, **FIELDS)
        assert equal(batches(there, num_workers=2, worker="thread"), batches(sources(packed)["tar"]))
        assert there.describe(0).startswith(server.url)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two tars of 12 MB each, of samples of 10 kB."""
    root = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(0)
    for shard in range(2):
        with tarfile.open(root / f"s-{shard}.tar", "w") as archive:
            for number in range(1200):
                for suffix, data in (("bin", rng.bytes(10_000)), ("cls", str(number).encode())):
                    member = tarfile.TarInfo(f"{shard}-{number:05}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return root


@pytest.mark.parametrize(
    ("options", "cached"),
    [
        ({}, False),
        ({"num_workers": 3, "worker": "thread"}, False),
        # Each process reads a window for itself, but what one has put into a cache is there for all.
        ({"num_workers": 3, "worker": "process"}, True),
    ],
)
def test_a_shuffle_by_blocks_reads_the_data_about_once_in_requests_of_a_megabyte(large, options, cached, tmp_path):
    def epoch(source):
        with Loader(source, batch_size=32, shuffle="blocks", seed=1, **options) as loader:
            return [(batch["x"], batch["label"]) for batch in loader]

    fields = {"x": "bin", "label": ("cls", int)}
    expected = epoch(TarSource(large, **fields))
    with running_server(large, "--latency=0.005") as server:
        source = TarSource(server.url + "/s-{0,1}.tar", **fields)
        if cached:  # The index is there by now, so that it puts nothing into the cache.
            kept = {"cache": tmp_path / "cache", "cache_bytes": "1GB"}
            source = TarSource(server.url + "/s-{0,1}.tar", **fields, **kept)
        before = server.statistics()
        got = epoch(source)
        after = server.statistics()
    assert all(x == y and np.array_equal(a, b) for (x, a), (y, b) in zip(got, expected, strict=True))
    assert [label.tolist() for _, label in got] != sorted(label.tolist() for _, label in got)
    requests, fetched = after["requests"] - before["requests"], after["bytes"] - before["bytes"]
    wanted = 2 * 1200 * 10_000
    assert wanted <= fetched <= 1.1 * wanted + 2 * 1200 * 1024 and fetched / requests >= 1e6


def test_a_shard_that_is_replaced_is_an_error_that_names_it(make_bucket, packed):
    bucket = make_bucket("shards-replaced")
    bucket.upload(packed / "tar", "t")
    source = TarSource(f"{bucket.url}/t/*.tar", storage_options=bucket.options, **FIELDS)
    name = source.describe(0).split(": ")[0]
    path = next(path for path in (packed / "tar").glob("*.tar") if name.endswith(path.name))
    data = path.read_bytes()
    bucket.put(name.removeprefix(f"{bucket.url}/"), data[:600] + b"!" + data[601:])
    for options in ({}, {"num_workers": 2, "worker": "process"}):
        with pytest.raises(ReplacedError, match=f"{name}: was replaced"):
            batches(source, **options)
