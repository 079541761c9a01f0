"""Where bytes are kept: a disk, a bucket, the web, under one contract."""
