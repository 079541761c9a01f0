"""A `Cache` under several programs at once, and under programs that are killed while they write to it."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cached_chains import Scaled, epochs, same

from dataload import Cache, Loader

RANK = f"import sys; sys.path[:0] = {sys.path!r}; import test_cache_shared as t; t.run_rank(*sys.argv[1:])"
# A sample that one rank is at when another one looks for it is computed twice: those of some batches at an epoch's end.
ROWS, SIZE = 3_000, 500


def source():
    return [{"x": np.full(SIZE, n, np.float64), "n": n} for n in range(ROWS)]


def run_rank(folder, rank, world, count):
    """Print, for some epochs of one rank, whether its batches are right and how many results were computed."""
    chain = {"x": [Scaled(2.0), Cache(folder, "100MB")]}
    made, right = 0, True
    shard = (int(rank), int(world))
    with Loader(source(), transforms=chain, batch_size=8, shuffle=True, seed=1, shard=shard) as loader:
        print("ready", flush=True)
        for _ in range(int(count)):
            for batch in loader:
                right &= bool((batch["x"] == 2.0 * batch["n"][:, None]).all())
            made += loader.stats.samples - loader.stats.from_cache
    print(json.dumps([right, made]), flush=True)


def start(folder, rank=0, world=1, count=1):
    command = [sys.executable, "-c", RANK, str(folder), str(rank), str(world), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent)


def test_four_ranks_at_once_compute_hardly_anything_twice(tmp_path):
    ranks = [start(tmp_path, rank, 4, 3) for rank in range(4)]
    said = [json.loads(rank.communicate(timeout=120)[0].splitlines()[-1]) for rank in ranks]
    assert all(right for right, _ in said)
    assert ROWS <= sum(made for _, made in said) <= 1.01 * ROWS


@pytest.mark.slow
def test_programs_killed_while_they_write_leave_it_whole(tmp_path, budget):
    for number in range(4 * budget):
        folder = tmp_path / str(number % 2)
        process = start(folder)
        assert process.stdout.readline() == "ready\n"
        time.sleep(random.Random(number).uniform(0.0, 0.4))
        process.kill()
        process.communicate()
    for folder in tmp_path.iterdir():
        chain = [Scaled(2.0), Cache(str(folder), "100MB")]
        expected, _ = epochs({"x": chain[:1]}, 2, source())
        got, stats = epochs({"x": chain}, 2, source())
        assert same(got, expected) and stats.from_cache == ROWS
