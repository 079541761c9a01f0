"""Two ranks under torchrun with gloo and DistributedDataParallel: every sample once, resumed by any number of ranks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from adapter_data import labels, make
from torch.utils.data import DistributedSampler

from dataload.adapters.torch import to_dataloader

# A process group that outlives destroy_process_group has threads that may abort the interpreter while it ends
# (github.com/pytorch/pytorch/pull/179291). DistributedDataParallel holds it, and so do default arguments of
# torch.distributed.nn, which torch imports with the first optimizer unless it was imported before.
SCRIPT = """
import json, sys
import torch, torch.distributed as dist
import torch.distributed.nn
from torch.nn.parallel import DistributedDataParallel
import adapter_data
from dataload.adapters.torch import to_dataloader

folder, taken, state = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(rank)
loader = adapter_data.make(23, batch_size=4, shard="auto", num_workers=1, worker="thread")
batches = to_dataloader(loader)
if state:
    batches.load_state_dict(state)
model = DistributedDataParallel(torch.nn.Linear(2, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
seen, states = [], []
for batch in batches:
    optimizer.zero_grad()
    model(batch["audio"]).square().mean().backward()
    optimizer.step()
    seen.append(batch["label"].tolist())
    states.append(batches.state_dict())
    if len(seen) == taken:
        break
weights = [parameter.tolist() for parameter in model.parameters()]
with open(f"{folder}/{rank}.json", "w") as file:
    json.dump({"seen": seen, "state": states[-1], "weights": weights}, file)
loader.close()
del model
dist.destroy_process_group()
"""


LIGHTNING = """
import json, sys
import lightning, torch
import adapter_data
from dataload.adapters.torch import to_dataloader

class Diary(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.seen = []
    def train_dataloader(self):
        return to_dataloader(adapter_data.make(23, batch_size=4, shard="auto"))
    def training_step(self, batch, index):
        self.seen.append(batch["label"].tolist())
        return self.layer(batch["audio"]).square().mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

model = Diary()
quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
trainer = lightning.Trainer(accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, **quiet)
trainer.fit(model)
with open(f"{sys.argv[1]}/{trainer.global_rank}.json", "w") as file:
    json.dump({"seen": model.seen}, file)
"""


def torchrun(ranks, folder, taken, state=None, script=SCRIPT):
    folder.mkdir()
    (folder / "script.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [*command, folder / "script.py", folder, str(taken), json.dumps(state)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=120,
    )
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(ranks)]


def flat(results):
    return sorted(label for result in results for batch in result["seen"] for label in batch)


def test_two_ranks_see_every_sample_once_and_have_the_same_weights(tmp_path):
    results = torchrun(2, tmp_path / "a", taken=99)
    assert flat(results) == list(range(23))
    assert [len(result["seen"]) for result in results] == [3, 3]
    assert results[0]["weights"] == results[1]["weights"]
    assert results[0]["state"] == results[1]["state"]


def test_a_state_of_two_ranks_resumes_in_one_with_what_was_not_seen(tmp_path):
    first = torchrun(2, tmp_path / "a", taken=2)
    rest = torchrun(1, tmp_path / "b", taken=99, state=first[0]["state"])
    assert sorted(flat(first) + flat(rest)) == list(range(23))


@pytest.mark.parametrize("drop_last", [False, True])
def test_the_sampler_of_a_rank_is_one_that_tools_leave_alone(drop_last):
    ranks = [to_dataloader(make(23, batch_size=4, shard=(rank, 2), drop_last=drop_last)) for rank in (0, 1)]
    for dataloader in ranks:
        assert isinstance(dataloader.sampler, DistributedSampler)
        assert list(dataloader.batch_sampler) == labels(dataloader)
        assert len(dataloader.sampler) == sum(map(len, dataloader.batch_sampler))
        dataloader.sampler.set_epoch(5)
        assert dataloader.state_dict()["epoch"] == 5
    together = [label for dataloader in ranks for label in dataloader.sampler]
    assert len(set(together)) == len(together) == (16 if drop_last else 23)


def test_lightning_on_two_ranks_sees_every_sample_once_in_each_epoch(tmp_path):
    results = torchrun(2, tmp_path / "a", taken=0, script=LIGHTNING)
    for epoch in range(2):
        part = [{"seen": result["seen"][3 * epoch : 3 * epoch + 3]} for result in results]
        assert flat(part) == list(range(23))
    assert all(len(result["seen"]) == 6 for result in results)


ALONE = """
import warnings
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore
from dataload import Loader
from dataload.adapters.torch import to_dataloader

dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    to_dataloader(Loader(range(4), shard="auto"))
    assert not caught
    to_dataloader(Loader(range(4)))
    (warning,) = caught
    assert "one of 2 ranks" in str(warning.message) and "shard='auto'" in str(warning.message)
    assert warning.filename == "<string>", warning.filename
"""


def test_a_loader_that_gives_every_rank_all_samples_is_warned_of():
    subprocess.run([sys.executable, "-c", ALONE], check=True)
