"""`python -m benchmarks features`: its tables, and that its systems compute the same things."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.features import EVERY_ROW, GOALS, OURS, ROWS, SYSTEMS
from benchmarks.features.command import make_sounds
from benchmarks.features.timing import fast_extra, seconds_per_call
from dataload.measuring import race

ROOT = Path(__file__).resolve().parents[2]
OTHERS = sorted(set(SYSTEMS.values()) - {"ours"})
# Of the frames and bins; Kaldi's own conventions give three frames fewer.
SHAPES = {
    "spectrogram": (1001, 201),
    "mel": (1001, 80),
    "log_mel": (1001, 80),
    "log_mel_librosa": (431, 128),
    "log_mel_kaldi": (998, 80),
    "log_mel_tf": (622, 80),
    "log_mel_whisper": (1000, 80),
    "mfcc": (1001, 13),
    "mfcc_kaldi": (998, 13),
    "mfcc_tf": (622, 13),
}


def test_every_row_is_done_by_us_and_by_somebody_else():
    ours = importlib.import_module("benchmarks.features.ours")
    texts = {name: (ROOT / "benchmarks" / "features" / f"{name}.py").read_text() for name in OTHERS}
    for row in ROWS:
        assert row.name in ours.CALLS
        assert any(f'"{row.name}": ' in text for text in texts.values()), row.name


def test_every_goal_is_about_a_row_and_systems_that_there_are():
    for goal in GOALS:
        assert goal.ours and set(goal.ours) <= set(OURS)
        assert goal.where in {EVERY_ROW, *(row.name for row in ROWS)} and set(goal.theirs) <= set(SYSTEMS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["librosa", "torch", "kaldi", "tfsignal"])
def test_other_packages_compute_what_we_do(name):
    pytest.importorskip({"kaldi": "kaldi_native_fbank", "tfsignal": "tensorflow"}.get(name, name))
    module, ours = (importlib.import_module(f"benchmarks.features.{which}") for which in (name, "ours"))
    sounds = make_sounds()
    compared = 0
    for row in ROWS:
        if row.name not in SHAPES or row.name not in module.CALLS:
            continue
        if row.name != "log_mel_tf" and name == "tfsignal":
            continue  # frames of its own, that are not centred
        if row.name == "log_mel" and name == "kaldi":
            continue
        a, b = (np.asarray(which.CALLS[row.name](sounds[row.sound])()) for which in (ours, module))
        b = b if b.shape == a.shape else b.T
        assert a.shape == b.shape == SHAPES[row.name]
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max(), err_msg=row.name)
        compared += 1
    assert compared


def test_the_extra_is_on_inside_and_as_before_outside(monkeypatch):
    from dataload.transforms import fast

    monkeypatch.delenv(fast.SWITCH, raising=False)
    with fast_extra(False):
        assert fast.packages() == []
    with fast_extra(True):
        assert "numba" in fast.packages()
    assert fast.SWITCH not in __import__("os").environ


def test_a_call_is_timed_by_its_median():
    calls = {"one": lambda: sum(range(100)), "ten": lambda: sum(range(10_000))}
    times = race(list(calls), lambda name, number: seconds_per_call(calls[name], 0.002), rounds=3)
    assert len(times["one"]) == len(times["ten"]) == 3
    assert min(times["one"] + times["ten"]) > 0


def test_the_command_prints_and_writes_the_table_and_prints_goals_alone(tmp_path):
    out = tmp_path / "docs" / "features.md"
    arguments = [
        "features",
        "log_mel",
        "energy",
        "--rounds",
        "1",
        "--seconds",
        "0.01",
        "--out",
        str(out),
        "--note",
        "a test",
        "--goals",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert run.returncode == 0, run.stdout + run.stderr
    written = out.read_text()
    for text in (run.stdout, written):
        assert "log-mel, 400/160/80" in text and "dataload +fast" in text and "torch.stft" in text
        assert "a test" in text
    assert "log_mel: dataload over torch.stft" in run.stdout and "goal" not in written.replace("--goals", "")
    assert "python -m benchmarks features log_mel energy" in written and "| energy of frames" in written


def test_a_wrong_name_is_refused_with_the_right_ones():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "features", "logmel"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 2 and "'logmel' is none of spectrogram" in run.stderr
