"""States that version 0.1.0 saved of loaders with torch's samplers, and of a torch DataLoader, are resumed by this one.

Written like those of `tests/test_old_states.py`, into `tests/data/v0.1.0/torch_states.json`.
"""

import pytest
import torch
from old_version import read, rest
from torch.utils.data import BatchSampler, RandomSampler, SubsetRandomSampler, WeightedRandomSampler

from dataload import Loader
from dataload.adapters.torch import to_dataloader


def seeded(seed):
    return torch.Generator().manual_seed(seed)


LOADERS = {
    "RandomSampler": lambda: Loader(range(50), sampler=RandomSampler(range(50), generator=seeded(3)), batch_size=8),
    "RandomSampler without a generator": lambda: Loader(
        range(50), sampler=RandomSampler(range(50)), batch_size=8, seed=4
    ),
    "SubsetRandomSampler": lambda: Loader(
        range(50), sampler=SubsetRandomSampler(range(0, 50, 2), generator=seeded(3)), batch_size=4
    ),
    "WeightedRandomSampler": lambda: Loader(
        range(50), sampler=WeightedRandomSampler([1.0, 2.0] * 25, 60, generator=seeded(1)), batch_size=8
    ),
    "BatchSampler": lambda: Loader(
        range(50), batch_sampler=BatchSampler(RandomSampler(range(50), generator=seeded(3)), 7, drop_last=True)
    ),
}
DATALOADERS = {
    "to_dataloader": lambda: to_dataloader(Loader([{"i": i} for i in range(50)], batch_size=8, shuffle=True, seed=2))
}


@pytest.mark.parametrize("name", LOADERS | DATALOADERS)
def test_a_state_of_0_1_0_gives_the_batches_that_were_left(name):
    saved = read("torch_states.json")[name]
    assert saved["state"]["epoch"] == 1 and saved["state"]["samples"] > 0 and len(saved["rest"][0]) > 0
    loader = (LOADERS | DATALOADERS)[name]()
    loader.load_state_dict(saved["state"])
    assert rest(loader) == saved["rest"]


def test_every_state_that_was_written_is_read():
    assert set(read("torch_states.json")) == set(LOADERS | DATALOADERS)
