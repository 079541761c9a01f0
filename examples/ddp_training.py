"""Several ranks under torchrun: each takes its part of every step, and a state resumes with any number of ranks.

torchrun --standalone --nproc-per-node 2 examples/ddp_training.py tests/data/speech --checkpoint run.pt
"""

from pathlib import Path

import torch
import torch.distributed as dist
from digits import arguments, loaders
from torch.nn.parallel import DistributedDataParallel
from torch_training import make_model

from dataload.adapters.torch import to_dataloader


def main() -> None:
    """Train, with a checkpoint after each epoch."""
    given = arguments(checkpoint="run.pt")
    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    rank = dist.get_rank()
    device = f"cuda:{rank % torch.cuda.device_count()}" if on_gpu else "cpu"
    torch.manual_seed(0)
    # Batches of 32 for each rank; "auto" asks torch.distributed which rank this is.
    train, test = loaders(given.folder, shard="auto")
    batches = to_dataloader(train, device=device)
    model = DistributedDataParallel(make_model().to(device))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    checkpoint = Path(given.checkpoint)
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        batches.load_state_dict(saved["loader"])  # the same state for every rank
    while batches.state_dict()["epoch"] < given.epochs:
        epoch, seen = batches.state_dict()["epoch"], 0
        for audio, label in batches:
            loss = torch.nn.functional.cross_entropy(model(audio.mT), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(label)
        print(f"epoch {epoch}, rank {rank}: {seen} samples", flush=True)
        if rank == 0:
            states = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**states, "loader": batches.state_dict()}, checkpoint)
        dist.barrier()
    if rank == 0:
        with torch.no_grad():
            right = [
                (model.module(audio.mT).argmax(1) == label).float() for audio, label in to_dataloader(test, device)
            ]
        print(f"ranks: {dist.get_world_size()}, accuracy: {torch.cat(right).mean():.3f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
