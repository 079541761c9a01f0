"""In which order the samples of a source come, and which of them share a batch."""

from typing import TYPE_CHECKING

from dataload.lazy import lazily

# Once for type checkers, once for `lazily`; a test compares the two.
if TYPE_CHECKING:
    from dataload.samplers.base import BatchSampler, IndexArray, Sampler
    from dataload.samplers.block_shuffle import BlockShuffleSampler
    from dataload.samplers.blocks import BlockSampler
    from dataload.samplers.buckets import BucketBatchSampler
    from dataload.samplers.mixture import MixtureSampler
    from dataload.samplers.random import RandomSampler
    from dataload.samplers.sequential import SequentialSampler
    from dataload.samplers.subset import SubsetSampler
    from dataload.samplers.weighted import WeightedSampler
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "dataload.samplers.base": ["BatchSampler", "IndexArray", "Sampler"],
            "dataload.samplers.block_shuffle": ["BlockShuffleSampler"],
            "dataload.samplers.blocks": ["BlockSampler"],
            "dataload.samplers.buckets": ["BucketBatchSampler"],
            "dataload.samplers.mixture": ["MixtureSampler"],
            "dataload.samplers.random": ["RandomSampler"],
            "dataload.samplers.sequential": ["SequentialSampler"],
            "dataload.samplers.subset": ["SubsetSampler"],
            "dataload.samplers.weighted": ["WeightedSampler"],
        },
    )

__all__ = [
    "BatchSampler",
    "BlockSampler",
    "BlockShuffleSampler",
    "BucketBatchSampler",
    "IndexArray",
    "MixtureSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetSampler",
    "WeightedSampler",
]
