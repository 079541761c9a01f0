"""Which samples exist."""

from dataload.sources.array import ArraySource
from dataload.sources.base import Source
from dataload.sources.concat import ConcatSource
from dataload.sources.files import FileSource
from dataload.sources.table import TableSource

__all__ = ["ArraySource", "ConcatSource", "FileSource", "Source", "TableSource"]
