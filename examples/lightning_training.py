"""Lightning's Trainer: its checkpoints hold the loader's state, and `ckpt_path` resumes with the next batch.

python examples/lightning_training.py tests/data/speech
"""

import lightning
import torch
from digits import arguments, loaders
from torch_training import make_model

from dataload.adapters.torch import to_dataloader


class Digits(lightning.LightningModule):
    """Tells spoken digits apart."""

    def __init__(self) -> None:
        super().__init__()
        self.model = make_model()

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        audio, label = batch
        return torch.nn.functional.cross_entropy(self.model(audio.mT), label)

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        """Log the share of the batch that is told right."""
        audio, label = batch
        right = (self.model(audio.mT).argmax(1) == label).float().mean()
        self.log("accuracy", right, batch_size=len(label))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adam(self.parameters(), 1e-3)


def main() -> None:
    """Train; with --resume a checkpoint, from where that was saved."""
    given = arguments(resume="", output="lightning_run")
    train, test = map(to_dataloader, loaders(given.folder))
    # Among several devices under torchrun: loaders(..., shard="auto").
    trainer = lightning.Trainer(
        max_epochs=given.epochs,
        accelerator="auto",
        logger=False,
        enable_progress_bar=False,
        default_root_dir=given.output,
        callbacks=[lightning.pytorch.callbacks.ModelCheckpoint(given.output, every_n_train_steps=20, save_last=True)],
    )
    trainer.fit(Digits(), train, test, ckpt_path=given.resume or None)
    print(f"steps: {trainer.global_step}, accuracy: {float(trainer.callback_metrics['accuracy']):.3f}")


if __name__ == "__main__":
    main()
