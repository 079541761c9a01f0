"""shard="auto" in a function that Ray Train runs."""

import json
import signal

import pytest

from dataload.sharding import Shard, read_shard


def which_shard(config):
    import ray.train

    from dataload.sharding import read_shard

    found = read_shard("auto", {})
    ray.train.report({})
    with open(f"{config['folder']}/{found.rank}.json", "w") as file:  # noqa: PTH123
        json.dump([found.rank, found.world], file)


@pytest.fixture
def own_interrupts():
    """Ray Train takes Ctrl-C for itself in the program that starts it, and keeps it."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("own_interrupts")
def test_every_rank_of_ray_train_finds_its_own(cluster, tmp_path):
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    DataParallelTrainer(
        which_shard,
        train_loop_config={"folder": str(tmp_path)},
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0, "rank": 1}),
        run_config=RunConfig(storage_path=str(tmp_path / "runs")),
    ).fit()
    assert [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))] == [[0, 2], [1, 2]]


def test_outside_of_such_a_function_the_process_is_alone():
    import ray.train  # noqa: F401

    assert read_shard("auto", {}) == Shard(0, 1)
    assert read_shard("auto", {"RANK": "1", "WORLD_SIZE": "3"}) == Shard(1, 3)
