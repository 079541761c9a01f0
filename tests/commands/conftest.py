"""Runs of the command line, and what to run it on."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands.runs import command


@pytest.fixture
def dataload(tmp_path):
    """Runs `dataload` with these arguments in tmp_path and returns the finished process."""

    def run(*arguments, without=()):
        return subprocess.run(
            command(*arguments, without=without), cwd=tmp_path, capture_output=True, text=True, timeout=200
        )

    return run


@pytest.fixture
def recordings(tmp_path):
    """A folder with six short files of three formats, two of them in a folder below it."""
    folder = tmp_path / "recordings"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, name in enumerate(("a.wav", "b.flac", "c.ogg", "more/d.wav", "more/e.FLAC", "f.wav")):
        soundfile.write(folder / name, rng.normal(0, 0.1, 4000 + 500 * i), 8000)
    (folder / "notes.txt").write_text("not audio")
    return folder


@pytest.fixture
def module(tmp_path):
    """Writes a Python module into tmp_path."""

    def write(source: str, name: str = "mine") -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        return path

    return write
