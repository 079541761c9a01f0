"""Which samples exist."""

from dataload.audio.segment import Segment
from dataload.sources.array import ArraySource
from dataload.sources.base import Source
from dataload.sources.concat import ConcatSource
from dataload.sources.files import FileSource
from dataload.sources.segments import SegmentSource
from dataload.sources.table import TableSource
from dataload.sources.tar import TarSource
from dataload.sources.tfrecord import TFRecordSource

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
