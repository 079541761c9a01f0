"""Files of this machine as a store: whole ranges, replaced files, more files than may be open, writing."""

import os
import pickle
import threading
from pathlib import Path

import pytest
from programs import program, python

from dataload.errors import ConfigError, ReplacedError, SourceNotFound, StorageError
from dataload.storage.base import Range
from dataload.storage.local import LOCAL
from dataload.storage.places import expand_braces, find_shards, is_url, place


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 4)
    return str(path)


def test_ranges_are_read_whole_or_are_an_error(file):
    assert LOCAL.read(file) == bytes(range(256)) * 4
    assert LOCAL.read(file, 255, 258) == b"\xff\x00\x01" and LOCAL.read(file, 5, 5) == b""
    assert LOCAL.read_many([Range(file, 9, 10), Range(file, 0, 2)]) == [b"\x09", b"\x00\x01"]
    with pytest.raises(ReplacedError, match=r"a\.bin: ends at byte 1024, before 1030, up to which it is to be read"):
        LOCAL.read(file, 1000, 1030)


def test_a_file_that_is_another_one_is_an_error_that_names_it(file):
    tag = LOCAL.stat(file).tag
    assert LOCAL.read(file, 0, 4, tag) == bytes(range(4))
    Path(file).write_bytes(bytes(1024))
    os.utime(file, ns=(1, 1))
    with pytest.raises(ReplacedError, match=r"a\.bin: was replaced since it was listed"):
        LOCAL.read(file, 0, 4, tag)
    assert LOCAL.read(file, 0, 4, LOCAL.stat(file).tag) == bytes(4)


def test_what_is_no_file_is_named_with_what_to_do(tmp_path, file):
    os.mkfifo(tmp_path / "fifo")
    for name, kind, text in [
        (file + "x", SourceNotFound, "no such file .looked from"),
        (str(tmp_path), StorageError, "is no regular file: give the files in it"),
        (str(tmp_path / "fifo"), StorageError, "is no regular file"),
        (file + "/b", SourceNotFound, "no such file"),
    ]:
        for ask in (LOCAL.stat, LOCAL.read):
            with pytest.raises(kind, match=text):
                ask(name)


def test_more_files_than_may_be_open_are_read_on_many_threads(tmp_path):
    for i in range(300):
        (tmp_path / f"{i}").write_bytes(str(i).encode() * 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    errors = []

    def read():
        expected = [str(i).encode() * 100 for i in range(300)]
        found = [LOCAL.read(str(tmp_path / f"{i}"), 0, len(one)) for i, one in enumerate(expected)]
        errors.extend(i for i in range(300) if found[i] != expected[i])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(list(Path("/proc/self/fd").iterdir())) <= before + 70


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    name = str(tmp_path / "new" / "b.bin")
    LOCAL.write(name, [b"one", b"two"])
    assert LOCAL.read(name) == b"onetwo"

    def broken():
        yield b"half"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        LOCAL.write(name, broken())
    assert LOCAL.read(name) == b"onetwo" and [path.name for path in (tmp_path / "new").iterdir()] == ["b.bin"]
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(StorageError, match=r"plain/c: cannot be written"):
        LOCAL.write(str(tmp_path / "plain" / "c"), [b""])


def test_a_place_travels(file):
    assert pickle.loads(pickle.dumps(place(file))) == place(file)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a-{008..011}.tar", ["a-008.tar", "a-009.tar", "a-010.tar", "a-011.tar"]),
        ("{3..1}", ["3", "2", "1"]),
        ("{a,b}{0..1}", ["a0", "a1", "b0", "b1"]),
        ("plain{x}", ["plain{x}"]),
        ("{x}{1,2}", ["{x}1", "{x}2"]),
    ],
)
def test_braces_stand_for_names(pattern, names):
    assert list(expand_braces(pattern)) == names


@pytest.mark.slow
def test_a_million_names_are_enough():
    with pytest.raises(ConfigError, match="stands for more than 1000000 names"):
        list(expand_braces("{0..99999999999999999999}"))


def test_shards_are_found_by_name_pattern_folder_and_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("s/b.tar", "s/a.tar", "s/.hidden.tar", "s/c.txt", "s/deep/d.tar", "top[1].tar"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    def found(paths):
        return [shard.place.name for shard in find_shards(paths, ".tar")]

    assert found("s") == found("s/") == found("s/*.tar") == found("s/{a,b}.tar") == ["s/a.tar", "s/b.tar"]
    assert found(["s/b.tar", tmp_path / "s" / "a.tar"]) == ["s/b.tar", str(tmp_path / "s" / "a.tar")]
    assert found("s/.h*.tar") == ["s/.hidden.tar"] and found("*.tar") == ["top[1].tar"]
    assert found(["s/a.tar", "s/*.tar"]) == ["s/a.tar", "s/b.tar"]
    for paths, error, text in [
        ("s/q*", SourceNotFound, r"nothing in 's' matches 'q\*'"),
        ("s/a.tar,s/q.tar", SourceNotFound, "no such file"),
        ([], ConfigError, "must be a path, a URL, a pattern, or a list"),
        ([3], ConfigError, "paths holds a int"),
        (b"s", ConfigError, "must be a path"),
    ]:
        with pytest.raises(error, match=text):
            find_shards(paths, ".tar")


def test_urls_are_told_from_paths():
    assert all(map(is_url, ["s3://b/x", "https://h", "hf://datasets/a"]))
    assert not any(map(is_url, ["/a", "C:\\x", "c://x", "a:b", 3]))
    assert place("file:///tmp/x") == place("/tmp/x")
    with pytest.raises(ConfigError, match="storage_options goes with a URL, and '/x' is a path"):
        place("/x", {"endpoint": "http://h"})


FEW = """
import os, resource
from pathlib import Path
from dataload.errors import StorageError
from dataload.storage.local import LOCAL
for number in range(200):
    Path(f"{number}.bin").write_bytes(b"%d" % number)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
assert [int(LOCAL.read(f"{number}.bin")) for number in range(200)] == list(range(200))
held = []
try:
    while True:
        held.append(os.open(".", os.O_RDONLY))
except OSError:
    pass
for ask in (lambda: list(LOCAL.list("./", deep=False)), lambda: LOCAL.read("0.bin")):
    try:
        ask()
    except StorageError as error:
        assert "raise ulimit -n" in str(error), error
    else:
        raise SystemExit("no error")
print("good")
"""


def test_more_files_than_descriptors_are_read_and_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path):
    assert python(program(tmp_path, FEW), cwd=tmp_path) == "good\n"
