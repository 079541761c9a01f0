"""`python -m benchmarks cache` and `auto` print a row for each kind of worker, and for each work."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import cache

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_kept_features_are_compared_with_computed_and_mapped_ones(tmp_path, capsys):
    cache.main(["--quick", "--rounds", "1", "--goals", "--data", str(tmp_path)])
    said = capsys.readouterr().out
    assert "from the cache >= 8 x without" in said and "memory map" in said
    assert all(f"\n{name} " in said for name in ("none", "2 thread", "2 process"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["none", "auto"])
def test_one_program_says_its_seconds(kind, tmp_path):
    command = [sys.executable, "-m", "benchmarks", "auto", "--one", "images", kind, "--data", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert float(done.stdout) > 0
