"""One Ray cluster for all tests of a session, which this process is in; those that need another one run programs."""

import os
import shutil
import tempfile

import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

STORE = 200_000_000


@pytest.fixture(scope="session")
def cluster():
    """The address of a cluster with one machine, no CPUs and an object store of 200 MB."""
    import ray

    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    # No CPUs: Ray starts an idle process for each.
    context = ray.init(
        address="local",
        num_cpus=0,
        object_store_memory=STORE,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=folder,
    )
    yield context.address_info["gcs_address"]
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def workers(cluster):
    """Workers of that cluster, which count as no CPU."""
    from dataload.adapters.ray import RayWorkers

    return RayWorkers(num_cpus=0)
