"""Ray Train: each rank trains on its part of every step, of batches that actors anywhere in the cluster make.

python examples/ray_training.py tests/data/speech --world 2 --storage runs
"""

import os
import tempfile
from argparse import Namespace
from pathlib import Path

import ray
import torch
from digits import arguments, loaders
from ray import train
from ray.train import Checkpoint
from ray.train.torch import TorchTrainer, prepare_model
from torch_training import make_model

from dataload.adapters.ray import RayWorkers
from dataload.adapters.torch import to_dataloader

BATCH = 32


def work(given: Namespace) -> None:
    """Train as one rank, from the last checkpoint of the run on, with another one every few steps."""
    rank = train.get_context().get_world_rank()
    torch.manual_seed(0)
    # "auto" asks Ray Train which rank this is. The actors are other processes, on any machine that sees the folder.
    workers = {"worker": RayWorkers(num_cpus=0.25), "num_workers": 1}
    digits, test = loaders(given.folder, shard="auto", batch_size=BATCH // given.world, **workers)
    batches, model, step, seen = to_dataloader(digits), make_model(), 0, 0
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    parts = {"model": model, "optimizer": optimizer, "loader": batches}
    if checkpoint := train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            saved = torch.load(Path(folder, "run.pt"))
        step = saved.pop("step")
        for name, state in saved.items():  # that of the loader is the same for every rank, of any number of ranks
            parts[name].load_state_dict(state)

    def save(**metrics: float) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if rank == 0:
                states = {name: part.state_dict() for name, part in parts.items()}
                torch.save({**states, "step": step}, f"{folder}/run.pt")
            saved = None if rank else Checkpoint.from_directory(folder)
            train.report({"step": step, "seen": seen, **metrics}, checkpoint=saved)

    wrapped = prepare_model(model)
    while batches.state_dict()["epoch"] < given.epochs and step < given.steps:
        for audio, label in batches:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(wrapped(audio.mT), label).backward()
            optimizer.step()
            seen, step = seen + len(label), step + 1
            if step % given.every == 0:
                save()
            if step == given.steps:
                break
    right = [(model(audio.mT).argmax(1) == label).float() for audio, label in to_dataloader(test)]
    save(accuracy=torch.cat(right).mean().item())


def main() -> None:
    """Train in the cluster that RAY_ADDRESS names, else in one on this machine."""
    given = arguments(world=2, storage="runs", steps=10**9, every=4)
    given.folder = given.folder.resolve()
    ray.init(os.environ.get("RAY_ADDRESS", "local"), log_to_driver=False)
    scaling = train.ScalingConfig(num_workers=given.world, resources_per_worker={"CPU": 0.5})
    # A run of this name goes on from its last checkpoint, with any number of ranks.
    run = train.RunConfig(name="digits", storage_path=str(Path(given.storage).resolve()))
    metrics = TorchTrainer(work, train_loop_config=given, scaling_config=scaling, run_config=run).fit().metrics
    print("ranks: {world}, step: {step}, accuracy: {accuracy:.3f}".format(world=given.world, **metrics))
    print(f"samples of rank 0 in this run: {metrics['seen']}")


if __name__ == "__main__":
    main()
