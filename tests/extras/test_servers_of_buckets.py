"""What every server of buckets has to bear: packing into it, odd names, wrong keys, archives that are cut off."""

import socket

import pytest
from conformance import equal
from npm_servers import ACCOUNT_KEY
from stores import KEY

from dataload import FileSource, Loader, TarSource
from dataload.commands import main
from dataload.errors import DecodeError, SourceNotFound, StorageError
from dataload.measuring.server import running_server
from dataload.transforms import DecodeAudio

pytestmark = pytest.mark.timeout(120)
NAMES = [
    "a b.bin",
    "c#d.bin",
    "e+f.bin",
    "%41.bin",
    "100%.bin",
    "grüße/日本.bin",
    "g&h=i;j.bin",
    "k'l.bin",
    "m,n~o.bin",
]
# Of another length, so that it is no key of anybody's.
WRONG_KEY = "YS1zZWNyZXQtdGhhdC1tdXN0LW5vdC1iZS1zZWVu"


def test_a_folder_is_packed_into_a_bucket_by_what_the_environment_says(
    clips, clip_folder, monkeypatch, capsys, tmp_path
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    prefix = "AZURE_STORAGE" if clips.url.startswith("az") else "AWS"
    for name, value in clips.options.items():
        monkeypatch.setenv(f"{prefix}_{name.upper()}", value)
    out = f"{clips.url}/packed"
    for _ in range(2):
        assert main(["pack", f"{clips.url}/recordings", out, "--size", "100kB"]) == 0
    printed = capsys.readouterr()
    assert not any(key in printed.out + printed.err for key in (KEY, ACCOUNT_KEY))
    chain = {"audio": DecodeAudio(8_000)}
    found = Loader(TarSource(f"{out}/", audio="wav"), transforms=chain, batch_size=8)
    expected = Loader(FileSource(clip_folder, "**/*.wav", audio=str), transforms=chain, batch_size=8)
    assert all(equal(*pair) for pair in zip(found, expected, strict=True))


def test_odd_names_of_objects_give_their_bytes(make_bucket):
    bucket = make_bucket("odd-names")
    for name in [*NAMES, "p?q.bin"]:
        bucket.put(f"x/{name}", name.encode())
    source = FileSource(
        f"{bucket.url}/x", "**/*.bin", storage_options=bucket.options, data=lambda path: path.read_bytes()
    )
    assert sorted(row["data"].decode() for row in source) == sorted([*NAMES, "p?q.bin"])
    named = FileSource(
        f"{bucket.url}/x", names=NAMES, storage_options=bucket.options, data=lambda path: path.read_bytes()
    )
    assert [row["data"].decode() for row in named] == NAMES


def test_a_bucket_that_is_not_there_or_a_wrong_key_is_named_without_the_key(clips):
    wrong = clips.url.replace("clips", "nothing")
    with pytest.raises(SourceNotFound, match=f"{wrong}/x/: there is no such bucket"):
        FileSource(f"{wrong}/x", "*.wav", storage_options=clips.options)
    if clips.options.get("secret_access_key") == KEY:
        return  # moto takes every key.
    # s3rver compares no signature, and knows its account.
    names = ["account_key"] if clips.url.startswith("az") else ["access_key_id", "secret_access_key"]
    options = {**clips.options, **dict.fromkeys(names, WRONG_KEY)}
    with pytest.raises(StorageError, match=f"{clips.url}/recordings.*access is refused") as raised:
        FileSource(f"{clips.url}/recordings", "*.wav", storage_options=options)
    assert WRONG_KEY not in repr(raised.value) + "".join(getattr(raised.value, "__notes__", []))


def test_an_archive_that_is_cut_off_in_a_bucket_is_named(make_bucket, clip_folder, tmp_path):
    from dataload.shards.pack import Packing

    bucket = make_bucket("cut-off")
    Packing(FileSource(clip_folder, "**/*.wav", audio=str), str(tmp_path / "p"), size=100_000).run()
    path = sorted((tmp_path / "p").glob("*.tar"))[0]
    bucket.put("a.tar", path.read_bytes()[:30_000])
    with pytest.raises(DecodeError, match=f"{bucket.url}/a.tar: .*cut off|the archive ends"):
        TarSource(f"{bucket.url}/a.tar", audio="wav", storage_options=bucket.options)


def test_a_host_that_never_answers_is_not_waited_for(clips):
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        account = clips.options.get("account_name", "")
        options = {**clips.options, "endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}/{account}", "timeout": 0.3}
        with pytest.raises(StorageError, match=f"{clips.url}/x.*cannot be listed, tried 3 times"):
            FileSource(f"{clips.url}/x", "*.wav", storage_options=options)


def test_odd_names_on_a_web_server_give_their_bytes(tmp_path):
    names = ["a b.bin", "e+f.bin", "100%25.bin", "grüße.bin", "日本.bin"]
    for name in names:
        (tmp_path / name.replace("%25", "%")).write_bytes(name.encode())
    with running_server(tmp_path) as server:
        source = FileSource(server.url, names=names, data=lambda path: path.read_bytes())
        assert [row["data"].decode() for row in source] == names
