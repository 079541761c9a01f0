"""shard="auto" outside of Ray Train; inside of it the example finds its ranks."""

from dataload.sharding import Shard, read_shard


def test_outside_of_such_a_function_the_process_is_alone():
    import ray.train  # noqa: F401

    assert read_shard("auto", {}) == Shard(0, 1)
    assert read_shard("auto", {"RANK": "1", "WORLD_SIZE": "3"}) == Shard(1, 3)
