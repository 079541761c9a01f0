"""Packing from a bucket into a bucket, with nothing secret in what is printed or written."""

import pytest
from conformance import equal
from stores import KEY

from dataload import FileSource, Loader, TarSource
from dataload.commands import main
from dataload.shards.pack import Packing
from dataload.transforms import DecodeAudio

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def environment(bucket, tmp_path, monkeypatch):
    """The bucket is reached by what the environment says, as on a command line."""
    for name in ("endpoint", "access_key_id", "secret_access_key", "region"):
        monkeypatch.setenv(f"AWS_{name.upper()}", bucket.options[name])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def stored(bucket, prefix):
    """Return the objects below a prefix with their bytes."""
    listed = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=prefix).get("Contents", [])
    bodies = {one["Key"]: bucket.client.get_object(Bucket=bucket.name, Key=one["Key"])["Body"].read() for one in listed}
    return {name.removeprefix(prefix): body for name, body in bodies.items()}


@pytest.mark.parametrize("format", ["tar", "tfrecord", "parquet"])
def test_a_bucket_is_packed_into_a_bucket_as_a_folder_is_into_a_folder(
    bucket, clip_folder, tmp_path, capsys, monkeypatch, format
):
    out = f"{bucket.url}/packed-{format}"
    arguments = ["--size", "100kB", "--format", format]
    assert main(["pack", f"{bucket.url}/recordings", out, *arguments]) == 0
    assert main(["pack", f"{bucket.url}/recordings", out, *arguments]) == 0
    monkeypatch.chdir(clip_folder.parent)
    assert main(["pack", clip_folder.name, str(tmp_path / "out"), *arguments]) == 0
    there, here = stored(bucket, f"packed-{format}/"), {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    assert len(here) > 3
    assert {name: data for name, data in there.items() if name.startswith("shard")} == {
        name: data for name, data in here.items() if name.startswith("shard")
    }
    printed = capsys.readouterr()
    assert KEY not in printed.out + printed.err and not any(KEY.encode() in data for data in there.values())


def test_files_are_packed_by_the_options_of_their_source_not_by_the_environment(
    bucket, clip_folder, tmp_path, monkeypatch
):
    for name in ("ENDPOINT", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"):
        monkeypatch.delenv(f"AWS_{name}")
    packed = []
    for number, (root, options) in enumerate([(f"{bucket.url}/recordings", bucket.options), (clip_folder, None)]):
        # As a URL, and as a path.
        source = FileSource(root, "**/*.wav", audio=str, again=lambda path: path, storage_options=options)
        Packing(source, str(tmp_path / str(number))).run()
        packed.append({path.name: path.read_bytes() for path in (tmp_path / str(number)).glob("*.tar")})
    assert packed[0] and packed[0] == packed[1]


def test_an_index_is_written_beside_shards_in_a_bucket_and_read_from_there(bucket, clip_folder, capsys):
    Packing(FileSource(clip_folder, "**/*.wav", audio=str), f"{bucket.url}/indexed", size=100_000).run()
    assert main(["index", f"{bucket.url}/indexed"]) == 0
    assert "dataload-index.arrow" in stored(bucket, "indexed/")
    assert main(["info", f"{bucket.url}/indexed"]) == 0
    printed = capsys.readouterr()
    assert f"{bucket.url}/indexed/dataload-index.arrow: written" in printed.out and KEY not in printed.out
    chain = {"audio": DecodeAudio(8_000)}
    found = Loader(TarSource(f"{bucket.url}/indexed/", audio="wav"), transforms=chain, batch_size=8)
    expected = Loader(FileSource(clip_folder, "**/*.wav", audio=str), transforms=chain, batch_size=8)
    assert all(equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("arguments", [["pack", "URL", "out"], ["info", "URL"], ["index", "URL"], ["pack", ".", "URL"]])
def test_a_url_with_a_password_is_refused_without_saying_it(arguments, fsdd, monkeypatch, capsys):
    monkeypatch.chdir(fsdd)
    url = f"s3://key:{KEY}@clips/recordings"
    assert main([url if one == "URL" else one for one in arguments]) == 2
    printed = capsys.readouterr()
    assert "password" in printed.err and KEY not in printed.out + printed.err
