"""Accelerate on the loader: prepare, gradient accumulation, save_state and load_state in the middle of an epoch."""

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import ProjectConfiguration
from adapter_data import epochs, labels, make, same

from dataload.adapters.torch import to_dataloader

FIRST, SECOND, THIRD = epochs(3)


@pytest.fixture(autouse=True)
def fresh():
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def prepared(accelerator, **options):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    return accelerator.prepare(model, optimizer, to_dataloader(make(**options), device=accelerator.device))


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "worker": "process"}])
def test_a_prepared_dataloader_gives_the_loaders_batches_with_its_own_workers(options, leaves_nothing):
    accelerator = Accelerator(cpu=True)
    _, _, dataloader = prepared(accelerator, **options)
    expected = make()
    with dataloader.loader:
        for _ in range(2):
            assert all(map(same, dataloader, expected))
        assert dataloader.loader.stats.num_workers == options.get("num_workers", 0)


@pytest.mark.parametrize("taken", [1, 2, 3, 4])
def test_save_state_and_load_state_continue_with_the_next_batch(taken, tmp_path):
    accelerator = Accelerator(cpu=True, project_config=ProjectConfiguration(project_dir=tmp_path))
    _, _, dataloader = prepared(accelerator)
    seen = []
    for _ in range(2):
        for batch in dataloader:
            seen.append(batch["label"].tolist())
            if len(seen) == 4 + taken:
                accelerator.save_state(tmp_path / "saved")
    assert seen == FIRST + SECOND
    accelerator.load_state(tmp_path / "saved")
    assert labels(dataloader) == SECOND[taken:]
    assert labels(dataloader) == THIRD


def test_gradient_accumulation_ends_with_the_epoch():
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=3)
    model, optimizer, dataloader = prepared(accelerator)
    synced = []
    for _ in range(2):
        for batch in dataloader:
            with accelerator.accumulate(model):
                accelerator.backward(model(batch["audio"]).mean())
                optimizer.step()
                optimizer.zero_grad()
                synced.append(accelerator.sync_gradients)
    assert synced == [False, False, True, True] * 2


def test_gather_for_metrics_keeps_every_sample():
    accelerator = Accelerator(cpu=True)
    _, _, dataloader = prepared(accelerator, shuffle=False)
    gathered = [accelerator.gather_for_metrics(batch["label"]) for batch in dataloader]
    assert torch.cat(gathered).tolist() == list(range(20))


def test_skip_first_batches_skips_them():
    accelerator = Accelerator(cpu=True)
    _, _, dataloader = prepared(accelerator)
    assert labels(accelerator.skip_first_batches(dataloader, 3)) == FIRST[3:]
    dataloader.set_epoch(1)
    assert labels(accelerator.skip_first_batches(dataloader, 1)) == SECOND[1:]
