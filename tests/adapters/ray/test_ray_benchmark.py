"""`python -m benchmarks ray` compares the kinds on small data and prints a table."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_compares_both_kinds(tmp_path):
    # A program of its own: this one may have joined the cluster of the tests, which has no CPUs.
    command = ["ray", "--quick", "--workers", "1", "--rounds", "1", "--seconds", "0.2", "--goals", "--data"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "main-thread ms/batch" in done.stdout and "ray >= 0.85 x process on speech" in done.stdout
