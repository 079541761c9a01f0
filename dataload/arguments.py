"""The arguments of a Loader: what is allowed, what excludes what, and the plan that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataload.batching import ListedBatches, Plan, SizedBatches
from dataload.errors import ConfigError
from dataload.samplers import BatchSampler, RandomSampler, Sampler, SequentialSampler
from dataload.samplers.foreign import ForeignBatchSampler, ForeignSampler
from dataload.sharding import Shard

_CHOICES = {"worker": ("auto", "thread", "process"), "on_error": ("raise", "skip", "replace")}
_LEAST = {
    "batch_size": 1,
    "num_workers": 0,
    "prefetch_factor": 1,
    "read_concurrency": 0,
    "max_errors": 0,
    "max_retries": 0,
}


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ConfigError if one of a Loader's arguments cannot work; the message says what is allowed."""
    for name, least in _LEAST.items():
        value = options[name]
        if (name, value) in (("num_workers", "auto"), ("max_errors", None)):
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{name}={value!r} must be a whole number from {least} up")
    for name, choices in _CHOICES.items():
        if options[name] not in choices:
            raise ConfigError(f"{name}={options[name]!r} must be one of {', '.join(map(repr, choices))}")
    timeout, seed, collate_fn = options["timeout"], options["seed"], options["collate_fn"]
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
        raise ConfigError(f"timeout={timeout!r} must be a number of seconds, or 0 to wait for ever")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ConfigError(f"seed={seed!r} must be a whole number")
    if collate_fn is not None and not callable(collate_fn):
        raise ConfigError(f"collate_fn={collate_fn!r} must be a function of a list of samples, such as stack or pad")
    if options["max_errors"] is not None and options["on_error"] == "raise":
        raise ConfigError(
            "max_errors goes with on_error='skip' or 'replace': with 'raise' the first error ends the run"
        )


def make_plan(source: Any, options: Mapping[str, Any], shard: Shard) -> Plan:
    """Return which indices make which batch.

    Raises:
        ConfigError: arguments that exclude each other, or a sampler that is none.
    """
    batch_sampler, seed = options["batch_sampler"], options["seed"]
    if batch_sampler is None:
        sampler = _make_sampler(source, options["sampler"], options["shuffle"], seed)
        return SizedBatches(sampler, options["batch_size"], options["drop_last"], shard)
    if options["batch_size"] != 1 or options["shuffle"] or options["sampler"] is not None or options["drop_last"]:
        raise ConfigError(
            "batch_sampler decides the batches alone: leave out batch_size, shuffle, sampler and drop_last"
        )
    if isinstance(batch_sampler, BatchSampler):
        return ListedBatches(batch_sampler, shard)
    if not hasattr(batch_sampler, "__iter__"):
        raise ConfigError(
            f"batch_sampler is a {type(batch_sampler).__name__}: it must be an iterable of lists of indices"
        )
    return ListedBatches(ForeignBatchSampler(batch_sampler, seed), shard)


def _make_sampler(source: Any, sampler: Any, shuffle: bool, seed: int) -> Sampler:
    if sampler is None:
        length = len(source)
        return RandomSampler(length, seed) if shuffle else SequentialSampler(length)
    if shuffle:
        raise ConfigError("shuffle=True and sampler= exclude each other: the sampler decides the order")
    # torch's SubsetRandomSampler has `indices` too: a list.
    if isinstance(sampler, Sampler) and callable(sampler.indices):
        return sampler
    if hasattr(sampler, "__iter__"):
        return ForeignSampler(sampler, seed)
    raise ConfigError(
        f"sampler is a {type(sampler).__name__}: it must have indices(epoch, start, stop), or be iterable"
    )
