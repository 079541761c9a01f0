"""Which samples exist."""

from typing import TYPE_CHECKING

from dataload.lazy import lazily

# Once for type checkers, once for `lazily`; a test compares the two.
if TYPE_CHECKING:
    from dataload.audio.segment import Segment
    from dataload.sources.array import ArraySource
    from dataload.sources.base import Source
    from dataload.sources.concat import ConcatSource
    from dataload.sources.files import FileSource
    from dataload.sources.segments import SegmentSource
    from dataload.sources.table import TableSource
    from dataload.sources.tar import TarSource
    from dataload.sources.tfrecord import TFRecordSource
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "dataload.audio.segment": ["Segment"],
            "dataload.sources.array": ["ArraySource"],
            "dataload.sources.base": ["Source"],
            "dataload.sources.concat": ["ConcatSource"],
            "dataload.sources.files": ["FileSource"],
            "dataload.sources.segments": ["SegmentSource"],
            "dataload.sources.table": ["TableSource"],
            "dataload.sources.tar": ["TarSource"],
            "dataload.sources.tfrecord": ["TFRecordSource"],
        },
    )

__all__ = [
    "ArraySource",
    "ConcatSource",
    "FileSource",
    "Segment",
    "SegmentSource",
    "Source",
    "TFRecordSource",
    "TableSource",
    "TarSource",
]
