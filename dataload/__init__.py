"""dataload: one source/sampler/loader core that feeds torch or TensorFlow the same batches."""

from dataload import errors, registry
from dataload.chain import Chain, RandomBatchTransform, RandomTransform
from dataload.collate import Pad, Stack, pad, stack
from dataload.loader import Loader
from dataload.salvage import BadSample
from dataload.samplers import (
    BlockSampler,
    BucketBatchSampler,
    MixtureSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetSampler,
    WeightedSampler,
)
from dataload.sources import (
    ArraySource,
    ConcatSource,
    FileSource,
    Segment,
    SegmentSource,
    Source,
    TableSource,
    TarSource,
    TFRecordSource,
)
from dataload.stats import LoaderStats

__version__ = "0.1.0"

__all__ = [
    "ArraySource",
    "BadSample",
    "BlockSampler",
    "BucketBatchSampler",
    "Chain",
    "ConcatSource",
    "FileSource",
    "Loader",
    "LoaderStats",
    "MixtureSampler",
    "Pad",
    "RandomBatchTransform",
    "RandomSampler",
    "RandomTransform",
    "Sampler",
    "Segment",
    "SegmentSource",
    "SequentialSampler",
    "Source",
    "Stack",
    "SubsetSampler",
    "TFRecordSource",
    "TableSource",
    "TarSource",
    "WeightedSampler",
    "__version__",
    "errors",
    "pad",
    "stack",
]


def _register_transforms() -> None:
    import dataload.transforms  # noqa: F401  late: scipy is slow to import, and only a chain that names one needs it


registry.add_loader(_register_transforms)
