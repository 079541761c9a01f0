"""Softmax regression in numpy on the demo's batches, with no framework in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dataload.commands.task import Task, frame_mask
from dataload.terminal import Advance

if TYPE_CHECKING:
    from dataload import Loader

LEARNING_RATE = 0.5


@dataclass(frozen=True)
class SoftmaxRegression:
    """Probabilities = softmax(features @ weights + bias).

    Attributes:
        weights: (n_features, n_classes) float32.
        bias: (n_classes,) float32.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (batch, n_classes) float32 whose rows sum to 1, for (batch, n_features) float32."""
        return softmax(features @ self.weights + self.bias)

    def step(self, features: NDArray[np.float32], labels: NDArray[np.int64], learning_rate: float) -> SoftmaxRegression:
        """Return the model one step down the gradient of the mean cross-entropy of a batch."""
        error = self.probabilities(features)
        error[np.arange(len(labels)), labels] -= 1
        error *= np.float32(learning_rate / len(labels))
        return SoftmaxRegression(
            weights=self.weights - np.asarray(features.T @ error, np.float32),
            bias=self.bias - np.asarray(error.sum(axis=0), np.float32),
        )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `exp(logits)` over its sum along the last axis.

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))  # of 1000 alone, exp would be infinite
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def train(task: Task, epochs: int, advance: Advance) -> float:
    """Train for `epochs`, call `advance` after each, and return the accuracy on the held-out samples."""
    model = SoftmaxRegression(
        np.zeros((len(task.mean), task.n_classes), np.float32), np.zeros(task.n_classes, np.float32)
    )
    for _ in range(epochs):
        for batch in task.train:
            model = model.step(features(batch, task), batch["label"], LEARNING_RATE)
        advance()
    return accuracy(model, task.held_out, task)


def features(batch: dict[str, Any], task: Task) -> NDArray[np.float32]:
    """Return (batch, n_mels) float32: the mean over each sample's frames, standardised."""
    mask = frame_mask(batch["audio_lengths"], batch["audio"].shape[1])
    sums = np.where(mask[..., None], batch["audio"], np.float32(0)).sum(axis=1)
    means = sums / batch["audio_lengths"][:, None].astype(np.float32)
    return np.asarray((means - task.mean) / task.std)


def accuracy(model: SoftmaxRegression, loader: Loader, task: Task) -> float:
    """Return the share of the loader's samples whose most probable class is their label."""
    right = [model.probabilities(features(batch, task)).argmax(axis=1) == batch["label"] for batch in loader]
    return float(np.concatenate(right).mean())
