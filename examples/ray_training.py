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
from ray.train.torch import TorchTrainer, prepare_model
from torch_training import make_model

from dataload.adapters.ray import RayWorkers
from dataload.adapters.torch import to_dataloader

BATCH = 32


def work(given: Namespace) -> None:
    """Train as one rank, with a checkpoint every few steps; the last one of the run is gone on from."""
    rank = train.get_context().get_world_rank()
    torch.manual_seed(0)
    # "auto" asks Ray Train which rank this is. The actors are other processes, on any machine that sees the folder.
    workers = {"worker": RayWorkers(num_cpus=0.25), "num_workers": 1}
    batches, test = loaders(given.folder, shard="auto", batch_size=BATCH // given.world, **workers)
    batches = to_dataloader(batches)
    model = prepare_model(make_model())
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    step = 0
    if checkpoint := train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            saved = torch.load(Path(folder, "run.pt"))
        getattr(model, "module", model).load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        batches.load_state_dict(saved["loader"])  # the same state for every rank, of any number of ranks
        step = saved["step"]
    seen = 0
    while batches.state_dict()["epoch"] < given.epochs and step < given.steps:
        for audio, label in batches:
            loss = torch.nn.functional.cross_entropy(model(audio.mT), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen, step = seen + len(label), step + 1
            if step % given.every == 0 or step == given.steps:
                save(rank, {"step": step, "seen": seen}, model, optimizer, batches)
            if step == given.steps:
                break
    right = [(model(audio.mT).argmax(1) == label).float() for audio, label in to_dataloader(test)]
    save(rank, {"step": step, "seen": seen, "accuracy": torch.cat(right).mean().item()}, model, optimizer, batches)


def save(rank: int, metrics: dict, model: torch.nn.Module, optimizer: torch.optim.Optimizer, batches: object) -> None:
    """Report how far the run is, with a checkpoint of rank 0."""
    with tempfile.TemporaryDirectory() as folder:
        if rank == 0:
            states = {"model": getattr(model, "module", model).state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**states, "loader": batches.state_dict(), "step": metrics["step"]}, Path(folder, "run.pt"))
        train.report(metrics, checkpoint=train.Checkpoint.from_directory(folder) if rank == 0 else None)


def main() -> None:
    """Train in the cluster that RAY_ADDRESS names, else in one on this machine."""
    given = arguments(world=2, storage="runs", steps=10**9, every=4)
    given.folder = given.folder.resolve()
    ray.init(os.environ.get("RAY_ADDRESS", "local"), log_to_driver=False)
    trainer = TorchTrainer(
        work,
        train_loop_config=given,
        scaling_config=train.ScalingConfig(num_workers=given.world, resources_per_worker={"CPU": 0.5}),
        # A run of this name goes on from its last checkpoint, with any number of ranks.
        run_config=train.RunConfig(name="digits", storage_path=str(Path(given.storage).resolve())),
    )
    metrics = trainer.fit().metrics
    print(f"ranks: {given.world}, step: {metrics['step']}, accuracy: {metrics['accuracy']:.3f}")
    print(f"samples of rank 0 in this run: {metrics['seen']}")
    ray.shutdown()


if __name__ == "__main__":
    main()
