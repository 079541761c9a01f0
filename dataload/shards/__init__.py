"""Shards: big files that hold many samples each, and the index that says where."""
