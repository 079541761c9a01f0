"""What the demo's classifiers learn, and the frames of its padded batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataload import Loader


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
