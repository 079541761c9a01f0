"""A small torch model on the demo's batches, through `to_dataloader`.

No other command imports torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dataload.adapters.torch import to_dataloader
from dataload.commands.task import Task
from dataload.terminal import Advance

HIDDEN = 64
LEARNING_RATE = 0.01


class ToneNet(nn.Module):
    """Two layers over every frame, the mean over the frames that are data, one layer to the classes."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.frame = nn.Sequential(nn.Linear(len(mean), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU())
        self.top = nn.Linear(HIDDEN, n_classes)

    def forward(self, audio: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, n_classes) logits for (batch, frames, n_mels) and the (batch,) unpadded lengths."""
        mask = torch.arange(audio.shape[1]) < lengths[:, None]
        hidden = self.frame((audio - self.mean) / self.std) * mask[..., None]
        logits: Tensor = self.top(hidden.sum(dim=1) / lengths[:, None])
        return logits


def train(task: Task, epochs: int, advance: Advance) -> float:
    """Train for `epochs`, call `advance` after each, and return the accuracy on the held-out samples."""
    # The model is too small to gain from more, and threads that wait for each other take the cores from the workers.
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    model = ToneNet(torch.from_numpy(task.mean), torch.from_numpy(task.std), task.n_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    batches = to_dataloader(task.train)
    for _ in range(epochs):
        for batch in batches:
            loss = nn.functional.cross_entropy(model(batch["audio"], batch["audio_lengths"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        advance()
    right = []
    with torch.inference_mode():
        for batch in to_dataloader(task.held_out):
            logits = model(batch["audio"], batch["audio_lengths"])
            right.append(logits.argmax(dim=1) == batch["label"])
    return torch.cat(right).double().mean().item()
