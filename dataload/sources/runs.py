"""From the runs of a source to the order of `Loader(shuffle="blocks")`.

A block is what is read at once. A source that reads its runs whole (row groups) has them as blocks; a long run that can
be read in part (a shard) is cut, so that a window of blocks stays small; short runs are joined, so that it is mixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dataload.samplers.base import Sampler
from dataload.samplers.block_shuffle import BlockShuffleSampler, cut_runs, join_runs
from dataload.samplers.sequential import SequentialSampler
from dataload.sources.base import WholeRunSource, runs_of
from dataload.sources.concat import ConcatSource

# A megabyte of samples of a kilobyte; a window of eight such blocks mixes thousands of samples.
_MAX_SAMPLES = 1024
_MIN_SAMPLES = 512
_BLOCKS_AT_ONCE = 8
# Blocks kept beyond those of a window: threads on both sides of its end would make each other read theirs again.
_BLOCKS_AHEAD = 4


def shuffled_in_blocks(source: Any, seed: int) -> Sampler:
    """Return the order of a source that reads each of its blocks once, and have the source keep those of a window.

    Raises:
        ConfigError: the source, or one inside of it, does not know its runs.
    """
    runs_of(source)
    parts = _parts(source)
    pieces = np.concatenate([_pieces(part) for part in parts])
    begins = join_runs(pieces, _MIN_SAMPLES)
    if not len(begins):
        return SequentialSampler(0)
    blocks = np.add.reduceat(pieces, begins)
    runs_in_blocks = np.sort(np.diff(begins, append=len(pieces)))
    for part in parts:
        if isinstance(part, WholeRunSource):
            part.keep_runs(int(runs_in_blocks[-(_BLOCKS_AT_ONCE + _BLOCKS_AHEAD) :].sum()))
    return BlockShuffleSampler(blocks, blocks_at_once=_BLOCKS_AT_ONCE, seed=seed)


def _parts(source: Any) -> list[Any]:
    """Return the sources that a source is made of, in order."""
    if isinstance(source, ConcatSource):
        return [part for inner in source.sources for part in _parts(inner)]
    return [source]


def _pieces(source: Any) -> Any:
    """Return the runs of a source as they are read, without empty ones: (pieces,) int64."""
    runs = runs_of(source)
    runs = runs[runs > 0]
    return runs if isinstance(source, WholeRunSource) else cut_runs(runs, _MAX_SAMPLES)
