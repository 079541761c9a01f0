"""A plain torch training loop that can be stopped anywhere and resumed with the next batch.

python examples/torch_training.py tests/data/speech --checkpoint run.pt
"""

from pathlib import Path

import torch
from digits import MELS, arguments, loaders

from dataload.adapters.torch import to_dataloader


def make_model() -> torch.nn.Module:
    """Return a model from (batch, frames, mels) to ten logits."""
    return torch.nn.Sequential(
        torch.nn.Conv1d(MELS, 64, 5, stride=2),
        torch.nn.ReLU(),
        torch.nn.Conv1d(64, 64, 5, stride=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveMaxPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 10),
    )


def main() -> None:
    """Train, saving a checkpoint now and then."""
    given = arguments(checkpoint="run.pt", steps=10**9)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train, test = (to_dataloader(loader, device=device) for loader in loaders(given.folder))
    model = make_model().to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    checkpoint, step = Path(given.checkpoint), 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        train.load_state_dict(saved["loader"])  # the next pass goes on with the next batch
        step = saved["step"]
    while train.state_dict()["epoch"] < given.epochs:
        for audio, label in train:
            loss = torch.nn.functional.cross_entropy(model(audio.mT), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 50 == 0 or step == given.steps:
                states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
                torch.save({**states, "loader": train.state_dict()}, checkpoint)
            if step == given.steps:
                print(f"stopped after step {step}")
                return
    with torch.no_grad():
        right = [(model(audio.mT).argmax(1) == label).float() for audio, label in test]
    print(f"steps: {step}, accuracy: {torch.cat(right).mean():.3f}")


if __name__ == "__main__":
    main()
