"""Sources of other libraries are used as they are."""

import datasets
import numpy as np
import pytest
import torch

from dataload import Loader
from dataload.errors import ConfigError, SourceError


class Squares(torch.utils.data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.tensor([index, index**2]), index


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])
def test_a_torch_dataset_is_a_source(worker, num_workers, leaves_nothing):
    with Loader(Squares(), batch_size=4, worker=worker, num_workers=num_workers) as loader:
        batches = list(loader)
    assert np.array_equal(batches[2][0], [[8, 64], [9, 81]]) and batches[0][0].dtype == np.int64
    assert np.array_equal(batches[0][1], [0, 1, 2, 3])


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("process", 1)])
def test_a_hugging_face_dataset_is_a_source(worker, num_workers):
    data = datasets.Dataset.from_dict({"x": [[i, i + 1] for i in range(6)], "name": [f"n{i}" for i in range(6)]})
    with Loader(data, batch_size=3, worker=worker, num_workers=num_workers) as loader:
        batch = list(loader)[1]
    assert np.array_equal(batch["x"], [[3, 4], [4, 5], [5, 6]]) and batch["name"] == ["n3", "n4", "n5"]


def test_getitems_is_called_once_per_batch_where_it_exists():
    class Counting(list):
        calls = 0

        def __getitems__(self, indices):
            self.calls += 1
            return [self[i] for i in indices]

    source = Counting(range(10))
    assert [batch.tolist() for batch in Loader(source, batch_size=5)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert source.calls == 2

    class Wrong(Counting):
        def __getitems__(self, indices):
            return [1]

    with pytest.raises(SourceError, match="returned 1 samples for 5 indices"):
        list(Loader(Wrong(range(10)), batch_size=5))


@pytest.mark.parametrize("source", [iter([1]), {"a": 1}, "folder", (x for x in [1]), list, 3])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(ConfigError, match="source is"):
        Loader(source)
