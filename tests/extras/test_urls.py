"""The quickstart with a URL in place of a folder: the same batches, read ahead, with errors that name the object."""

import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
from conformance import equal
from stores import KEY, upload

from dataload import FileSource, Loader, SegmentSource
from dataload.errors import ConfigError, ReplacedError, SourceNotFound, StorageError
from dataload.measuring.server import running_server
from dataload.storage.places import place
from dataload.transforms import DecodeAudio, LogMel

pytestmark = pytest.mark.timeout(120)

CHAIN = {"audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=40)]}
KINDS = [{}, {"num_workers": 2, "worker": "thread"}, {"num_workers": 2, "worker": "process"}, {"read_concurrency": 0}]


def digit(path):
    return int(path.stem[0])


def source(root, **options):
    return FileSource(
        root, "**/*.wav", audio=str, label=digit, folder=lambda path: path.parent.name == "more", **options
    )


def epochs(source, **options):
    with Loader(source, transforms=CHAIN, batch_size=8, shuffle=True, seed=3, **options) as loader:
        return [batch for _ in range(2) for batch in loader], loader.stats


@pytest.mark.parametrize("options", KINDS)
def test_batches_from_a_bucket_are_those_from_the_disk(options, clips, clip_folder):
    expected, _ = epochs(source(clip_folder))
    there = source(f"{clips.url}/recordings", storage_options=clips.options)
    got, stats = epochs(there, **options)
    assert equal(got, expected)
    total = sum(path.stat().st_size for path in clip_folder.rglob("*.wav"))
    assert stats.bytes_read == total and stats.retries == 0
    assert Loader(there).pipeline.read_concurrency == 16 and Loader(source(clip_folder)).pipeline.read_concurrency == 0


@pytest.mark.parametrize("options", KINDS)
def test_batches_from_a_web_server_are_those_from_the_disk(options, clip_folder, tmp_path):
    names = [path.relative_to(clip_folder).as_posix() for path in sorted(clip_folder.rglob("*.wav"))]
    local = FileSource(clip_folder, names=names, audio=str, label=digit)
    expected, _ = epochs(local)
    (clip_folder / "names.txt").write_text("\n".join(names))
    with running_server(clip_folder) as server:
        there = FileSource(server.url, names=f"{server.url}/names.txt", audio=str, label=digit)
        assert equal(epochs(there, **options)[0], expected)
        with pytest.raises(StorageError, match=r"a web server cannot list what it has: give the names"):
            FileSource(server.url, "*.wav")


def test_batches_from_fsspec_are_those_from_the_disk(memory, clip_folder):
    upload(memory, clip_folder)
    for options in KINDS[:2]:
        assert equal(epochs(source(memory), **options)[0], epochs(source(clip_folder))[0])


def test_segments_are_read_from_a_bucket_by_ranges(clips, clip_folder):
    def cut(files):
        windows = SegmentSource(files, 0.1, field="audio", drop_last=True)
        with Loader(windows, transforms=CHAIN, batch_size=8, num_workers=2, worker="thread") as loader:
            return list(loader)

    there = source(f"{clips.url}/recordings", storage_options=clips.options)
    assert equal(cut(there), cut(source(clip_folder)))


def test_a_path_in_a_bucket_is_decoded_as_one_of_this_machine_is(bucket, clip_folder):
    def read(root, **options):
        return epochs(FileSource(root, "**/*.wav", audio=lambda path: path, **options), num_workers=2)[0]

    assert equal(read(f"{bucket.url}/recordings", storage_options=bucket.options), read(clip_folder))


def test_a_path_in_a_bucket_has_the_parts_of_a_path(bucket):
    path = source(f"{bucket.url}/recordings", storage_options=bucket.options).path(1)
    here = Path("recordings/more") / path.name
    assert (path.name, path.stem, path.suffix, path.suffixes) == (here.name, here.stem, here.suffix, here.suffixes)
    assert path.parts == here.parts if path.parent.name == "more" else path.parts == ("recordings", path.name)
    assert str(path) == f"{bucket.url}/{path.as_posix()}" and path.match("*.wav")
    assert path.read_bytes() == Path.read_bytes(path) == (path.parent / path.name).read_bytes()
    assert path == path.parent / path.name and hash(path) == hash(path.parent / path.name)
    assert str(path.with_suffix(".txt")).endswith(f"{path.stem}.txt") and path.with_name("x").name == "x"
    with pytest.raises(ValueError, match="mode='w' must be 'rb'"):
        path.open("w")


def test_an_object_that_is_replaced_is_an_error_that_names_it(make_bucket, clip_folder):
    bucket = make_bucket("replaced")
    bucket.upload(clip_folder, "r")
    there = source(f"{bucket.url}/r", storage_options=bucket.options)
    name = str(there.path(5))
    bucket.put(name.removeprefix(f"{bucket.url}/"), b"RIFF other")
    for options in KINDS[:3]:
        with pytest.raises(ReplacedError, match=f"{name}: was replaced since it was listed"):
            epochs(there, **options)
    assert there.fingerprint() != source(f"{bucket.url}/r", storage_options=bucket.options).fingerprint()
    bucket.delete(name.removeprefix(f"{bucket.url}/"))
    with pytest.raises(SourceNotFound, match=f"{name}: there is no such object"):
        epochs(there)
    with Loader(there, transforms=CHAIN, batch_size=8, on_error="skip", num_workers=2, worker="thread") as loader:
        assert sum(len(batch["label"]) for batch in loader) == len(there) - 1
        assert loader.stats.num_errors == 1 and name in loader.stats.errors[0].error


def test_a_server_that_does_not_know_if_match_is_found_out(clip_folder, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one" * 100)
    with running_server(tmp_path, "--ignore-match") as server:
        at = place(f"{server.url}/a.bin")
        tag = at.stat().tag
        assert at.read(0, 3, tag) == b"one"
        path.write_bytes(b"two" * 101)
        with pytest.raises(ReplacedError, match=r"a\.bin: was replaced"):
            at.read(0, 3, tag)


@pytest.mark.parametrize(
    ("url", "options", "error", "text"),
    [
        ("s3://private/recordings", {}, StorageError, "no credentials are known: set the environment variables"),
        ("s3://no-such-bucket/x", None, SourceNotFound, "there is no such bucket: check its name, region and endpoint"),
        ("s3://clips/nothing", None, SourceNotFound, "no file in 's3://clips/nothing' matches"),
        ("s3://clips/x", {"endpoint": "http://127.0.0.1:1"}, StorageError, "cannot be listed, tried 3 times"),
        ("s3://clips/x", {"bogus": 1}, ConfigError, "cannot be opened with storage_options .*bogus"),
        ("s3://clips/x", {"timeout": -1}, ConfigError, "timeout=-1 must be a number of seconds above 0"),
        ("s3://clips/x", {"max_retries": 1.5}, ConfigError, "max_retries=1.5 must be a whole number"),
        ("nobody://x/y", {}, ConfigError, "nobody knows what nobody:// is"),
        ("https://user:word@host/x", {}, ConfigError, "a URL with a user or password in it: give these as"),
        ("https://host/x?signature=1", {}, ConfigError, "a URL with a query or a signature in it"),
        ("s3://", {}, ConfigError, "says no bucket or host"),
        ("zip://a::s3://b/c", {}, ConfigError, "a URL inside of another"),
    ],
)
def test_what_cannot_be_reached_says_what_and_why_and_nothing_secret(url, options, error, text, bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    given = None if options == {} else {**bucket.options, **(options or {})}
    with pytest.raises(error, match=text) as raised:
        FileSource(url, "*.wav", storage_options=given)
    shown = "".join([str(raised.value), repr(raised.value), *getattr(raised.value, "__notes__", [])])
    assert KEY not in shown and "word" not in shown.replace("password", "") and "signature=1" not in shown


def test_keys_are_in_no_pickle_message_repr_or_state(bucket):
    there = FileSource(f"{bucket.url}/recordings", "**/*.wav", audio=str, storage_options=bucket.options)
    with Loader(there, transforms=CHAIN, batch_size=8, num_workers=2, worker="process") as loader:
        next(iter(loader))
        shown = [repr(loader), repr(there), str(loader.state_dict()), repr(loader.stats), there.fingerprint()]
        shown += [repr(there[0]), repr(there.path(0)), repr(place(f"{bucket.url}/x", bucket.options))]
        data = pickle.dumps(there) + pickle.dumps(there[0]) + pickle.dumps(loader) + pickle.dumps(loader.state_dict())
    assert KEY.encode() not in data and not any(KEY in text for text in shown)
    assert pickle.loads(pickle.dumps(there))[0] == there[0]


def test_keys_that_did_not_travel_are_asked_for(bucket, tmp_path):
    import subprocess
    import sys

    there = FileSource(f"{bucket.url}/recordings", "**/*.wav", audio=str, storage_options=bucket.options)
    (tmp_path / "source.pickle").write_bytes(pickle.dumps(there))
    program = f"import pickle; s = pickle.load(open({str(tmp_path / 'source.pickle')!r}, 'rb')); s[0]['audio'].read()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "the storage_options of s3://clips are not known in this process" in done.stderr


def test_environment_variables_will_do(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.options["endpoint"])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert len(FileSource("s3://clips/recordings", "**/*.wav")) == 48
    assert DecodeAudio(8_000)(str(FileSource("s3://clips/recordings", "**/*.wav").path(0))).dtype == np.float32


def test_a_fork_of_a_process_that_has_read_from_a_store_is_told_so_and_does_not_hang(clip_folder):
    name = sorted(path.name for path in clip_folder.glob("*.wav"))[0]
    with running_server(clip_folder) as server:
        at = place(f"{server.url}/{name}")
        at.read(0, 4)
        child = os.fork()
        if not child:
            code = 1
            try:
                signal.alarm(30)
                with pytest.raises(StorageError, match="a fork of one that has read from a store before: start it"):
                    at.read(0, 4)
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert at.read(0, 4) == b"RIFF"
