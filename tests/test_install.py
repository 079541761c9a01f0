"""What a user installs: the wheel, in a clean environment, away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from imports import modules

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow

# No main guard, a lambda, process workers: as a user would write it in a script.
QUICKSTART = """
import numpy as np, soundfile, sys
from pathlib import Path

Path("recordings").mkdir()
for i in range(64):
    soundfile.write(f"recordings/{i % 10}_x_{i}.wav", np.random.default_rng(i).normal(0, 0.1, 2000 + 50 * i), 8000)

from dataload import FileSource, Loader
from dataload.transforms import DecodeAudio, LogMel

loader = Loader(
    FileSource("recordings", "*.wav", audio=str, label=lambda path: int(path.stem[0])),
    transforms={"audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=40)]},
    batch_size=32, shuffle=True, seed=0, num_workers=2, worker=sys.argv[1],
)
print(loader)
for batch in loader:
    print(batch["audio"].shape[::2], batch["audio"].dtype, batch["audio_lengths"].shape, batch["label"].dtype)
state = loader.state_dict()
print(state["epoch"], state["samples"])
import dataload
print(dataload.__file__)
"""


def run(*command, **options):
    # What PYTHONPATH names would be found before what is installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=240, env=environment, **options
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return wheel, sdist


def test_the_wheel_holds_each_package_once_under_its_full_name(built):
    names = zipfile.ZipFile(built[0]).namelist()
    assert len(names) == len(set(names))
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"dataload"}
    for name in (
        "loader.py",
        "py.typed",
        "transforms/__init__.py",
        "adapters/torch/dataloader.py",
        "commands/__init__.py",
    ):
        assert f"dataload/{name}" in names
    # What the tests of layers look at is what is in the wheel.
    found = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names if ".py" in name}
    assert found - {"dataload.py.typed"} == {name for name in modules() if name.split(".")[0] == "dataload"}


@pytest.mark.timeout(600)
def test_the_wheel_runs_the_quickstart_in_a_clean_environment(built, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", ROOT / "constraints.txt", built[0])
    for kind in ("process", "thread"):
        work = tmp_path / kind
        work.mkdir()
        (work / "quickstart.py").write_text(QUICKSTART)
        lines = run(python, "quickstart.py", kind, cwd=work).splitlines()
        assert lines[0] == f"Loader(64 samples -> 2 batches of 32, 2 {kind} workers, epoch 0, batch 0)"
        assert lines[1:4] == ["(32, 40) float32 (32,) int64"] * 2 + ["1 0"]
        assert str(tmp_path) in lines[4]
    assert "usage" in run(tmp_path / "env" / "bin" / "dataload", "--help", cwd=tmp_path)


@pytest.mark.timeout(600)
def test_the_sdist_builds_the_same_wheel(built, tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, built[1])
    (wheel,) = tmp_path.glob("*.whl")
    assert sorted(zipfile.ZipFile(wheel).namelist()) == sorted(zipfile.ZipFile(built[0]).namelist())
