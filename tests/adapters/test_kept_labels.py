"""Labels that an evaluation loop keeps do not keep their batches, through the adapters too."""

import gc
import weakref

import numpy as np
import pytest
import torch

from dataload import Loader
from dataload.adapters.torch import to_dataloader

WIDTH, SAMPLES, BATCH = 62_500, 400, 8


def sample(index):
    return {"audio": np.full(WIDTH, index, np.float32), "label": index}


def slots_and_blocks(workers) -> int:
    """How many blocks of 2 MB and more workers hold for this process."""
    remote = getattr(workers, "_workers", None)
    if remote is not None:
        return sum(len(worker.slots._memories) for worker in remote)
    return workers._memory.made


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])
def test_labels_kept_of_a_data_loader_do_not_keep_the_batches(worker, num_workers, leaves_nothing):
    loader = Loader(range(SAMPLES), transforms=sample, batch_size=BATCH, num_workers=num_workers, worker=worker)
    with loader:
        batches = to_dataloader(loader)
        labels = [batch["label"] for batch in batches]
        assert torch.equal(torch.cat(labels), torch.arange(SAMPLES))
        # 50 batches went by; a handful of blocks served them.
        assert slots_and_blocks(loader.crew.workers) < 30
        labels.clear()
        rows = [batch["audio"][0] for batch in batches]
        assert slots_and_blocks(loader.crew.workers) >= SAMPLES // BATCH, "a row is a view: it keeps its batch"
        assert all((row == i * BATCH).all() for i, row in enumerate(rows))


def test_a_batch_is_gone_when_its_label_is_all_that_is_kept(leaves_nothing):
    loader = Loader(range(64), transforms=sample, batch_size=BATCH, num_workers=2, worker="thread")
    with loader:
        gone, labels = [], []
        for batch in to_dataloader(loader):
            gone.append(weakref.ref(batch["audio"]))
            labels.append(batch["label"])
        del batch
        gc.collect()
        assert not any(reference() is not None for reference in gone)
        assert torch.equal(torch.cat(labels), torch.arange(64))
