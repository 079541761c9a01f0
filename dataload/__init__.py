"""dataload: one source/sampler/loader core that feeds torch or TensorFlow the same batches."""

from dataload import errors
from dataload.chain import Chain, RandomBatchTransform, RandomTransform
from dataload.collate import pad, stack
from dataload.iteration import LoaderStats
from dataload.loader import Loader
from dataload.samplers import RandomSampler, Sampler, SequentialSampler
from dataload.sources import ArraySource, FileSource, Segment, SegmentSource, Source, TableSource

__version__ = "0.1.0"

__all__ = [
    "ArraySource",
    "Chain",
    "FileSource",
    "Loader",
    "LoaderStats",
    "RandomBatchTransform",
    "RandomSampler",
    "RandomTransform",
    "Sampler",
    "Segment",
    "SegmentSource",
    "SequentialSampler",
    "Source",
    "TableSource",
    "__version__",
    "errors",
    "pad",
    "stack",
]
