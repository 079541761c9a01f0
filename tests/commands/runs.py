"""How the tests run the command line: in a process of its own, with or without optional packages."""

import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

# Runs the command line where the packages named first cannot be imported, as if they were not installed.
WITHOUT = """
import sys

class Refuse:
    names = set({names!r})
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
from dataload.commands import main
sys.exit(main(sys.argv[1:]))
"""

QUICK = ("--rounds", "1", "--seconds", "0.05")


def command(*arguments, without=()):
    program = ["-c", WITHOUT.format(names=tuple(without))] if without else ["-m", "dataload"]
    return [sys.executable, *program, *map(str, arguments)]


def at_a_terminal(*arguments, folder, without=()):
    """Run the command line at a pseudo-terminal; return what it showed."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments, without=without),
        cwd=folder,
        stdout=theirs,
        stderr=subprocess.STDOUT,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # how Linux reports that the other side is closed
        pass
    finally:
        os.close(ours)
    text = shown.decode()
    assert process.wait(timeout=60) == 0, text
    return text


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
