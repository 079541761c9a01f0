import json
import os

import pytest
from commands.runs import QUICK, at_a_terminal

from dataload.commands import main
from dataload.commands.target import open_target

pytestmark = pytest.mark.slow

LOADERS = """
import numpy as np
from dataload import Loader

loader = Loader(list(np.arange(40)), transforms=lambda value: value * 2, batch_size=8)

class Setup:
    loader = loader

def make_loader():
    return Loader(list(np.arange(20)), batch_size=5)
"""


def test_bench_on_a_folder_prints_a_table_and_the_setting_to_use(dataload, recordings):
    done = dataload("bench", recordings, "--workers", "0,1", "--batch-size", "2", *QUICK)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Loader(6 samples -> 3 batches of 2")
    assert "worker   num_workers  samples/s  speed-up  first batch" in lines
    assert [line.split()[:2] for line in lines if line.endswith(" ms")] == [
        ["none", "0"],
        ["thread", "1"],
        ["process", "1"],
    ]
    assert any(line.startswith("use num_workers=") for line in lines)
    assert "numpy" in done.stdout


@pytest.mark.parametrize("target", ["mine:loader", "mine:make_loader", "mine:Setup.loader"])
def test_bench_on_a_loader_or_a_function_that_returns_one(dataload, module, target):
    module(LOADERS)
    done = dataload("bench", target, "--workers", "1", "--worker", "process", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "use num_workers=" in done.stdout


def test_the_batch_size_of_a_loader_can_be_set(dataload, module):
    module(LOADERS)
    done = dataload("bench", "mine:loader", "--workers", "0", "--batch-size", "20", *QUICK)
    assert done.stdout.startswith("Loader(40 samples -> 2 batches of 20"), done.stderr


def test_json_holds_machine_versions_rows_and_advice(recordings, tmp_path, capsys):
    path = tmp_path / "results" / "bench.json"
    assert main(["bench", str(recordings), "--workers", "0,2", "--worker", "thread", "--json", str(path), *QUICK]) == 0
    content = json.loads(path.read_text())
    assert [(row["worker"], row["num_workers"]) for row in content["rows"]] == [(None, 0), ("thread", 2)]
    base, two = content["rows"]
    assert base["speed_up"] == 1
    assert two["speed_up"] == pytest.approx(two["samples_per_second"] / base["samples_per_second"])
    assert all(len(row["rounds"]) == 1 and row["first_batch_seconds"] > 0 for row in content["rows"])
    assert content["subject"] == str(recordings)
    assert set(content["versions"]) == {"dataload", "numpy", "python"}
    assert content["machine"]["cores"] >= 1
    assert content["advice"]["num_workers"] in (0, 2)
    assert str(path) in capsys.readouterr().out


def test_a_folder_is_searched_with_the_folders_in_it_and_resampled(recordings):
    with open_target(str(recordings), batch_size=None, sample_rate=8_000) as loader:
        (batch,) = loader
    with open_target(str(recordings), batch_size=6, sample_rate=16_000) as loader:
        (resampled,) = loader
    assert batch["audio"].shape[0] == 6
    assert sorted(batch["audio_lengths"]) != [batch["audio_lengths"][0]] * 6
    # The files hold nothing above 4 kHz: at 16 kHz that is half of the bands, at 8 kHz there are no such bands.
    assert resampled["audio"][:, 5, -1].max() < batch["audio"][:, 5, -1].min() - 3


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_at_a_terminal_without_rich_plain_text_is_drawn(recordings, tmp_path):
    text = at_a_terminal("bench", recordings, "--workers", "0,1", *QUICK, folder=tmp_path, without=["rich"])
    assert "########################" in text
    assert "samples/s" in text
    assert "use num_workers=" in text
