import io
import json
import sys

import numpy as np
import pytest
import soundfile

from dataload import FileSource
from dataload.commands import main
from dataload.shards.pack import Packing

# Real processes and whole shards: `make check` does without.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No index is kept in the cache folder of who runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def info(capsys, *arguments):
    code = main(["info", *map(str, arguments)])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return printed.out


def field(found, name):
    (one,) = [one for one in found["fields"] if one["name"] == name]
    return one


@pytest.fixture(params=["folder", "tar", "parquet"])
def speech(request, fsdd, tmp_path):
    """300 recordings as files, in tar files, and in tables; and what the field of their sound is called there."""
    if request.param == "folder":
        return fsdd, "audio"
    source = FileSource(fsdd, "*.wav", audio=str, label=lambda path: int(path.stem[0]))
    Packing(source, str(tmp_path / "out"), format=request.param, size=400_000).run()
    return tmp_path / "out", "wav" if request.param == "tar" else "audio"


def test_sizes_and_lengths_are_those_of_the_recordings(speech, fsdd, capsys):
    target, name = speech
    found = json.loads(info(capsys, target, "--json", "--samples", 1000))
    assert found["samples"] == found["looked_at"] == 300
    sound = field(found, name)
    sizes = [path.stat().st_size for path in fsdd.glob("*.wav")]
    lengths = [soundfile.info(path).duration for path in fsdd.glob("*.wav")]
    assert sound["bytes"] == {"min": min(sizes), "median": np.median(sizes), "max": max(sizes)}
    assert sound["seconds"] == {"min": min(lengths), "median": np.median(lengths), "max": max(lengths)}
    assert sound["mean_seconds"] == pytest.approx(np.mean(lengths))
    assert sound["errors"] == 0


def test_what_is_printed_names_samples_fields_and_the_first_samples(fsdd, capsys):
    printed = info(capsys, fsdd, "--samples", 10)
    assert "300 samples; figures are of 10, spread evenly (--samples)" in printed
    assert "seconds: min" in printed and "file .wav" in printed
    assert "field 'audio': about " in printed and " of sound in all" in printed
    assert "0_george_0.wav" in printed


def test_values_of_python_are_told_by_kind_dtype_and_shape(module, tmp_path, monkeypatch, capsys):
    module("""
import numpy as np
from dataload import Loader

image = [np.zeros((3, 4 + i), np.uint8) for i in range(5)]
loader = Loader([{"image": image[i], "n": i, "text": "é" * i, "x": np.float32(0)} for i in range(5)])
""")
    monkeypatch.chdir(tmp_path)
    found = json.loads(info(capsys, "mine.py:loader", "--json"))
    assert field(found, "image")["kinds"] == ["array uint8"]
    assert field(found, "image")["shapes"] == [[3, 3], [4, 8]]
    assert field(found, "image")["bytes"] == {"min": 12, "median": 18, "max": 24}
    assert field(found, "n")["kinds"] == ["number int64"]
    assert field(found, "x")["kinds"] == ["number float32"]
    assert field(found, "text")["bytes"]["max"] == 8
    assert "(3, 4..8)" in info(capsys, "mine.py:loader")
    assert found["first"][1]["n"] == "1"


def test_a_field_that_some_samples_lack_and_a_recording_that_is_damaged_are_told(module, tmp_path, monkeypatch, capsys):
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(800), 8000, format="WAV")
    (tmp_path / "sound.bin").write_bytes(sound.getvalue())
    module("""
from pathlib import Path
sound = Path("sound.bin").read_bytes()
source = [{"a": sound}, {"a": sound, "b": None}, {"a": sound[:60]}]
""")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # Of another test in this process.
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    printed = info(capsys, "mine:source")
    assert "field 'b': in 1 of 3 samples" in printed
    assert "field 'a': 1 of 3 cannot be read, the first: " in printed


def test_samples_that_are_no_dicts_are_told(module, tmp_path, monkeypatch, capsys):
    module("import numpy as np\narrays = np.zeros((4, 2))\nempty = []\npairs = [(1, 'x')] * 3")
    monkeypatch.chdir(tmp_path)
    assert "(the sample)  array float64" in info(capsys, "mine.py:arrays")
    assert "0 samples" in info(capsys, "mine.py:empty")
    assert [one["name"] for one in json.loads(info(capsys, "mine.py:pairs", "--json"))["fields"]] == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no nowhere here"),
        (["nowhere.parquet"], "nowhere.parquet"),
        (["empty"], "empty/ holds no audio files"),
        (["mine.py:nothing"], "mine.py has no attribute nothing"),
        (["mine.py:number"], "mine.py:number: source is a int"),
        (["mine.py:Source"], "mine.py:Source"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(tmp_path, module, monkeypatch, capsys, arguments, message):
    module("number = 3\nclass Source:\n    pass")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["info", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


def test_a_plot_without_matplotlib_fails_at_once_and_names_the_extra(dataload, recordings):
    done = dataload("info", recordings, "--plot", "out.png", without=["matplotlib"])
    assert done.returncode == 1
    assert 'pip install "dataload[bench]"' in done.stderr
    assert done.stdout == ""
