"""How batches come back from worker processes without being copied."""
