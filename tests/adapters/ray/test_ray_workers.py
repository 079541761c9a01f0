"""Workers in a Ray cluster: the contract, the same batches, what is lost, and what cannot work."""

import logging
import os
import random
import shutil
import signal
import threading
import time

import conformance
import numpy as np
import psutil
import pytest
import ray
from cached_chains import Scaled
from same_batches import check, record, two_epochs

from dataload import ArraySource, Cache, FileSource, Loader
from dataload.adapters.ray import RayWorkers
from dataload.adapters.ray.actor import Actor
from dataload.adapters.ray.shipment import check_machine, local_paths
from dataload.errors import ConfigError, NotPicklable, WorkerDied, WorkerError, WorkerTimeout


def actors():
    return [process for process in psutil.Process().children(recursive=True) if "ray::Actor" in process.name()]


def threads():
    return {thread for thread in threading.enumerate() if thread.name.startswith("dataload")}


def test_actors_keep_the_contract_of_workers(workers):
    # Other tests of this process may have read from a store, whose threads wait for the next read.
    before = threads()
    conformance.check_workers(workers, 2)
    # Not by their descriptors: connections stay Ray's.
    deadline = time.monotonic() + 2
    while (actors() or threads() - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not actors() and not threads() - before


def test_the_same_batches_bit_for_bit(workers, tmp_path):
    record(tmp_path)
    check(iter, tmp_path, two_epochs(tmp_path), num_workers=2, worker=workers)


def test_a_state_moves_between_actors_and_no_workers(workers):
    def make(**options):
        return Loader(ArraySource(np.arange(60)), batch_size=4, shuffle=True, seed=1, **options)

    whole = np.concatenate(list(make()))
    for first, second in (({}, {"num_workers": 1, "worker": workers}), ({"num_workers": 1, "worker": workers}, {})):
        with make(**first) as before, make(**second) as after:
            batches = iter(before)
            seen = [next(batches) for _ in range(6)]
            after.load_state_dict(before.state_dict())
            assert np.concatenate([*seen, *after]).tolist() == whole.tolist()


def pid(value):
    time.sleep(0.004)
    return {"value": value, "pid": os.getpid()}


def test_killed_actors_change_nothing_and_are_counted(workers, budget):
    kills = 5 * budget
    samples = 150 * kills
    rng = random.Random(3)
    # A batch may be unlucky several times.
    with Loader(range(samples), transforms=pid, batch_size=5, num_workers=2, worker=workers, max_retries=9) as loader:
        seen, killed = [], 0
        for k, batch in enumerate(loader):
            seen += batch["value"].tolist()
            if killed < kills and k % 30 == 10:
                threading.Timer(rng.uniform(0, 0.01), os.kill, (int(batch["pid"][0]), signal.SIGKILL)).start()
                killed += 1
            assert actors()
        assert seen == list(range(samples))
        assert 1 <= loader.stats.died <= kills
        assert sum(loader.stats.nodes.values()) <= 2 == loader.stats.num_workers
        assert all(name.count(".") == 3 for name in loader.stats.nodes)


def exit_on_eleven(value):
    if value == 11:
        os._exit(3)
    return value


def test_a_sample_that_ends_every_worker_is_found_and_left_out(workers):
    options = {"transforms": exit_on_eleven, "batch_size": 4, "max_retries": 0}
    with Loader(range(40), num_workers=2, worker=workers, on_error="skip", **options) as loader:
        assert np.concatenate(list(loader)).tolist() == [value for value in range(40) if value != 11]
        (bad,) = loader.stats.errors
        assert bad.index == 11 and "ended" in bad.error
        # Where its worker had another batch too, which one has ended it is tried out.
        assert 2 <= loader.stats.died <= 3
    with (
        Loader(range(40), num_workers=2, worker=workers, **options) as loader,
        pytest.raises(WorkerDied, match=r"ray worker \d \(pid \d+ on .*\) ended while making batch 2 of epoch 0"),
    ):
        list(loader)


def log_and_scale(value):
    logging.getLogger("of.a.transform").warning("at %d", value)
    return np.full(50_000, value, np.float32)


def test_batches_are_in_memory_that_is_used_again_and_records_arrive(workers, caplog):
    with Loader(range(120), transforms=log_and_scale, batch_size=4, num_workers=2, worker=workers) as loader:
        places = set()
        for k, batch in enumerate(loader):
            assert batch.flags.writeable and batch.ctypes.data % 64 == 0 and batch[3, 0] == 4 * k + 3
            batch[:] = -1
            places.add(batch.ctypes.data)
            del batch
        assert len(places) < 20
        stages = {stage.name: stage for stage in loader.stats.stages}
        assert list(stages) == ["read", "log_and_scale", "collate", "transport"]
        assert all(one.begun <= one.ended <= one.arrived <= one.delivered for one in loader.stats.recent)
    assert {record.getMessage() for record in caplog.records} >= {f"at {value}" for value in range(120)}


def test_results_of_transforms_are_kept_for_all_actors(workers, tmp_path):
    chain = [Scaled(2.0), Cache(str(tmp_path), "10MB")]
    for found in (0, 40):
        with Loader(range(40), transforms=chain, batch_size=4, num_workers=2, worker=workers) as loader:
            assert np.concatenate(list(loader)).tolist() == [2.0 * value for value in range(40)]
            assert loader.stats.from_cache == found


def wait_a_little(value):
    time.sleep(0.002)
    return value


def test_the_number_of_actors_can_change_and_is_found(workers):
    with Loader(range(1600), transforms=wait_a_little, batch_size=4, num_workers="auto", worker=workers) as loader:
        assert np.concatenate(list(loader)).tolist() == list(range(1600))
        assert loader.stats.tuning and loader.stats.worker == "ray"


def hang(value):
    time.sleep(0 if value < 4 else 100)
    return value


def test_a_hanging_actor_is_found_by_the_timeout_and_named(workers):
    # Shorter than an actor takes to start, for which `start_timeout` is there.
    with Loader(range(8), transforms=hang, batch_size=4, num_workers=1, worker=workers, timeout=2) as loader:
        batches = iter(loader)
        next(batches)
        with pytest.raises(WorkerTimeout, match=r"ray worker 0 \(pid \d+ on"):
            next(batches)


def test_what_cannot_travel_is_named(workers):
    lock = threading.Lock()
    loader = Loader(range(4), transforms=lambda value: lock and value, num_workers=1, worker=workers)
    with pytest.raises(NotPicklable, match="transform"):
        list(loader)


def test_actors_that_get_no_resources_are_not_waited_for(cluster):
    worker = RayWorkers(num_cpus=0, resources={"fast_disk": 1}, start_timeout=1)
    with (
        Loader(range(4), num_workers=2, worker=worker) as loader,
        pytest.raises(WorkerError, match=r"asks for 0 CPU, 1 fast_disk, and the cluster has .* 0 fast_disk \(0 free\)"),
    ):
        list(loader)


def large(value):
    return np.zeros(15_000_000, np.uint8)


def test_a_window_that_does_not_fit_the_object_store_names_the_number(workers):
    with (
        Loader(range(32), transforms=large, batch_size=4, num_workers=2, worker=workers) as loader,
        pytest.raises(WorkerError, match=r"holds 200 MB: start Ray there with --object-store-memory=290000000"),
    ):
        list(loader)


def test_an_array_that_does_not_fit_is_not_sent(workers):
    loader = Loader(ArraySource(np.zeros((250, 1_000_000), np.uint8)), num_workers=1, worker=workers)
    with pytest.raises(WorkerError, match="read the data from a shared path or URL"):
        list(loader)


def test_files_that_a_machine_does_not_see_are_named_before_anything_is_sent(cluster, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    loader = Loader(FileSource(tmp_path, text=str))
    paths = local_paths(loader.pipeline)
    assert paths == [str(tmp_path)]
    # All machines of this test are this one: that they do not see the folder is had by removing it.
    actor = ray.remote(Actor).options(num_cpus=0).remote(0)
    check_machine(ray.get(actor.about.remote(paths)), "ray worker 0")
    shutil.rmtree(tmp_path)
    with pytest.raises(WorkerError, match="shared path or URL"):
        check_machine(ray.get(actor.about.remote(paths)), "ray worker 0")


@pytest.mark.parametrize("options", [{"num_cpus": -1}, {"resources": 3}, {"start_timeout": 0}, {"runtime_env": "x"}])
def test_arguments_that_cannot_work_are_named(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        RayWorkers(**options)


def test_another_cluster_cannot_be_joined_in_the_same_process(cluster):
    loader = Loader(range(4), num_workers=1, worker=RayWorkers(address="127.0.0.1:1"))
    with pytest.raises(ConfigError, match="a process can be in one"):
        list(loader)
