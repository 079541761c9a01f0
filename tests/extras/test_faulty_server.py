"""A web server that is busy, resets, cuts answers short and falls silent: no sample is lost, repeated or wrong."""

import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest

from dataload import FileSource, Loader
from dataload.errors import StorageError
from dataload.measuring.server import running_server

pytestmark = pytest.mark.timeout(280)
FILES = 400
FAULTS = "--faults=unavailable=0.02,reset=0.01,cut=0.01,stall=0.005"


def number_and_digest(path):
    data = path.read_bytes()
    return np.array([int(path.stem), int(hashlib.blake2b(data, digest_size=7).hexdigest(), 16)])


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    root = tmp_path_factory.mktemp("objects")
    rng = np.random.default_rng(0)
    for number in range(FILES):
        (root / f"{number:05}.bin").write_bytes(rng.bytes(int(rng.integers(0, 40_000))))
    return root


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"num_workers": 2, "worker": "thread"}, {"num_workers": 2, "worker": "process"}])
def test_reads_from_a_server_that_fails_lose_repeat_and_change_nothing(objects, options, budget):
    names = [f"{number:05}.bin" for number in range(FILES)]
    epochs = 4 * budget
    begin = time.monotonic()
    expected = [number_and_digest(objects / name)[1] for name in names]
    with running_server(objects, FAULTS, "--seed=1") as server:
        source = FileSource(server.url, names=names, x=number_and_digest, storage_options={"timeout": 0.5})
        with Loader(source, batch_size=16, shuffle=True, **options) as loader:
            retries = 0
            for _ in range(epochs):
                rows = np.concatenate([batch["x"] for batch in loader])
                assert sorted(rows[:, 0].tolist()) == list(range(FILES))
                assert [expected[number] for number in rows[:, 0]] == rows[:, 1].tolist()
                retries += loader.stats.retries
        seen = server.statistics()
    struck = sum(seen.get(fault, 0) for fault in ("unavailable", "reset", "cut", "stall"))
    # Shown by -rP: the figures of a long run.
    minutes = (time.monotonic() - begin) / 60
    print(f"{epochs * FILES} reads, all of them right, {retries} retries, {minutes:.1f} minutes; the server: {seen}")
    assert retries >= struck * 0.9 and struck > epochs * FILES * 0.02


def test_a_server_that_only_fails_is_an_error_that_says_how_often_it_was_asked(objects):
    with running_server(objects, "--faults=unavailable=1") as server:
        source = FileSource(server.url, names=["00000.bin"], x=number_and_digest, storage_options={"max_retries": 1})
        with pytest.raises(StorageError, match=r"00000\.bin: cannot be read, tried 2 times: .*503"):
            source[0]


def test_a_server_that_falls_silent_is_not_waited_for_for_ever(objects):
    with running_server(objects, "--faults=stall=1") as server:
        options = {"max_retries": 1, "timeout": 0.3}
        source = FileSource(server.url, names=["00001.bin"], x=number_and_digest, storage_options=options)
        with pytest.raises(StorageError, match=r"00001\.bin: cannot be read, tried 2 times"):
            source[0]


def test_a_program_ends_while_reads_hang(objects):
    with running_server(objects, "--faults=stall=1") as server:
        program = (
            "import threading, time\n"
            "from dataload.storage.base import Range\n"
            "from dataload.storage.places import place\n"
            f"store = place({server.url!r}, {{'timeout': 100}}).store\n"
            "ranges = [Range(f'{i:05}.bin', 0, 10) for i in range(9)]\n"
            "threading.Thread(target=store.read_many, args=[ranges], daemon=True).start()\n"
            "time.sleep(1)\n"
        )
        subprocess.run([sys.executable, "-c", program], timeout=30, check=True)
