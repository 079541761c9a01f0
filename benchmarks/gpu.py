"""`python -m benchmarks gpu`: what a training step on the batches of a loader costs more than on a resident batch.

Three loops take turns: one trains on the same resident batch again and again, one on the batches of
`to_dataloader(loader, device=...)`, which are copied ahead, and one copies each batch itself and waits for it. If the
copy ahead is hidden, the first two are level.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import torch

from benchmarks import PACKAGES
from benchmarks.goals import Goal, Verdict, goals_table
from dataload import ArraySource, Loader
from dataload.adapters.torch import to_dataloader
from dataload.measuring import Table, about, describe, endless, race
from dataload.terminal import open_terminal

_SIDE = 224
# How near a step on the loader's batches must be to one on a resident batch.
_GOAL = Goal(
    "gpu", "to_dataloader <= 1.03 x resident", ("to_dataloader",), ("resident batch",), 1.03, "main_ms_per_batch"
)


def main(arguments: list[str]) -> None:
    """Run the command."""
    options = _parse(arguments)
    terminal = open_terminal()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device here: --device cpu only shows that the command runs")
    rows = np.random.default_rng(0).random((4 * options.batch_size, 3, _SIDE, _SIDE), np.float32)
    # ArraySource gathers rows as fast as memory allows, so that the copy to the device is what there is to hide.
    loader = Loader(ArraySource(rows), batch_size=options.batch_size, num_workers=options.workers, worker="thread")
    step = make_step(device)
    resident = torch.from_numpy(rows[: options.batch_size]).to(device)
    loops: dict[str, Callable[[], Iterator[torch.Tensor]]] = {
        "resident batch": lambda: iter(lambda: resident, None),
        "to_dataloader": lambda: endless(to_dataloader(loader, device=device)),
        "copied by the loop": lambda: (torch.from_numpy(batch).to(device) for batch in endless(loader)),
    }
    found = race(
        list(loops), lambda name, number: time_steps(step, loops[name](), options.steps, device), rounds=options.rounds
    )
    loader.close()
    seconds = {name: median(times) for name, times in found.items()}
    base = seconds["resident batch"]
    cells = [[name, f"{1000 * one:.2f}", f"{one / base:.3f}"] for name, one in seconds.items()]
    Table(["batches", "ms per step", "x resident"], cells).print(terminal)
    terminal.line(describe(about(PACKAGES), f"batches of {options.batch_size}, {options.rounds} rounds"))
    if device.type == "cuda":
        terminal.line(torch.cuda.get_device_name(device))
    if options.goals:
        goals_table([Verdict(_GOAL, seconds["to_dataloader"] / base, "to_dataloader / resident batch")]).print(terminal)


def make_step(device: torch.device) -> Callable[[torch.Tensor], None]:
    """Return a training step of a small convolutional network."""
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for channels, wider in ((3, 64), (64, 128), (128, 256)):
        layers += [torch.nn.Conv2d(channels, wider, 3, stride=2), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(256, 10))
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)

    def step(batch: torch.Tensor) -> None:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()

    return step


def time_steps(
    step: Callable[[torch.Tensor], None], batches: Iterator[torch.Tensor], steps: int, device: torch.device
) -> float:
    """Return the seconds of a step, after two that warm up."""

    def take(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            step(next(batches))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    take(2)
    return take(steps) / steps


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description="Is the copy to the device hidden?")
    parser.add_argument("--device", default="cuda", help="of torch; cuda")
    parser.add_argument("--batch-size", type=int, default=64, help="images of 3x224x224 in a batch; 64")
    parser.add_argument("--steps", type=int, default=100, help="timed steps of each loop; 100")
    parser.add_argument("--rounds", type=int, default=5, help="how often the loops take turns; 5")
    parser.add_argument("--workers", type=int, default=2, help="threads of the loader; 2")
    parser.add_argument("--goals", action="store_true", help="print what must be reached, and whether it is")
    return parser.parse_args(arguments)
