import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from commands.runs import command
from conformance import equal
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload import FileSource, Loader
from dataload.commands import main
from dataload.commands.arguments import byte_size
from dataload.errors import ConfigError, SourceNotFound
from dataload.shards.pack import Packing
from dataload.transforms import DecodeAudio
from dataload.whole import WholeList

# Real processes and whole shards: `make check` does without.
pytestmark = pytest.mark.slow

SPEECH = """
from pathlib import Path
from dataload import FileSource, Loader
from dataload.transforms import DecodeAudio

source = FileSource({folder!r}, "*.wav", audio=str, label=lambda path: int(path.stem[0]),
                    speaker=lambda path: path.stem.split("_")[1])
loader = Loader(source, transforms={{"audio": DecodeAudio(8_000)}}, batch_size=7)
"""
SLOW = """
import time

class Slow:
    def __len__(self):
        return 400
    def __getitem__(self, index):
        time.sleep(0.01)
        return {"data": bytes([index % 251]) * 900, "number": index}
    def fingerprint(self):
        return "slow"

source = Slow()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No index is kept in the cache folder of who runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def speech_module(module, fsdd):
    module(SPEECH.format(folder=str(fsdd)), "digits")


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def speech_source(fsdd):
    return FileSource(
        fsdd, "*.wav", audio=str, label=lambda path: int(path.stem[0]), speaker=lambda path: path.stem.split("_")[1]
    )


def batches(source):
    return list(Loader(source, transforms={"audio": DecodeAudio(8_000)}, batch_size=7))


def evaluate(lines):
    """Run the Python that a packing prints, and return what the last line makes."""
    names: dict[str, object] = {}
    exec("\n".join(lines[:-1]), names)
    return eval(lines[-1], names)


@pytest.mark.parametrize("format", ["tar", "parquet"])
def test_the_printed_line_reads_batches_that_are_those_of_the_source_to_the_bit(
    dataload, speech_module, fsdd, tmp_path, monkeypatch, format
):
    done = dataload("pack", "digits:source", "out", "--format", format, "--size", "400kB")
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    source = evaluate(done.stdout.partition("\n\n")[2].splitlines())
    assert len(source) == 300
    found, expected = batches(source), batches(speech_source(fsdd))
    assert len(found) == len(expected) == 43
    assert all(map(equal, found, expected))


@pytest.mark.parametrize("format", ["tar", "parquet"])
def test_values_of_every_kind_come_back_as_they_were(tmp_path, format):
    rng = np.random.default_rng(0)
    samples = [
        {
            "data": rng.bytes(i * 10),
            "text": f"über {i}\n",
            "other text": "" if i % 3 else "two",
            "count": i - 5,
            "big": np.int64(2**62 - i),
            "small": np.int8(-i),
            "unsigned": np.uint32(2**31 + i),
            "flag": i % 2 == 0,
            "flag2": np.bool_(i % 3 == 0),
            "ratio": i / 7,
            "single": np.float32(i / 7),
            "wave": rng.normal(size=i).astype(np.float32),
            "image": rng.integers(0, 255, (2 + i, 3, 3), dtype=np.uint8),
            "numbers": [1.5, 2.5],
            "meta": {"a": i, "b": [f"{i}", "x"]},
        }
        for i in range(20)
    ]
    packed = Packing(samples, str(tmp_path / "out"), format=format, size=30_000).run()
    assert len(packed.shards) > 1
    source = evaluate(packed.lines)
    for start in (0, 8, 19):
        ours = [source[i] for i in range(start, min(start + 1, 20))]
        theirs = samples[start : start + 1]
        assert equal(next(iter(Loader(ours, batch_size=1))), next(iter(Loader(theirs, batch_size=1))))


def test_a_tar_names_members_by_number_and_suffix_and_says_nothing_of_when_and_who(fsdd, tmp_path):
    packed = Packing(speech_source(fsdd), str(tmp_path), size=10_000_000).run()
    (shard,) = packed.shards
    with tarfile.open(tmp_path / shard.name) as file:
        members = file.getmembers()
        assert [member.name for member in members[:4]] == [
            "000000000.wav",
            "000000000.cls",
            "000000000.txt",
            "000000001.wav",
        ]
        assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {
            (0, 0, 0, "", 0o644)
        }
        first = sorted(fsdd.glob("*.wav"))[0]
        assert file.extractfile(members[0]).read() == first.read_bytes()
        assert file.extractfile(members[1]).read() == first.stem[0].encode()


def test_two_fields_of_one_kind_have_their_names_in_their_suffixes(tmp_path):
    packed = Packing([{"title": "a", "text": "b", "My Label": 1}], str(tmp_path)).run()
    with tarfile.open(tmp_path / packed.shards[0].name) as file:
        assert file.getnames() == ["000000000.title.txt", "000000000.text.txt", "000000000.cls"]
    assert packed.lines[-1].endswith(
        'title=("title.txt", bytes.decode), text=("text.txt", bytes.decode), **{"My Label": ("cls", int)})'
    )


def test_a_suffix_and_the_name_of_the_shards_can_be_given(tmp_path):
    packed = Packing([{"sound": b"fLaC"}], str(tmp_path), suffixes={"sound": "flac"}, name="train").run()
    assert packed.lines[-1] == f'TarSource("{tmp_path}/train-*.tar", sound="flac")'
    with tarfile.open(tmp_path / "train-000000.tar") as file:
        assert file.getnames() == ["000000000.flac"]


def test_a_field_of_paths_is_packed_as_files_where_it_is_named(tmp_path, recordings, module, dataload):
    module("source = [{'path': 'recordings/a.wav', 'n': 1}, {'path': 'recordings/f.wav', 'n': 2}]")
    done = dataload("pack", "mine.py:source", "out", "--file", "path")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith('TarSource("out/shard-*.tar", path="wav", n=("cls", int))\n')
    with tarfile.open(tmp_path / "out" / "shard-000000.tar") as file:
        assert file.extractfile("000000001.wav").read() == (recordings / "f.wav").read_bytes()
    kept = dataload("pack", "mine.py:source", "text")
    assert kept.stdout.endswith('TarSource("text/shard-*.tar", path=("txt", bytes.decode), n=("cls", int))\n')


def test_samples_that_are_no_dicts_are_fields_named_by_their_kind(tmp_path, fsdd):
    for number, (source, suffixes) in enumerate(
        [
            ([b"x"], ["bytes"]),
            (["x"], ["txt"]),
            (np.arange(4.0), ["json"]),
            (np.zeros((2, 3)), ["npy"]),
            ([(np.zeros(2), 1)], ["npy", "cls"]),
            (FileSource(fsdd, "*.wav"), ["wav"]),
        ]
    ):
        packed = Packing(source, str(tmp_path / str(number))).run()
        with tarfile.open(tmp_path / str(number) / packed.shards[0].name) as file:
            assert [name.partition(".")[2] for name in file.getnames()][: len(suffixes)] == suffixes


@pytest.mark.parametrize("format", ["tar", "parquet"])
@settings(max_examples=25)
@given(sizes=st.lists(st.integers(0, 40_000), min_size=1, max_size=12), limit=st.integers(15_000, 60_000))
def test_a_shard_is_of_the_size_or_holds_one_sample_and_every_sample_is_in_one(tmp_path_factory, format, sizes, limit):
    folder = tmp_path_factory.mktemp("out")
    rng = np.random.default_rng(0)
    source = [{"data": rng.bytes(size)} for size in sizes]
    packed = Packing(source, str(folder), format=format, size=limit).run()
    assert all(shard.size <= limit or shard.samples == 1 for shard in packed.shards)
    assert [shard.size for shard in packed.shards] == [(folder / shard.name).stat().st_size for shard in packed.shards]
    assert sum(shard.samples for shard in packed.shards) == len(sizes)
    found = evaluate(packed.lines)
    assert [found[i]["data"] for i in range(len(found))] == [sample["data"] for sample in source]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a process is sent signals")
@pytest.mark.parametrize("format", ["tar", "parquet"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_and_makes_the_same_bytes(tmp_path, module, dataload, format, number):
    module(SLOW)
    out = tmp_path / "out"
    arguments = ("pack", "mine:source", "out", "--size", "40kB", "--format", format)
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("shard-000001.*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    # Somewhere in the next shard.
    time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    stopped = digest(out)
    assert "shard-000001." + format in stopped and len(stopped) < 11
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on there" in errors and errors.count("\n") == 1
        assert not [name for name in stopped if name.startswith(".")]
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*")}
    resumed = dataload(*arguments)
    assert resumed.returncode == 0, resumed.stderr
    assert "finished shards: going on behind them" in resumed.stdout
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    whole = dataload("pack", "mine:source", "whole", *arguments[3:])
    assert whole.returncode == 0
    assert digest(out) == digest(tmp_path / "whole")


def test_a_finished_run_writes_nothing_again(tmp_path, fsdd):
    first = Packing(speech_source(fsdd), str(tmp_path / "out"), size=500_000).run()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("shard-*")}
    again = Packing(speech_source(fsdd), str(tmp_path / "out"), size=500_000)
    assert again.remaining == 0
    assert again.run() == first
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("shard-*")} == before


def test_a_shard_that_is_gone_or_cut_off_is_made_again(tmp_path, fsdd):
    out = tmp_path / "out"
    packed = Packing(speech_source(fsdd), str(out), size=500_000).run()
    before = digest(out)
    (out / packed.shards[1].name).unlink()
    Packing(speech_source(fsdd), str(out), size=500_000).run()
    assert digest(out) == before
    os.truncate(out / packed.shards[2].name, 100)
    Packing(speech_source(fsdd), str(out), size=500_000).run()
    assert digest(out) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 400_000}, "made with size 500000, not 400000"),
        ({"format": "parquet"}, "made with format tar, not parquet"),
        ({"suffixes": {"label": "txt2"}}, 'made with options {"name": "shard", "suffixes": {}'),
        ({"files": ["speaker"]}, "made with options"),
    ],
)
def test_other_options_are_refused_where_shards_are_already(tmp_path, fsdd, change, message):
    Packing(speech_source(fsdd), str(tmp_path), size=500_000).run()
    with pytest.raises(ConfigError) as caught:
        Packing(speech_source(fsdd), str(tmp_path), **{"size": 500_000, **change})
    assert message in str(caught.value)
    assert "dataload-pack.json" in str(caught.value) and "choose another folder" in str(caught.value)


@pytest.mark.slow
def test_another_source_is_refused_also_where_only_its_data_are_others(dataload, tmp_path, fsdd, module):
    module("source = [{'a': 1}, {'a': 2}]\nothers = [{'a': 1}]\nalike = [{'a': 3}, {'a': 2}]")
    assert dataload("pack", "mine:source", "out").returncode == 0
    before = digest(tmp_path / "out")
    for attribute, message in (("others", "samples 2, not 1"), ("alike", "the first sample is not what it was")):
        done = dataload("pack", f"mine:{attribute}", "out")
        assert done.returncode == 2
        assert message in done.stderr and "Traceback" not in done.stderr
    assert digest(tmp_path / "out") == before


def test_shards_that_are_nobodys_are_not_replaced(tmp_path):
    (tmp_path / "shard-000000.tar").write_bytes(b"precious")
    with pytest.raises(ConfigError, match=r"shard-000000.tar is there already, and not of an earlier run"):
        Packing([{"a": 1}], str(tmp_path))
    assert (tmp_path / "shard-000000.tar").read_bytes() == b"precious"


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version": 9}', '{"version": 1, "shards": [1]}'])
def test_a_damaged_manifest_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "dataload-pack.json").write_text(text)
    with pytest.raises(ConfigError, match=r"dataload-pack.json"):
        Packing([{"a": 1}], str(tmp_path))


@pytest.mark.parametrize("format", ["tar", "parquet"])
def test_a_bad_sample_is_named_and_leaves_nothing_half_and_once_mended_it_goes_on(tmp_path, fsdd, format):
    folder, out = tmp_path / "recordings", tmp_path / "out"
    folder.mkdir()
    for path in sorted(fsdd.glob("*.wav"))[:90]:
        shutil.copy(path, folder)
    source = FileSource(folder, "*.wav", audio=str)
    bad = source.path(80)
    kept = bad.read_bytes()
    bad.unlink()
    with pytest.raises(SourceNotFound) as caught:
        Packing(source, str(out), format=format, size=200_000).run()
    assert any("sample 80" in note and bad.name in note for note in caught.value.__notes__)
    finished = [shard["name"] for shard in json.loads((out / "dataload-pack.json").read_text())["shards"]]
    assert finished
    assert sorted(path.name for path in out.iterdir()) == ["dataload-pack.json", *finished]
    bad.write_bytes(kept)
    packed = Packing(source, str(out), format=format, size=200_000).run()
    assert [shard.name for shard in packed.shards[: len(finished)]] == finished
    assert sum(shard.samples for shard in packed.shards) == 90


@pytest.mark.parametrize("format", ["tar", "parquet"])
@pytest.mark.parametrize(
    "samples",
    [
        [{"a": 1}, {"b": 1}],
        [{"a": 1}, {"a": 1, "b": 2}],
        [{"a": 1}] * 70 + [{"a": "text"}],
        [{"a": 1}] * 70 + [{"a": None}, {"a": object()}],
        [{"a": object()}],
        [{"a": (1, 2)}] * 2,
        [{"a": [(1, 2)]}],
        [{"a": {1: 2}}],
        [{"a": np.array([object()])}],
        [{"a": np.ma.masked_array([1, 2], [True, False])}],
        [{"a": "\ud800"}],
    ],
)
def test_what_a_format_cannot_keep_is_an_error_that_names_the_field(tmp_path, format, samples):
    with pytest.raises(ConfigError, match=r"'[ab]'|masked"):
        Packing(samples, str(tmp_path), format=format).run()
    assert not list(tmp_path.glob("*shard*"))


@pytest.mark.parametrize("format", ["tar", "parquet"])
def test_memory_holds_a_part_of_a_shard_at_a_time(tmp_path, format):
    class Large:
        def __len__(self):
            return 40

        def __getitem__(self, index):
            return {"data": np.random.default_rng(index).bytes(500_000)}

    packing = Packing(Large(), str(tmp_path), format=format, size=8_000_000)
    import pyarrow.parquet  # noqa: F401

    tracemalloc.start()
    try:
        packed = packing.run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(packed.shards) == 3
    assert peak < 7_500_000


def test_paths_that_are_packed_as_text_are_told_of(module, recordings, tmp_path, monkeypatch, capsys):
    module("source = [{'path': 'recordings/a.wav', 'name': 'a.wav'}]")
    monkeypatch.chdir(tmp_path)
    assert main(["pack", "mine.py:source", "text"]) == 0
    hint = "field 'path' holds paths, and is packed as text: --file path packs the files"
    assert hint in capsys.readouterr().out
    assert main(["pack", "mine.py:source", "files", "--file", "path"]) == 0
    assert "is packed as text" not in capsys.readouterr().out


def test_files_keep_their_suffixes_and_the_line_reads_all_of_them(tmp_path, recordings):
    source = FileSource(recordings, "*.{wav,flac,ogg}", audio=str)
    packed = Packing(source, str(tmp_path / "out"), size=20_000).run()
    assert packed.lines[-1].endswith(', audio="wav|flac|ogg")')
    found = evaluate(packed.lines)
    assert [found[i]["audio"] for i in range(4)] == [source.path(i).read_bytes() for i in range(4)]
    assert Packing(source, str(tmp_path / "out"), size=20_000).run() == packed
    (recordings / "z.txt").write_text("hello")
    source = FileSource(recordings, ["*.wav", "*.txt"], audio=str, name=lambda path: path.name)
    with pytest.raises(ConfigError, match="--suffix audio=NAME"):
        Packing(source, str(tmp_path / "other")).run()
    packed = Packing(source, str(tmp_path / "other"), suffixes={"audio": "sound"}).run()
    assert evaluate(packed.lines)[3]["audio"] == b"hello"


def test_fields_that_are_named_like_arguments_of_the_source_are_read_under_another_name(tmp_path):
    packed = Packing([{"index": 3, "a b": "x", "tags": WholeList(["a"])}], str(tmp_path)).run()
    assert "# TarSource has an argument index: the field is index_" in packed.lines
    sample = evaluate(packed.lines)[0]
    assert sample == {"index_": 3, "a b": "x", "tags": ["a"]}
    assert type(sample["tags"]) is WholeList


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pack", "nowhere", "out"], "there is no nowhere here"),
        (["pack", "nowhere.py:source", "out"], "there is no file nowhere.py"),
        (["pack", "mine.py:nothing", "out"], "mine.py has no attribute nothing"),
        (["pack", "mine:word", "out"], "mine:word: source is a str"),
        (["pack", "mine:empty", "out"], "the source has no samples"),
        (["pack", "mine:source", "out", "--size", "many"], "'many' is not a number of bytes"),
        (["pack", "mine:source", "out", "--suffix", "flac"], "'flac' is not a field and a suffix"),
        (["pack", "mine:source", "out", "--suffix", "b=flac"], "there is no such field; the fields are a"),
        (["pack", "mine:source", "out", "--suffix", "a=x", "--format", "parquet"], "--suffix is for tar files"),
        (["pack", "mine:source", "out", "--file", "b"], "there is no such field; the fields are a"),
        (["pack", "mine:source", "out", "--file", "a"], "holds a int, not the path"),
        (["pack", "mine:source", "out", "--name", "a/b"], "a name is letters"),
        (["pack", "mine:source", "out", "--format", "zip"], "invalid choice"),
        (["pack", "x-*.tar", "out"], "x-*.tar"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(tmp_path, module, monkeypatch, capsys, arguments, message):
    module("source = [{'a': 1}]\nword = 'x'\nempty = []")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # Of another test in this process.
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    try:
        code = main(arguments)
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("500MB", 5 * 10**8), ("1GiB", 2**30), ("1.5 kB", 1500), ("2tb", 2 * 10**12)]
)
def test_sizes_are_read_with_their_units(text, size):
    assert byte_size(text) == size
