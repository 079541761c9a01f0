"""A run that may be killed at any moment: `python -m faults.training OPTIONS`. All ranks live in one process."""

import json
import sys
import time
from pathlib import Path

import numpy as np

from dataload import ArraySource, Loader

LENGTH, SEED = 9973, 11


def make(shard: tuple[int, int], batch_size: int, num_workers: int) -> Loader:
    """Return the loader of one rank."""
    source = ArraySource(np.arange(LENGTH))
    return Loader(source, shuffle=True, seed=SEED, batch_size=batch_size, shard=shard, num_workers=num_workers,
                  worker="process")  # fmt: skip


def main(run: int, world: int, batch_size: int, num_workers: int, epochs: int, folder: Path) -> None:
    """Train from the last state, writing down every batch, then the state."""
    loaders = [make((rank, world), batch_size, num_workers) for rank in range(world)]
    state_file = folder / "state.json"
    if state_file.exists():
        state = json.loads(state_file.read_text())
        for loader in loaders:
            loader.load_state_dict(state)
    with (folder / "history").open("a") as history:
        while loaders[0].state_dict()["epoch"] < epochs:
            state = loaders[0].state_dict()
            epoch, start = state["epoch"], state["samples"]
            for step in zip(*loaders, strict=True):
                states = [loader.state_dict() for loader in loaders]
                assert all(state == states[0] for state in states)
                stop = states[0]["samples"]
                for rank, batch in enumerate(step):
                    entry = {"run": run, "epoch": epoch, "rank": rank, "start": start, "stop": stop}
                    history.write(json.dumps({**entry, "ids": batch.tolist()}) + "\n")
                history.flush()
                time.sleep(0.001)  # the training step
                start = stop
                save(state_file, states[0])
    print("done", flush=True)


def save(path: Path, state: dict) -> None:
    """Replace a file by another in one step."""
    path.with_suffix(".new").write_text(json.dumps(state))
    path.with_suffix(".new").replace(path)


if __name__ == "__main__":
    *numbers, folder = sys.argv[1:]
    main(*map(int, numbers), Path(folder))
