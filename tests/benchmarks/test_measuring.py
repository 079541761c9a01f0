"""What is measured, as far as it does not depend on the speed of the machine."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.measure import measure
from benchmarks.processes import Peak, cpu_seconds, memory_mb
from benchmarks.workloads import Job

on_linux = pytest.mark.skipif(cpu_seconds() is None, reason="reads /proc")


def job(**options):
    fields = {
        "workload": "table",
        "system": "x",
        "data": "",
        "samples": 80,
        "batch_size": 8,
        "workers": 2,
        "seconds": 0.05,
    }
    return Job(**{**fields, "warm_up": 0.05, "reference": "", **options})


class Stream:
    """Batches for ever; remembers how many were taken and whether it was closed."""

    def __init__(self, job):
        self.taken, self.closed = 0, False

    def __next__(self):
        self.taken += 1
        return np.full((8, 2), self.taken, np.float32)

    def close(self):
        self.closed = True


def run(job, kind=Stream):
    made = []

    def make(job):
        made.append(kind(job))
        return made[0]

    measurement, summaries = measure(make, job)
    return measurement, summaries, made[0]


def test_the_first_batches_are_summed_up_and_the_stream_is_closed():
    measurement, summaries, stream = run(job())
    assert [summary[0]["means"][0] for summary in summaries] == [1.0, 2.0, 3.0]
    assert stream.closed
    assert measurement.samples_per_s > 0 and measurement.batches >= 3
    assert measurement.batches < stream.taken - 3


def test_without_a_window_it_stops_after_the_first_batch():
    measurement, summaries, stream = run(job(seconds=0.0))
    assert stream.taken == 1 and len(summaries) == 1 and stream.closed
    assert measurement.samples_per_s is None and measurement.first_batch_s > 0


def test_a_stream_that_finds_its_own_setting_is_timed_after_that():
    class Settling(Stream):
        def settled(self):
            return self.taken >= 500

        def note(self):
            return f"settled after {self.taken - self.taken % 500}"

    # One batch only as warm-up, and far more patience than 500 batches need.
    measurement, _, stream = run(job(samples=8, warm_up=20.0), Settling)
    assert stream.taken - measurement.batches >= 500 and measurement.note.startswith("settled after")


def test_a_stream_is_closed_when_it_fails():
    class Broken(Stream):
        def __next__(self):
            raise ValueError("no")

    made = []

    def make(job):
        made.append(Broken(job))
        return made[0]

    with pytest.raises(ValueError, match="no"):
        measure(make, job())
    assert made[0].closed


BURN = "import time\nwhile time.process_time() < 0.5: pass\n"


@on_linux
def test_the_cpu_time_of_children_counts_while_they_live_and_after():
    before = cpu_seconds()
    child = subprocess.Popen([sys.executable, "-c", BURN + "print(flush=True); input()"], stdin=-1, stdout=-1)
    child.stdout.readline()
    living = cpu_seconds() - before
    child.communicate(b"\n")
    assert living >= 0.45 and cpu_seconds() - before >= 0.45


@on_linux
def test_the_memory_of_children_counts_and_pages_of_files_do_not(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.ones(5_000_000))
    before = memory_mb()
    array = np.load(path, mmap_mode="r")
    assert array.sum() == 5_000_000 and memory_mb() - before < 20
    code = "x = b'x' * (80 << 20); print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1)
    child.stdout.readline()
    peak = Peak()
    peak.read()
    child.communicate(b"\n")
    assert peak.mb - before >= 80
    peak.read()
    assert peak.mb - before >= 80
