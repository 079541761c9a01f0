"""The options of a Loader as one value: what is allowed, and what excludes what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from dataload.errors import ConfigError
from dataload.kinds import is_integer
from dataload.salvage import OnError
from dataload.samplers.base import BatchSampler, Sampler
from dataload.sharding import ShardArgument
from dataload.stages import Transforms
from dataload.workers import StartWorkers, find_kind

_MINIMA = {
    "batch_size": 1,
    "global_batch_size": 1,
    "num_workers": 0,
    "prefetch_factor": 1,
    "read_concurrency": 0,
    "max_errors": 0,
    "max_retries": 0,
}
_OTHER_VALUES = (
    ("num_workers", "auto"),
    ("global_batch_size", None),
    ("max_errors", None),
    ("read_concurrency", None),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Every argument of a `Loader` beside its source, which is described there.

    Raises:
        ConfigError: an argument that cannot work, or two that exclude each other; the message says what is allowed.
    """

    transforms: Transforms = None
    batch_size: int = 1
    global_batch_size: int | None = None
    shuffle: bool | Literal["blocks"] = False
    sampler: Sampler | Iterable[int] | None = None
    batch_sampler: BatchSampler | Iterable[Iterable[int]] | None = None
    num_workers: int | Literal["auto"] = 0
    worker: str | StartWorkers = "auto"
    collate_fn: Callable[..., Any] | None = None
    drop_last: bool = False
    seed: int = 0
    prefetch_factor: int = 2
    timeout: float = 0
    read_concurrency: int | None = None
    shard: ShardArgument = None
    on_error: OnError = "raise"
    max_errors: int | None = None
    max_retries: int = 2

    def __post_init__(self) -> None:
        for name, minimum in _MINIMA.items():
            value = getattr(self, name)
            if (name, value) in _OTHER_VALUES:
                continue
            if not is_integer(value) or value < minimum:
                raise ConfigError(f"{name}={value!r} must be a whole number from {minimum} up")
        if not isinstance(self.shuffle, bool | np.bool_) and self.shuffle != "blocks":
            raise ConfigError(
                f"shuffle={self.shuffle!r} must be True, False, or 'blocks', which reads the runs of a table or of "
                "shards whole"
            )
        find_kind(self.worker)
        if self.on_error not in get_args(OnError):
            raise ConfigError(f"on_error={self.on_error!r} must be one of {', '.join(map(repr, get_args(OnError)))}")
        if isinstance(self.timeout, bool) or not isinstance(self.timeout, int | float) or not self.timeout >= 0:
            raise ConfigError(f"timeout={self.timeout!r} must be a number of seconds, or 0 to wait for ever")
        if not is_integer(self.seed):
            raise ConfigError(f"seed={self.seed!r} must be a whole number")
        if self.collate_fn is not None and not callable(self.collate_fn):
            raise ConfigError(
                f"collate_fn={self.collate_fn!r} must be a function of a list of samples, such as stack or pad"
            )
        self._check_exclusions()

    def step_samples(self, world: int) -> int:
        """Return how many samples of the order `world` ranks together take in one step."""
        return self.batch_size * world if self.global_batch_size is None else self.global_batch_size

    def resharded(self, shard: ShardArgument, world: int, step: int | None) -> Options:
        """Return the arguments of a Loader that was given another shard from the start.

        Args:
            shard: the argument.
            world: number of ranks.
            step: samples of one step, over all ranks; None where a batch sampler decides.
        """
        if step is None or step == self.step_samples(world):
            return replace(self, shard=shard)
        if self.global_batch_size is None and step % world == 0:
            return replace(self, shard=shard, batch_size=step // world)
        return replace(self, shard=shard, batch_size=1, global_batch_size=step)

    def _check_exclusions(self) -> None:
        if self.max_errors is not None and self.on_error == "raise":
            raise ConfigError(
                "max_errors goes with on_error='skip' or 'replace': with 'raise' the first error ends the run"
            )
        if self.batch_sampler is not None:
            sized = self.batch_size != 1 or self.global_batch_size is not None
            if sized or self.shuffle or self.sampler is not None or self.drop_last:
                raise ConfigError(
                    "batch_sampler decides the batches alone: leave out batch_size, shuffle, sampler, drop_last "
                    "and global_batch_size"
                )
        elif self.sampler is not None and self.shuffle:
            raise ConfigError(
                f"shuffle={self.shuffle!r} and sampler= exclude each other: the sampler decides the order"
            )
        if self.global_batch_size is not None and self.batch_size != 1:
            raise ConfigError(
                f"batch_size={self.batch_size} and global_batch_size={self.global_batch_size} exclude each other: one "
                "is for each rank, the other for all of them together"
            )
