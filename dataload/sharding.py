"""Which part of every global step this process trains on, where several processes train together.

A global step takes `world` times `batch_size` samples off the order of the epoch; rank r gets the r-th part of them. So
all ranks walk through one order without talking to each other, and a state says how far all of them are. That is all
that they have to agree on when ranks come or go in the middle of an epoch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dataload.errors import ConfigError
from dataload.kinds import is_integer

ShardArgument = tuple[int, int] | Literal["auto"] | None


@dataclass(frozen=True)
class Shard:
    """Part `rank` of `world`; by default the only one."""

    rank: int = 0
    world: int = 1


ALONE = Shard()


def read_shard(shard: Any, environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the shard that the argument of a Loader means.

    Args:
        shard: (rank, world); None for a process that trains alone; "auto" asks torch.distributed, where the process
            has joined a group, else Ray Train, in a function that it runs, and else the environment variables RANK and
            WORLD_SIZE, as torchrun sets them; where there is none of these the process trains alone.
        environment: variables.

    Raises:
        ConfigError: it is none of these, or rank is not below world.
    """
    if shard is None:
        return ALONE
    source = f"shard={shard!r}"
    if shard == "auto":
        shard, source = _found(environment)
    if not isinstance(shard, tuple | list) or len(shard) != 2 or not all(map(is_integer, shard)):
        raise ConfigError(f"{source} must be two whole numbers (rank, world), 'auto', or None")
    rank, world = shard
    if not 0 <= rank < world:
        raise ConfigError(f"{source}: rank must be from 0 up and below world, here from 0 to {world - 1}")
    return Shard(rank, world)


def new_shard(rank: Any, world: Any, before: Any) -> tuple[Shard, ShardArgument]:
    """Return the shard that the arguments of `Loader.reshard` mean, and how a Loader would have been given it.

    Args:
        rank: of this process.
        world: number of ranks; None with rank None asks again what "auto" asks.
        before: the argument `shard` of the Loader.

    Raises:
        ConfigError: it is no shard, half of one is given, or nothing, where the Loader does not ask by itself.
    """
    if rank is None and world is None:
        if before != "auto":
            raise ConfigError(
                f"reshard() without rank and world asks what shard='auto' asks, and this Loader has shard={before!r}: "
                "say reshard(rank, world)"
            )
        return read_shard("auto"), "auto"
    if rank is None or world is None:
        raise ConfigError(f"reshard(rank={rank!r}, world={world!r}) needs both: rank {rank!r} of {world!r} ranks")
    shard = read_shard((rank, world))
    return shard, (shard.rank, shard.world)


def _found(environment: Mapping[str, str]) -> tuple[tuple[int, int], str]:
    # A process that has joined a group has imported torch.
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return (distributed.get_rank(), distributed.get_world_size()), "shard='auto' with torch.distributed"
    found = _in_ray_train()
    if found is not None:
        return found, "shard='auto' with Ray Train"
    given = {name: environment[name] for name in ("RANK", "WORLD_SIZE") if name in environment}
    if not given:
        return (0, 1), "shard='auto'"
    try:
        return (int(given["RANK"]), int(given["WORLD_SIZE"])), f"shard='auto' with {given}"
    except (KeyError, ValueError):
        raise ConfigError(
            f"shard='auto' found {given} in the environment: both RANK and WORLD_SIZE must be whole numbers. Start "
            "with torchrun, which sets them, or pass shard=(rank, world)"
        ) from None


def _in_ray_train() -> tuple[int, int] | None:
    # A function that Ray Train runs is in a process that has imported it.
    train = sys.modules.get("ray.train")
    if train is None:
        return None
    try:
        context = train.get_context()
        return context.get_world_rank(), context.get_world_size()
    except (RuntimeError, DeprecationWarning):  # not in such a function, or in one of Ray Tune
        return None
