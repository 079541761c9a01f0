"""Packing into TFRecords, which needs google-crc32c, and what TensorFlow makes of them."""

import hashlib
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
from commands.runs import command
from conformance import equal

from dataload import FileSource, Loader
from dataload.commands import main
from dataload.errors import ConfigError
from dataload.shards.pack import Packing
from dataload.transforms import DecodeAudio


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No index is kept in the cache folder of who runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def evaluate(lines):
    """Run the Python that a packing prints, and return what the last line makes."""
    names: dict[str, object] = {}
    exec("\n".join(lines[:-1]), names)
    return eval(lines[-1], names)


def speech_source(fsdd):
    return FileSource(
        fsdd, "*.wav", audio=str, label=lambda path: int(path.stem[0]), speaker=lambda path: path.stem.split("_")[1]
    )


def batches(source):
    return list(Loader(source, transforms={"audio": DecodeAudio(8_000)}, batch_size=7))


def test_the_printed_line_reads_batches_that_are_those_of_the_source_to_the_bit(fsdd, tmp_path):
    packed = Packing(speech_source(fsdd), str(tmp_path / "out"), format="tfrecord", size=400_000).run()
    assert len(packed.shards) > 3 and all(shard.size <= 400_000 for shard in packed.shards)
    assert packed.lines[-1].endswith('audio=("audio", bytes), label=("label", int), speaker=("speaker", str))')
    found, expected = batches(evaluate(packed.lines)), batches(speech_source(fsdd))
    assert len(found) == len(expected) == 43
    assert all(map(equal, found, expected))


def test_values_of_every_kind_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    samples = [
        {
            "text": f"über {i}",
            "a text": "",
            "count": -i,
            "small": np.int8(-i),
            "flag": i % 2 == 0,
            "half": i / 2,
            "single": np.float32(i / 7),
            "f16": np.float16(i / 7),
            "wave": rng.normal(size=i).astype(np.float32),
            "longs": rng.integers(-(2**62), 2**62, i),
            "bools": rng.integers(0, 2, i).astype(bool),
            "image": rng.integers(0, 255, (2 + i, 3, 3), dtype=np.uint8),
            "scalar": np.array(i, np.uint16),
            "numbers": [1.5, 2.5, i + 0.25],
            "ints": [i, -1],
            "tags": [f"{i}", "x"],
            "index": i,
        }
        for i in range(20)
    ]
    packed = Packing(samples, str(tmp_path), format="tfrecord", size=5_000).run()
    assert len(packed.shards) > 1
    source = evaluate(packed.lines)
    for i, sample in enumerate(samples):
        found = source[i]
        found["index"] = found.pop("index_")
        assert equal(*(next(iter(Loader([one], batch_size=1))) for one in (found, sample)))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([{"a": 0.1}], "float64, which a tf.train.Example rounds"),
        ([{"a": np.array([0.5, 0.1])}], "float64, which a tf.train.Example rounds"),
        ([{"a": [0.1]}], "float64, which a tf.train.Example rounds"),
        ([{"a": {"b": 1}}], "field 'a' is a dict"),
        ([{"a": None}], "field 'a' is None"),
        ([{"a": np.zeros(2, complex)}], "field 'a' is an array"),
        ([{"a": np.zeros((2, 0))}], "field 'a' is an array"),
        ([{"a": 1}, {"a": 1.5}], "the first sample has number int64"),
        ([{"a": np.zeros((2, 3))}, {"a": np.zeros((2, 4))}], "alike but for their first axis"),
        ([{"a": 2**63}], "'a'"),
    ],
)
def test_what_an_example_cannot_keep_is_an_error_that_names_the_field(tmp_path, samples, message):
    with pytest.raises(ConfigError) as caught:
        Packing(samples, str(tmp_path), format="tfrecord").run()
    assert message in str(caught.value)
    assert not list(tmp_path.glob("*shard*"))


@pytest.mark.slow
def test_tensorflow_reads_what_was_packed(fsdd, tmp_path):
    import tensorflow as tf

    packed = Packing(speech_source(fsdd), str(tmp_path), format="tfrecord").run()
    records = tf.data.TFRecordDataset([str(tmp_path / packed.shards[0].name)])
    features = {name: tf.io.FixedLenFeature([], kind) for name, kind in (("audio", tf.string), ("label", tf.int64))}
    found = [tf.io.parse_single_example(record, features) for record in records]
    source = speech_source(fsdd)
    assert [int(one["label"]) for one in found] == [source[i]["label"] for i in range(300)]
    assert all(one["audio"].numpy() == source.path(i).read_bytes() for i, one in enumerate(found))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a process is sent signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_and_makes_the_same_bytes(tmp_path, dataload, number):
    (tmp_path / "mine.py").write_text("""
import time

class Slow:
    def __len__(self):
        return 200
    def __getitem__(self, index):
        time.sleep(0.01)
        return {"data": bytes([index % 251]) * 900, "number": index}

source = Slow()
""")
    out = tmp_path / "out"
    arguments = ("pack", "mine:source", "out", "--size", "20kB", "--format", "tfrecord")
    process = subprocess.Popen(command(*arguments), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(out.glob("shard-000001.*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert dataload(*arguments).returncode == 0
    assert dataload("pack", "mine:source", "whole", *arguments[3:]).returncode == 0
    digests = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        for folder in (out, tmp_path / "whole")
    ]
    assert len(digests[0]) > 9 and digests[0] == digests[1]


def test_index_and_info_tell_of_tfrecords(fsdd, tmp_path, capsys):
    Packing(speech_source(fsdd), str(tmp_path / "out"), format="tfrecord", size=400_000).run()
    assert main(["index", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("300 samples in ") and printed[1] == "fields: audio, label, speaker"
    assert (tmp_path / "out" / "dataload-index.arrow").exists()
    assert main(["info", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["samples"] == 300
    kinds = {field["name"]: field["kinds"] for field in found["fields"]}
    assert kinds == {"audio": ["sound"], "label": ["number int64"], "speaker": ["bytes"]}


def test_without_google_crc32c_the_extra_is_named(dataload, tmp_path):
    (tmp_path / "mine.py").write_text("source = [{'a': 1}]")
    done = dataload("pack", "mine:source", "out", "--format", "tfrecord", without=["google_crc32c"])
    assert done.returncode == 1
    assert "pip install" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
