"""Damaged files: always an error of ours that names the file; never a crash, a hang, or memory out of proportion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults import fuzzing
from faults.scripts import path_with

from dataload import FileSource, Loader
from dataload.transforms import DecodeAudio

# The first inputs of each kind are the file cut off at every length, those behind it are damaged otherwise.
DAMAGED = 600
# Of shards, which are longer than that, only the last cuts: tests/shards cuts them elsewhere.
CUTS_OF_SHARDS = 300
TESTS = str(Path(__file__).resolve().parents[1])


@pytest.mark.parametrize("kind", [*fuzzing.AUDIO, *fuzzing.TABLES, *fuzzing.SHARDS])
def test_damaged_files_are_errors_that_name_the_file(kind, budget, tmp_path):
    length = len(fuzzing.make(kind, tmp_path))
    first = max(0, length - CUTS_OF_SHARDS) if kind in fuzzing.SHARDS else 0
    count = length - first + DAMAGED * budget
    command = [sys.executable, "-m", "faults.fuzzing", kind, str(first), str(count), str(tmp_path)]
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": path_with(TESTS),
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    at = (tmp_path / f"current-{kind}").read_text()
    assert done.returncode == 0, f"input {at} of {kind} ended the interpreter: {done.stderr[-2000:]}"
    problems = [json.loads(line) for line in done.stdout.splitlines()]
    assert not problems, f"{len(problems)} of {count}, the first: {problems[:3]}"
    assert at == str(first + count - 1)
    print(f"{count} damaged files of {kind}, each an error that names it, or read")


def test_a_loader_leaves_damaged_files_out_and_delivers_the_others(tmp_path):
    for number in range(40):
        kind = list(fuzzing.AUDIO)[number % 4]
        data = fuzzing.make(kind, tmp_path)
        bad = number % 3 == 0
        (tmp_path / f"{number:02d}-{kind}").write_bytes(data[: len(data) // 2] if bad else data)
    source = FileSource(tmp_path, "[0-9]*", audio=str, number=lambda path: int(path.name[:2]))
    loader = Loader(
        source, transforms={"audio": DecodeAudio(8_000)}, batch_size=4, num_workers=2, worker="process",
        on_error="skip",
    )  # fmt: skip
    with loader:
        numbers = [int(number) for batch in loader for number in batch["number"]]
        assert numbers == [number for number in range(40) if number % 3]
        assert [int(Path(bad.sample.split("(")[1].rstrip(")")).name[:2]) for bad in loader.stats.errors] == [
            *range(0, 40, 3)
        ]
