"""dataload: one source/sampler/loader core that feeds torch or TensorFlow the same batches."""

from typing import TYPE_CHECKING

from dataload import registry
from dataload.lazy import lazily
from dataload.version import VERSION

# Once for type checkers, once for `lazily`; a test compares the two.
if TYPE_CHECKING:
    from dataload import errors
    from dataload.caching import Cache
    from dataload.chain import Chain, RandomBatchTransform, RandomTransform
    from dataload.collate import Pad, Stack, pad, stack
    from dataload.loader import Loader
    from dataload.salvage import BadSample
    from dataload.samplers import (
        BlockSampler,
        BlockShuffleSampler,
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
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "dataload.caching": ["Cache"],
            "dataload.chain": ["Chain", "RandomBatchTransform", "RandomTransform"],
            "dataload.collate": ["Pad", "Stack", "pad", "stack"],
            "dataload.loader": ["Loader"],
            "dataload.salvage": ["BadSample"],
            "dataload.samplers": [
                "BlockSampler",
                "BlockShuffleSampler",
                "BucketBatchSampler",
                "MixtureSampler",
                "RandomSampler",
                "Sampler",
                "SequentialSampler",
                "SubsetSampler",
                "WeightedSampler",
            ],
            "dataload.sources": [
                "ArraySource",
                "ConcatSource",
                "FileSource",
                "Segment",
                "SegmentSource",
                "Source",
                "TableSource",
                "TarSource",
                "TFRecordSource",
            ],
            "dataload.stats": ["LoaderStats"],
        },
    )

__version__ = VERSION

__all__ = [
    "ArraySource",
    "BadSample",
    "BlockSampler",
    "BlockShuffleSampler",
    "BucketBatchSampler",
    "Cache",
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
    import dataload.caching
    import dataload.transforms  # noqa: F401  late: scipy is slow to import, and only a chain that names one needs it


registry.add_loader(_register_transforms)
