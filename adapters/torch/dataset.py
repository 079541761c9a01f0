"""The loader as a map-style torch Dataset, for those who keep torch's own DataLoader and its workers.

Apart from `to_dataloader`, because here torch decides which samples make a batch, and who makes it.
"""

from __future__ import annotations

from typing import Any

import cloudpickle
import numpy as np
import torch
from torch.utils.data import Dataset

from dataload.adapters.torch.tensors import to_tensors
from dataload.errors import ConfigError
from dataload.loader import Loader
from dataload.pipeline import Pipeline


def to_dataset(loader: Loader) -> TorchDataset:
    """Return the loader's samples, transformed, as a map-style Dataset.

    `DataLoader(dataset, batch_size=32, shuffle=True, num_workers=4, collate_fn=dataset.collate_fn)` makes the loader's
    batches with torch's sampler and torch's workers. Without `collate_fn` torch collates itself, which needs fields of
    one shape. Inside of a torch worker nothing is started: no process, no thread.

    Args:
        loader: gives the source, the transforms, the seed and the collate function; its order, its workers and its
            state take no part.

    >>> dataset = to_dataset(Loader([1.0, 2.0, 3.0], transforms=lambda x: x * 10))
    >>> len(dataset), dataset[2], dataset.collate_fn(dataset.__getitems__([0, 1]))
    (3, 30.0, tensor([10., 20.], dtype=torch.float64))
    """
    # In shared memory, so that torch's persistent workers, which keep their copy of the dataset, see another epoch.
    epoch = torch.tensor(loader.state_dict()["epoch"]).share_memory_()  # type: ignore[no-untyped-call]
    return TorchDataset(loader.pipeline, epoch)


class TorchDataset(Dataset[Any]):
    """Transformed samples by index; see `to_dataset`."""

    def __init__(self, pipeline: Pipeline, epoch: torch.Tensor) -> None:
        self._pipeline = pipeline
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of samples of the source."""
        return len(self._pipeline.source)

    def __getitem__(self, index: int) -> Any:
        """Return one sample: what the transforms made of it, not yet collated."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Return some samples, their transforms done in whole batches where they can be."""
        return self._pipeline.samples(self.epoch, np.asarray(indices, np.int64))

    def collate_fn(self, samples: list[Any]) -> Any:
        """Return a batch of tensors, as `to_dataloader` would."""
        return to_tensors(self._pipeline.collate(samples))

    @property
    def epoch(self) -> int:
        """The epoch that random transforms are keyed by."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Let random transforms draw what they draw in `epoch`; to be called before each epoch, as for a sampler."""
        if not isinstance(epoch, int) or epoch < 0:
            raise ConfigError(f"epoch={epoch!r} must be a whole number from 0 up")
        self._epoch.fill_(epoch)

    def __repr__(self) -> str:
        return f"to_dataset({len(self)} samples, epoch {self.epoch})"

    def __getstate__(self) -> dict[str, Any]:
        # By value, so that lambdas and classes of a notebook reach workers that were not forked. The epoch goes beside
        # it: torch sends a shared tensor as what it is.
        return {"pipeline": cloudpickle.dumps(self._pipeline), "epoch": self._epoch}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._pipeline = cloudpickle.loads(state["pipeline"])
        self._epoch = state["epoch"]
