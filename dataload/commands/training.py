"""The demo's classifiers: the same loaders, one small model per framework.

A framework is one line here and one module `train_*`, which alone imports it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dataload.extras import installed, pip_line
from dataload.terminal import Advance, Terminal

if TYPE_CHECKING:
    from dataload import Loader


STEPS = 150  # batches that a model is trained on; the epoch begun is finished


@dataclass(frozen=True)
class Task:
    """What to learn: batches of `{"audio": (batch, frames, n_mels), "audio_lengths": (batch,), "label":
    (batch,)}`.

    Attributes:
        train, held_out: loaders; only `train` shuffles.
        n_classes: labels are 0 up to this, excluded.
        mean, std: (n_mels,) float32, of all frames of `train`.
        seed: of the weights.
    """

    train: Loader
    held_out: Loader
    n_classes: int
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    seed: int


@dataclass(frozen=True)
class Framework:
    """Something to train with.

    Attributes:
        name: as printed.
        module: has `train(task, epochs, advance) -> held-out accuracy`, in `dataload.commands`.
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
    Framework("numpy", "train_numpy", (), None),
    Framework("torch", "train_torch", ("torch",), "torch"),
    Framework("keras", "train_keras", ("tensorflow", "keras"), "tensorflow"),
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
            train = import_module(f"dataload.commands.{framework.module}").train
            accuracy = train(task, epochs, advance)
        results.append(Trained(framework.name, accuracy, time.perf_counter() - start))
    return results


def frame_statistics(loader: Loader) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation, both (n_mels,) float32, over all frames of one epoch."""
    count, total, squares = 0, np.float64(0), np.float64(0)
    for batch in loader:
        frames = batch["audio"][frame_mask(batch["audio_lengths"], batch["audio"].shape[1])].astype(np.float64)
        count += len(frames)
        total = total + frames.sum(axis=0)
        squares = squares + np.square(frames).sum(axis=0)
    mean = total / count
    std = np.sqrt(squares / count - mean**2)
    return np.asarray(mean, np.float32), np.asarray(std, np.float32)


def frame_mask(lengths: NDArray[np.int64], frames: int) -> NDArray[np.bool_]:
    """Return (batch, frames) bool: which frames of a padded batch are data.

    >>> frame_mask(np.array([1, 3]), 3)
    array([[ True, False, False],
           [ True,  True,  True]])
    """
    return np.arange(frames) < lengths[:, None]
