"""In which order the samples of a source come."""

from dataload.samplers.base import IndexArray, Sampler
from dataload.samplers.random import RandomSampler
from dataload.samplers.sequential import SequentialSampler

__all__ = ["IndexArray", "RandomSampler", "Sampler", "SequentialSampler"]
