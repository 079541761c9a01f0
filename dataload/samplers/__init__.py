"""In which order the samples of a source come, and which of them share a batch."""

from dataload.samplers.base import BatchSampler, IndexArray, Sampler
from dataload.samplers.block_shuffle import BlockShuffleSampler
from dataload.samplers.blocks import BlockSampler
from dataload.samplers.buckets import BucketBatchSampler
from dataload.samplers.mixture import MixtureSampler
from dataload.samplers.random import RandomSampler
from dataload.samplers.sequential import SequentialSampler
from dataload.samplers.subset import SubsetSampler
from dataload.samplers.weighted import WeightedSampler

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
