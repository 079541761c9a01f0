"""Making shards of any source: tar files, TFRecords or Parquet, in order, and resumed where a run was stopped."""

from dataload.shards.pack.packing import FORMATS, Packed, Packing

__all__ = ["FORMATS", "Packed", "Packing"]
