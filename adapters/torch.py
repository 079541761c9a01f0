"""The loader as a `torch.utils.data.DataLoader`.

The loader's workers make the batches; what happens here is that each array becomes a tensor on the same memory. The
result is a real DataLoader, so that code which asks for one (`isinstance`, `len`, `.dataset`, `.batch_size`) takes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataload.adapters.messages import Path, missing_extra, where
from dataload.batching import SizedBatches
from dataload.errors import CollateError
from dataload.loader import Loader
from dataload.samples import field_names, get_field, is_namedtuple, is_record
from dataload.state import State

try:
    import torch
    from torch.utils.data import DataLoader, Sampler
except ImportError as error:
    raise missing_extra("torch", "torch", error) from error


def to_dataloader(loader: Loader, device: str | torch.device | None = None) -> TorchLoader:
    """Return the loader as a DataLoader, whose batches hold tensors in the place of arrays.

    Dicts, tuples, lists, named tuples and dataclasses stay what they are; strings and other objects stay lists.

    Args:
        loader: makes the batches, with its own workers, order and state.
        device: None or "cpu" leaves the tensors on the loader's own memory, without a copy. Any other device gets
            them by `.to(device)`, on CUDA through pinned memory and without waiting for the copy.

    Returns:
        A DataLoader with `set_epoch`, `state_dict` and `load_state_dict`. Each pass over it is the loader's next
        epoch. While a batch is on its way it raises what the loader raises, and `CollateError` for an array of a type
        that torch has no tensor for (strings, objects, structures, times); the message names the field.

    >>> dataloader = to_dataloader(Loader([1.0, 2.0, 3.0], batch_size=2))
    >>> list(dataloader)
    [tensor([1., 2.], dtype=torch.float64), tensor([3.], dtype=torch.float64)]
    """
    return TorchLoader(loader, device)


class TorchLoader(DataLoader[Any]):
    """A DataLoader whose batches come from a `Loader`; see `to_dataloader`.

    Attributes:
        loader: makes the batches.
        device: where the tensors are.
        num_workers: 0, because torch starts none: `loader.num_workers` do the work.
    """

    def __init__(self, loader: Loader, device: str | torch.device | None = None) -> None:
        # The samplers are for code that looks at them; batches are made by the loader.
        if isinstance(loader.plan, SizedBatches):
            super().__init__(
                loader.source, loader.batch_size, sampler=_Order(loader, loader.plan), drop_last=loader.drop_last
            )
        else:
            super().__init__(loader.source, batch_sampler=_Batches(loader))
        self.loader = loader
        self.device = torch.device(device or "cpu")
        self._move = _mover(self.device)

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Start the next epoch, or continue the one of a loaded state; see `Loader`."""
        # `map` and not a generator: the epoch starts here, and `break` lets go of the loader's iterator at once.
        return map(self._to_tensors, iter(self.loader))

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass start at the beginning of `epoch`; see `Loader.set_epoch`."""
        self.loader.set_epoch(epoch)

    def state_dict(self) -> State:
        """Return where the training loop is, as plain JSON; see `Loader.state_dict`."""
        return self.loader.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Continue, in the next pass, with exactly the samples not yet delivered; see `Loader.load_state_dict`."""
        self.loader.load_state_dict(state)

    def __repr__(self) -> str:
        return f"to_dataloader({self.loader!r}, device={str(self.device)!r})"

    def _to_tensors(self, batch: Any) -> Any:
        return _convert(batch, self._move, ())


class _Order(Sampler[int]):
    """The indices of the epoch under way."""

    def __init__(self, loader: Loader, plan: SizedBatches) -> None:
        self._loader = loader
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan.sampler)

    def __iter__(self) -> Iterator[int]:
        whole = dataclasses.replace(self._plan, drop_last=False)
        for batch in whole.batches(self._loader.state_dict()["epoch"]):
            yield from batch.tolist()


class _Batches(Sampler[list[int]]):
    """The lists of indices of the epoch under way."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._loader.plan.batches(self._loader.state_dict()["epoch"]):
            yield batch.tolist()


def _mover(device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what brings a tensor to the device; raises what torch raises for a device that it cannot use."""
    if device.type == "cpu":
        return _stay
    torch.empty(0, device=device)
    if device.type == "cuda":
        # Only from pinned memory does CUDA copy in the background, and torch keeps a pinned block until that is done.
        # The loader's own memory may be used for another batch as soon as the tensor on it is gone.
        return lambda tensor: tensor.pin_memory().to(device, non_blocking=True)
    return lambda tensor: tensor.to(device)


def _stay(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _convert(value: Any, move: Callable[[torch.Tensor], torch.Tensor], path: Path) -> Any:
    """Return the value with tensors in the place of arrays."""
    if isinstance(value, np.ndarray):
        return move(_tensor(value, path))
    if isinstance(value, str | bytes):  # before numpy's numbers, among which numpy counts its strings
        return value
    if isinstance(value, np.generic):
        return move(_tensor(np.asarray(value), path))
    if isinstance(value, torch.Tensor):
        return move(value)
    if isinstance(value, dict) or is_record(value) or is_namedtuple(value):
        fields: dict[Any, Any] = {
            name: _convert(get_field(value, name), move, (*path, name)) for name in field_names(value)
        }
        if isinstance(value, dict):
            return fields
        return dataclasses.replace(value, **fields) if is_record(value) else type(value)(**fields)
    if isinstance(value, tuple | list):
        items = [_convert(item, move, (*path, i)) for i, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    return value


def _tensor(array: NDArray[Any], path: Path) -> torch.Tensor:
    """Return a tensor on the array's memory, or on a copy where torch cannot use the array as it is."""
    if not array.flags.writeable:
        # Torch has no read-only tensors: writing to this one would write where numpy says that nobody may.
        array = array.copy()
    elif not array.dtype.isnative or min(array.strides, default=0) < 0:
        array = array.astype(array.dtype.newbyteorder("="), order="C")
    try:
        return torch.from_numpy(array)
    except TypeError as error:
        raise CollateError(
            f"{where(path)} is an array of dtype {array.dtype}, and torch {torch.__version__} has no such tensors: "
            "convert it to numbers in a transform, or leave the field out. Strings and objects that are not in an "
            "array need no conversion: they stay lists"
        ) from error
