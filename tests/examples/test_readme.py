"""Every code block of the README runs, and its output is what the README says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, fsdd):
    """A working directory with a folder `recordings`: the real speech."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "recordings").symlink_to(fsdd)
    return folder


def run(command, folder):
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def blocks(kind):
    return [text for name, text in BLOCKS if name == kind]


def test_the_readme_is_short_and_every_kind_of_block_in_it_is_known():
    assert README.count("\n") <= 240
    assert {kind for kind, _ in BLOCKS} <= {"sh", "python", "text"}


def test_the_quickstart_prints_what_the_readme_says(folder):
    assert run([sys.executable, "-c", blocks("python")[0]], folder) == blocks("text")[0]


@pytest.mark.parametrize("number", [1, 2, 3], ids=["torch", "keras", "faults"])
def test_the_other_blocks_run_behind_the_quickstart(number, folder):
    run([sys.executable, "-c", blocks("python")[0] + blocks("python")[number]], folder)


def test_there_are_no_other_python_blocks():
    assert len(blocks("python")) == 4


def test_the_commands_exist(folder):
    (folder / "train.py").write_text(blocks("python")[0].split("print(loader)")[0])
    dataload = shutil.which("dataload", path=str(Path(sys.executable).parent))
    assert dataload
    for line in filter(None, "\n".join(blocks("sh")).splitlines()):
        if line.startswith("make"):
            run([*line.split(), "--dry-run"], ROOT)
        else:
            quick = ["--seconds", "0.2", "--rounds", "1"] if line.startswith("dataload bench") else []
            shown = run([dataload, *line.split()[1:], *quick], folder)
            assert quick or "TarSource(" in shown


def test_every_test_that_the_readme_names_is_there():
    for path in re.findall(r"`(tests/[^`]*)`", README):
        assert (ROOT / path).exists(), path
