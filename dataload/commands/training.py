"""The demo's classifiers: the same loaders, one small model per framework.

A framework is one line here and one module `train_*`, which alone imports it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from dataload.commands.task import Task
from dataload.extras import installed, pip_line
from dataload.terminal import Advance, Terminal

STEPS = 150  # batches that a model is trained on; the epoch begun is finished


@dataclass(frozen=True)
class Framework:
    """Something to train with.

    Attributes:
        name: as printed.
        module: `dataload.commands.train_<module>` has `train(task, epochs, advance) -> held-out accuracy`.
        needs: top-level modules that it imports.
        extra: brings them; None where nothing is needed.
    """

    name: str
    module: str
    needs: tuple[str, ...]
    extra: str | None


@dataclass(frozen=True)
class Trained:
    """A model's result: the share of held-out samples it names right, and the seconds it took."""

    name: str
    accuracy: float
    seconds: float


FRAMEWORKS = (
    Framework("numpy", "numpy", (), None),
    Framework("torch", "torch", ("torch",), "torch"),
    Framework("keras", "keras", ("tensorflow", "keras"), "tensorflow"),
)


def train_all(task: Task, terminal: Terminal, frameworks: Sequence[Framework] = FRAMEWORKS) -> list[Trained]:
    """Train with each of the frameworks that is installed, and say which are not and what brings them."""
    results = []
    for framework in frameworks:
        if not installed(*framework.needs):
            terminal.line(f"{framework.name}: skipped, not installed; {pip_line(framework.extra or '')} brings it")
            continue
        train: Callable[[Task, int, Advance], float]
        epochs = math.ceil(STEPS / len(task.train))
        start = time.perf_counter()
        with terminal.progress(f"training with {framework.name}", epochs) as advance:
            train = import_module(f"dataload.commands.train_{framework.module}").train
            accuracy = train(task, epochs, advance)
        results.append(Trained(framework.name, accuracy, time.perf_counter() - start))
    return results
