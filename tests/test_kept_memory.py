"""What a program keeps of its batches is what stays in memory."""

import gc
from pathlib import Path

import numpy as np
import pytest
from programs import worker_processes

from dataload import Loader

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.slow]
KINDS = pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2), ("auto", 2)])
# A batch holds 2 MB beside its labels; 150 of them are far above the bound, free blocks and slots below it.
WIDTH, SAMPLES, BATCH = 62_500, 1200, 8
BOUND = 160 << 20


def sample(index):
    return {
        "audio": np.full(WIDTH, index, np.float32),
        "label": index,
        "name": np.int32(index),
        "score": np.ones(3, "f4"),
    }


def label_first(index):
    made = sample(index)
    return {"label": made.pop("label"), **made}


def held() -> int:
    """Bytes of this process's own memory, and of the segments of workers that it has mapped."""
    gc.collect()
    total = 0
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Dirty:", "Swap:")):
            total += int(line.split()[1]) * 1024
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "dataload-" in line:
            start, stop = (int(part, 16) for part in line.split()[0].split("-"))
            total += stop - start
    return total


def loader(worker, num_workers, transform=sample):
    return Loader(range(SAMPLES), transforms=transform, batch_size=BATCH, num_workers=num_workers, worker=worker)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is counted as Linux does")
@KINDS
@pytest.mark.parametrize("transform", [sample, label_first])
def test_labels_that_are_kept_do_not_keep_their_batches(worker, num_workers, transform):
    with loader(worker, num_workers, transform) as batches:
        before = held()
        kept = [(batch["label"], batch["name"], batch["score"]) for batch in batches]
        assert held() - before < BOUND
        assert np.array_equal(np.concatenate([label for label, *_ in kept]), np.arange(SAMPLES))
        assert all((score == 1).all() for *_, score in kept)
    assert len(kept) == SAMPLES // BATCH


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is counted as Linux does")
@KINDS
def test_a_view_of_one_row_keeps_its_batch_and_a_copy_does_not(worker, num_workers):
    with loader(worker, num_workers) as batches:
        before = held()
        rows = [batch["audio"][0] for batch in batches]
        grown = held() - before
        # Some of it may be memory that was free before.
        assert grown > BOUND / 2, "a row is a view: the memory of its batch stays"
        assert all((row == i * BATCH).all() for i, row in enumerate(rows))
        del rows
        before = held()
        copies = [batch["audio"][0].copy() for batch in batches]
        assert held() - before < BOUND
        assert len(copies) == SAMPLES // BATCH


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 2), ("process", 2)])
def test_workers_hold_no_more_than_their_free_blocks(worker, num_workers):
    before = len(worker_processes())
    with loader(worker, num_workers) as batches:
        kept = [batch["label"] for batch in batches]
        assert len(worker_processes()) - before == (2 if worker == "process" else 0)
        if worker == "process":
            slots = [len(each.slots._memories) for each in batches.crew.workers._workers]
            assert max(slots) < 20, slots
        else:
            assert batches.crew.workers._memory.made < 20
    assert len(kept) == SAMPLES // BATCH
