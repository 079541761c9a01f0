"""The loader as a `torch.utils.data.DataLoader`.

The loader's workers make the batches; what happens here is that each array becomes a tensor on the same memory. The
result is a real DataLoader, and its parts are real ones: code that asks for one takes it (`isinstance`, `len`,
`.batch_size`), and tools that make another DataLoader of `.dataset`, `.batch_sampler` and `.collate_fn`, as
`accelerate.skip_first_batches` does, get the same batches.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import distributed
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, Sampler, SequentialSampler

from dataload.adapters.hooks import PassHooks
from dataload.adapters.passes import Passes, Resumable
from dataload.adapters.torch import accelerate
from dataload.adapters.torch.dataset import TorchDataset
from dataload.adapters.torch.device import Copy, make_mover
from dataload.adapters.torch.tensors import to_tensors
from dataload.batching import SizedBatches
from dataload.errors import ConfigError
from dataload.loader import Loader
from dataload.samplers.base import IndexArray


def to_dataloader(
    loader: Loader, device: str | torch.device | None = None, *, non_blocking: bool = True
) -> TorchLoader:
    """Return the loader as a DataLoader, whose batches hold tensors in the place of arrays.

    Dicts, tuples, lists, named tuples and dataclasses stay what they are; strings and other objects stay lists.

    Each pass over it is the loader's next epoch, as in torch, with three differences from `iter(loader)`, because
    training tools begin passes that they drop, look at one batch, and never ask for more than the last one. A pass
    begins with its first batch. One in which Keras takes the first batch to see its shapes is only a look: the next one
    starts where it started. And one of which the last batch was taken is whole.

    `state_dict()` counts the batches that were handed out, whatever is on its way to a device: save it between two
    steps, in any tool, and `load_state_dict` goes on with the next batch. Lightning and Accelerate (`save_state`) do
    both by themselves. The Trainer of Hugging Face resumes by skipping batches of a DataLoader that it makes of this
    one's parts, so the epoch that it resumes in does without the loader's workers.

    Among several ranks give the Loader its share, `shard="auto"`: Lightning then puts no sampler of its own in the
    place of the order, and Accelerate's `prepare` changes nothing.

    Args:
        loader: makes the batches, with its own workers, order and state.
        device: None or "cpu" leaves the tensors on the loader's own memory, without a copy. A CUDA device gets them
            ahead of the training loop: pinned on a thread of their own, copied on a stream of their own. Any other
            device gets them by `.to(device)`. Then ask the DataLoader for the state, not the loader, which is ahead.
        non_blocking: False copies to a CUDA device when a batch is asked for, and waits for it.

    Returns:
        A DataLoader with `set_epoch`, `state_dict` and `load_state_dict`. While a batch is on its way it raises what
        the loader raises, and `CollateError` for an array of a type that torch has no tensor for (strings, objects,
        structures, times); the message names the field.

    Warns:
        UserWarning: among several ranks of torch.distributed, a loader that does not share out its samples.

    >>> dataloader = to_dataloader(Loader([1.0, 2.0, 3.0], batch_size=2))
    >>> list(dataloader)
    [tensor([1., 2.], dtype=torch.float64), tensor([3.], dtype=torch.float64)]
    """
    return TorchLoader(loader, device, non_blocking)


class TorchLoader(Resumable, DataLoader[Any]):
    """A DataLoader whose batches come from a `Loader`; see `to_dataloader`.

    Attributes:
        loader: makes the batches.
        device: where the tensors are.
        num_workers: 0, because torch starts none: `loader.num_workers` do the work.
        dataset: the transformed samples of the epoch under way, as `to_dataset` gives them.
        use_stateful_dataloader: tells Accelerate that `save_state` can save the state, and `load_state` restore it.
        remainder: tells Accelerate that no sample comes twice to fill up the last batch.
    """

    use_stateful_dataloader = True
    remainder = 0
    # Tells Accelerate's `prepare` to leave it as it is: it would make a DataLoader without the loader's workers of it.
    _is_accelerate_prepared = True

    def __init__(
        self, loader: Loader, device: str | torch.device | None = None, non_blocking: bool = True, **parts: Any
    ) -> None:
        loader, parts = _in_order(loader, parts)
        target = torch.device(device or "cpu")
        mover = make_mover(target, non_blocking)
        samples = parts.get("dataset") or TorchDataset(loader.pipeline, torch.tensor(loader.state_dict()["epoch"]))
        # Nothing here refers back to the DataLoader: the workers end when it is dropped, not when a cycle is found.
        self._passes = Passes(
            loader,
            lambda batch: mover.send(to_tensors(batch)),
            arrive=mover.receive,
            ahead=mover.ahead,
            hooks=_Hooks(samples, weakref.ref(self)),
        )
        # The samplers are for code that looks at them, or makes another DataLoader; batches are made by the loader.
        listed = {} if parts else _listed(self._passes)
        options = {name: part for name, part in listed.items() if name != "batch_sampler"}
        if not options:
            options["batch_sampler"] = _foreign_batches(parts) or _Batches(self._passes)
        copy = Copy(target)
        super().__init__(samples, collate_fn=lambda values: copy.send(samples.collate_fn(values)), **options)
        # Torch's own batch sampler has no set_epoch; past torch's guard, which keeps users from changing these.
        self.__dict__.update(listed)
        _warn_of_ranks(loader)
        self.loader = loader
        self.device = target
        self._foreign = bool(parts)

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return super().__len__() if self._foreign else len(self.loader)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Return the next pass: the next epoch, or what is left of the one of a loaded state."""
        return super().__iter__() if self._foreign else self._passes.start()

    def reshard(self, rank: int | None = None, world: int | None = None, *, batch_size: int | None = None) -> None:
        """Go on as another rank, or among another number of ranks, at the next step; see `Loader.reshard`."""
        if self._foreign:
            raise ConfigError(
                "a tool has made this DataLoader of another one's parts, and torch makes its batches: call reshard of "
                "what to_dataloader returned, and give that to the tool again"
            )
        super().reshard(rank, world, batch_size=batch_size)
        self.__dict__.update(_listed(self._passes))

    @property
    def end_of_dataloader(self) -> bool:
        """Whether the batch handed out last was the last one of its epoch; Accelerate asks for it."""
        return self._passes.at_last

    def __repr__(self) -> str:
        return f"to_dataloader({self.loader!r}, device={str(self.device)!r})"


def _listed(passes: Passes) -> dict[str, Any]:
    """Return the parts of a DataLoader that say what its batches are; none where a batch sampler decides."""
    loader = passes.loader
    if not isinstance(loader.plan, SizedBatches):
        return {}
    size, drop_last = loader.plan.batch_size, loader.drop_last
    order = (_RankOrder if loader.shard.world > 1 else _Order)(passes)
    listed = {"batch_size": size, "sampler": order, "drop_last": drop_last}
    return {**listed, "batch_sampler": _OrderInBatches(order, size, drop_last)}


def _in_order(loader: Loader, parts: dict[str, Any]) -> tuple[Loader, dict[str, Any]]:
    """Return a loader in the source's own order where a tool asks for that, as Lightning does to overfit some batches.

    What else a tool brings stays in the parts.
    """
    asked = type(_order_in(parts)) is SequentialSampler
    if asked and isinstance(loader.plan, SizedBatches) and loader.shard.world == 1:
        return loader.with_options(shuffle=False, sampler=None), {}
    return loader, parts


def _order_in(parts: dict[str, Any]) -> Any:
    """Return the sampler that a tool brings, by itself or inside of a batch sampler."""
    return parts.get("sampler") or getattr(parts.get("batch_sampler"), "sampler", None)


def _foreign_batches(parts: dict[str, Any]) -> Any:
    """Return the batch sampler of a tool that makes another DataLoader like one that it was given, or None.

    Lightning does so to predict: it wraps the batch sampler to know which samples it is at. The batches are then made
    in the loop's own thread, of the samples that are asked for.

    Raises:
        ConfigError: the tool brings an order of its own, as it does to share samples out to ranks.
    """
    batches, order = parts.get("batch_sampler"), _order_in(parts)
    if order is not None and not isinstance(order, _Order):
        raise ConfigError(
            f"something wants to put a {type(order).__name__} in the place of the Loader's order, so its workers and "
            "state would be for nothing: share samples out to ranks with Loader(..., shard='auto')"
        )
    return batches


def _warn_of_ranks(loader: Loader) -> None:
    if loader.shard.world == 1 and distributed.is_available() and distributed.is_initialized():
        world = distributed.get_world_size()
        if world > 1:
            warnings.warn(
                f"this is one of {world} ranks in torch.distributed, but the Loader gives each of them all samples: "
                "share them out with Loader(..., shard='auto')",
                stacklevel=4,
            )


class _Hooks(PassHooks):
    """Keeps the dataset's epoch that of the passes, and tells Accelerate of them."""

    def __init__(self, samples: TorchDataset, owner: weakref.ref[TorchLoader]) -> None:
        self._samples = samples
        self._owner = owner

    def epoch(self, epoch: int) -> None:
        self._samples.set_epoch(epoch)

    def began(self) -> None:
        accelerate.began(self._owner())

    def ended(self) -> None:
        accelerate.ended(self._owner())


class _Order(Sampler[int]):
    """The indices of the epoch under way."""

    def __init__(self, passes: Passes) -> None:
        self._passes = passes

    def __len__(self) -> int:
        return sum(map(len, self._batches()))

    def __iter__(self) -> Iterator[int]:
        for batch in self._batches():
            yield from batch.tolist()

    def _batches(self) -> Iterator[IndexArray]:
        return self._passes.loader.plan.batches(self._passes.state_dict()["epoch"])

    def set_epoch(self, epoch: int) -> None:
        """Do what `Loader.set_epoch` does: tools that know a sampler's epoch call it here."""
        self._passes.set_epoch(epoch)


class _RankOrder(_Order, DistributedSampler[int]):
    """The indices of this rank in the epoch under way.

    By its class Lightning and others know that the samples are shared out to ranks already.
    """

    def __init__(self, passes: Passes) -> None:
        shard = passes.loader.shard
        DistributedSampler.__init__(self, passes.loader.source, shard.world, shard.rank, shuffle=False)
        _Order.__init__(self, passes)


class _OrderInBatches(BatchSampler):
    """The indices of the epoch under way, batch by batch."""

    def __init__(self, sampler: _Order, batch_size: int, drop_last: bool) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self._order = sampler

    def set_epoch(self, epoch: int) -> None:
        """Do what `Loader.set_epoch` does; the Trainer of Hugging Face calls it here when it resumes."""
        self._order.set_epoch(epoch)


class _Batches(Sampler[list[int]]):
    """The lists of indices of the epoch under way."""

    def __init__(self, passes: Passes) -> None:
        self._passes = passes

    def __len__(self) -> int:
        return len(self._passes.loader)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._passes.loader.plan.batches(self._passes.state_dict()["epoch"]):
            yield batch.tolist()

    def set_epoch(self, epoch: int) -> None:
        """Do what `Loader.set_epoch` does."""
        self._passes.set_epoch(epoch)
