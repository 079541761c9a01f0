"""Processes that come and go in one job: the order goes on between two steps, and every epoch has each sample once.

python examples/elastic.py tests/data/speech --worlds 2,3,1 --checkpoint elastic.pt
"""

import subprocess
import sys
from datetime import timedelta
from itertools import chain
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.nn  # Before any process group: later it would keep one alive, whose threads disturb the exit.
from digits import arguments, loaders
from torch_training import make_model

from dataload import Loader
from dataload.adapters.torch import to_dataloader


def main() -> None:
    """Train as one of several processes, whose number changes every few steps; the first one starts the others."""
    given = arguments(worlds="2,3,1", steps=3, workers=1, checkpoint="elastic.pt", member=0, first=0, port=0)
    worlds, checkpoint = list(map(int, given.worlds.split(","))), Path(given.checkpoint)
    store = dist.TCPStore("127.0.0.1", given.port, is_master=given.member == 0, wait_for_workers=False)
    if given.member == 0:
        for first, world in enumerate(worlds):
            for member in range(worlds[first - 1] if first else 1, world):
                which = f"--member={member} --first={first} --port={store.port}".split()
                subprocess.Popen([sys.executable, *sys.argv, *which])
    digits, _ = loaders(given.folder)
    numbered = [(*sample, number) for number, sample in enumerate(digits.source)]
    options = {"shuffle": True, "num_workers": given.workers, "worker": "thread", "shard": "auto"}
    batches = to_dataloader(Loader(numbered, transforms={0: digits.chain(0)}, global_batch_size=24, **options))
    optimizer = torch.optim.Adam((model := make_model()).parameters(), 1e-3)
    parts = {"model": model, "optimizer": optimizer, "loader": batches}
    if given.member == 0 and checkpoint.exists():
        for name, state in torch.load(checkpoint).items():
            parts[name].load_state_dict(state)

    def join(phase: int) -> None:
        group, limit = dist.PrefixStore(str(phase), store), timedelta(seconds=90)
        dist.init_process_group("gloo", store=group, timeout=limit, rank=given.member, world_size=worlds[phase])
        batches.reshard()  # asks torch.distributed for rank and world
        states = [{name: part.state_dict() for name, part in parts.items()}]
        dist.broadcast_object_list(states)
        if phase == given.first:
            for name, state in states[0].items():
                parts[name].load_state_dict(state)

    phase, step, seen = given.first, given.first * given.steps, []
    join(phase)
    while (epoch := batches.state_dict()["epoch"]) < given.epochs:
        for audio, label, number in batches:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(audio.mT), label, reduction="sum").backward()
            shares = [None] * worlds[phase]
            dist.all_gather_object(shares, number.tolist())
            for parameter in model.parameters():  # Ranks may differ by a sample, so sums and not means are added up.
                dist.all_reduce(parameter.grad)
                parameter.grad /= sum(map(len, shares))
            optimizer.step()
            seen, step = [*seen, *chain(*shares)], step + 1
            if step % given.steps == 0 and phase + 1 < len(worlds):
                phase += 1
                dist.destroy_process_group()
                if given.member >= worlds[phase]:
                    return
                join(phase)
        if given.member == 0:
            print(f"epoch {epoch}: {len(seen)} samples, once each: {sorted(seen) == [*range(len(seen))]}", flush=True)
            torch.save({name: part.state_dict() for name, part in parts.items()}, checkpoint)
            seen = []
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
