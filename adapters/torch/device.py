"""How a batch of tensors gets to a device.

Apart from the DataLoader, because each kind of device has a way of its own: the CPU needs none, CUDA copies in the
background if it is given pinned memory and a stream for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch

from dataload.adapters.torch.tensors import map_tensors

# Batches that are on the device before they are asked for. One is copied while the step on the batch before it runs.
_AHEAD = 2


class Mover(Protocol):
    """Brings batches to a device."""

    @property
    def ahead(self) -> int:
        """Batches to bring there before they are asked for."""
        ...

    def send(self, batch: Any) -> Any:
        """Begin to bring a batch of tensors there, on any thread; what is returned goes to `receive`."""
        ...

    def receive(self, sent: Any) -> Any:
        """Return the batch as the training loop may use it, on that loop's thread."""
        ...


def make_mover(device: torch.device, non_blocking: bool) -> Mover:
    """Return what brings tensors to the device; raises what torch raises for a device that it cannot use."""
    if device.type == "cpu":
        return Stay()
    torch.empty(0, device=device)
    if device.type == "cuda" and non_blocking:
        return CudaCopy(device, torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
    return Copy(device)


@dataclass(frozen=True)
class Stay:
    """For the CPU: the tensors stay on the loader's memory."""

    ahead: int = 0

    def send(self, batch: Any) -> Any:
        """Return the batch."""
        return batch

    def receive(self, sent: Any) -> Any:
        """Return the batch."""
        return sent


@dataclass(frozen=True)
class Copy:
    """For any other device: a copy that is there when `send` returns.

    The loader may use its memory for another batch as soon as the tensor on it is gone, so the copy must be over then.
    """

    device: torch.device
    ahead: int = 0

    def send(self, batch: Any) -> Any:
        """Return the batch on the device."""
        return map_tensors(batch, lambda tensor: tensor.to(self.device))

    def receive(self, sent: Any) -> Any:
        """Return the batch."""
        return sent


@dataclass(frozen=True)
class CudaCopy:
    """For CUDA: pinned on the thread that takes batches ahead, copied on a stream of its own meanwhile.

    Only from pinned memory does CUDA copy in the background, and torch keeps a pinned block until that is done.
    """

    device: torch.device
    stream: torch.cuda.Stream
    ahead: int = _AHEAD

    def send(self, batch: Any) -> Any:
        """Begin to copy, and return the batch with the event that ends the copy."""
        with torch.cuda.stream(self.stream):
            copied = map_tensors(batch, lambda tensor: tensor.pin_memory().to(self.device, non_blocking=True))
            return copied, self.stream.record_event()

    def receive(self, sent: Any) -> Any:
        """Let the loop's stream wait for the copy, not the loop itself."""
        batch, copied = sent
        current = torch.cuda.current_stream(self.device)
        current.wait_event(copied)

        def used(tensor: torch.Tensor) -> torch.Tensor:
            # The memory belongs to the copying stream, which would take it for the next batch while a step that was
            # given to the loop's stream still has to read it.
            tensor.record_stream(current)
            return tensor

        return map_tensors(batch, used)
