"""Programs that start Ray, join a cluster, lose machines of it or the whole of it; each is a process of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import dataload

ROOT = Path(__file__).resolve().parents[3]
SETUP = """
import os, sys, time
import numpy as np
from dataload import Loader
from dataload.errors import WorkerError

def slow(value):
    time.sleep(0.004)
    return value

def make(worker, samples=1000, **options):
    return Loader(range(samples), transforms=slow, batch_size=4, shuffle=True, worker=worker, **options)
"""


def environment(**more):
    names = ("RAY_ADDRESS", "RAY_AUTH_MODE")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **more}


def run(code, **more):
    command = [sys.executable, "-c", SETUP + code]
    # Not here: a driver's folder comes before PYTHONPATH in its actors.
    result = subprocess.run(command, cwd="/", env=environment(**more), capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def runs(process):
    # Whose parent was killed stays a zombie until the system's first process has seen it.
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def gone_within_two_seconds(processes, folder):
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        if not any(map(runs, processes)) and not Path(folder).exists():
            return True
        time.sleep(0.02)
    return False


STARTS = """
from dataload.adapters.ray import RayWorkers
loader = make(RayWorkers(object_store_memory=100_000_000), num_workers=1)
batches = iter(loader)
next(batches)
print("running", flush=True)
for line in sys.stdin:
    if line == "close\\n":
        loader.close()
        print("closed", flush=True)
    else:
        sys.exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["close", "exit", "kill"])
def test_nothing_is_left_of_a_ray_that_was_started_for_a_program(end):
    process = subprocess.Popen(
        [sys.executable, "-c", SETUP + STARTS],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "running\n"
        theirs = psutil.Process(process.pid).children(recursive=True)
        keeper = next(child for child in theirs if any("dl-ray-" in word for word in child.cmdline()))
        folder = next(word for word in keeper.cmdline() if "dl-ray-" in word and word.startswith("/"))
        assert Path(folder).is_dir() and any("ray::Actor" in child.name() for child in theirs)
        if end == "kill":
            process.send_signal(signal.SIGKILL)
        else:
            print(end, file=process.stdin, flush=True)
        if end == "close":
            assert process.stdout.readline() == "closed\n"
        assert gone_within_two_seconds(theirs, folder)
        assert not [path for path in Path("/dev/shm").iterdir() if "plasma" in path.name or "ray" in path.name]
    finally:
        process.kill()
        process.communicate()


NODES = """
import ray, threading
from ray.cluster_utils import Cluster
from dataload.adapters.ray import RayWorkers
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80_000_000})
doomed = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
expected = [batch.tolist() for batch in make("thread", 3000).with_options(transforms=None)]
worker = RayWorkers(address=cluster.address)
with make(worker, 3000, num_workers=3, timeout=100) as loader:
    got, seen = [], set()
    for k, batch in enumerate(loader):
        got.append(batch.tolist())
        seen |= set(loader.stats.nodes)
        if k == 100:
            print("nodes", len(loader.stats.nodes), flush=True)
            threading.Thread(target=cluster.remove_node, args=(doomed,), kwargs={"allow_graceful": False}).start()
        if k == 400:
            threading.Thread(target=cluster.add_node, kwargs={"num_cpus": 1, "object_store_memory": 80_000_000}).start()
    print("same", got == expected, "died", loader.stats.died)
cluster.shutdown()
"""


@pytest.mark.slow
def test_a_machine_that_goes_and_one_that_comes_change_nothing():
    printed = run(NODES, RAY_USAGE_STATS_ENABLED="0")
    assert "same True died 1" in printed, printed


HEAD = """
import signal
from ray.cluster_utils import Cluster
from dataload.adapters.ray import RayWorkers, cluster as of_the_loader
# A quarter of what it is, for the sake of this test's time.
of_the_loader._HEAD_SECONDS /= 4
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80_000_000})
with make(RayWorkers(address=cluster.address), samples=40_000, num_workers=1, timeout=60) as loader:
    batches = iter(loader)
    next(batches)
    os.kill(cluster.head_node.all_processes["gcs_server"][0].process.pid, signal.SIGKILL)
    try:
        for batch in batches:
            pass
    except WorkerError as error:
        print(error)
"""


@pytest.mark.slow
def test_a_cluster_that_loses_its_head_is_an_error_and_not_the_end_of_the_program():
    printed = run(HEAD, RAY_USAGE_STATS_ENABLED="0")
    assert "the head of the Ray cluster at" in printed and "has not answered for" in printed


NOBODY = """
try:
    next(iter(make("ray", num_workers=1)))
except WorkerError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("address", "message"),
    [("127.0.0.1:1", "there is no Ray cluster at '127.0.0.1:1'"), ("ray://127.0.0.1:10001", "is one of Ray Client")],
)
def test_an_address_without_a_cluster_is_named_at_once(address, message):
    printed = run(NOBODY.replace("WorkerError", "Exception"), RAY_ADDRESS=address)
    assert message in printed


def test_without_the_extra_its_name_is_said():
    code = "sys.modules['ray'] = None\n" + NOBODY.replace("WorkerError", "ImportError")
    assert 'pip install "dataload[ray]"' in run(code)


JOINED = """
import ray
from dataload.adapters.ray import RayWorkers
worker = RayWorkers(num_cpus=0, runtime_env=OTHER)
ray.init(address="local", num_cpus=0, object_store_memory=80_000_000, include_dashboard=False, log_to_driver=False)
os.environ["PYTHONPATH"] = ""
loader = make(worker, num_workers=1)
try:
    next(iter(loader))
except WorkerError as error:
    print(error, flush=True)
loader = make(RayWorkers(num_cpus=0), num_workers=1)
batches = iter(loader)
next(batches)
child = os.fork()
if child == 0:
    try:
        next(iter(loader))
    except WorkerError as error:
        print(error, flush=True)
    loader.close()
    os._exit(0)
os.waitpid(child, 0)
print("and on:", len(next(batches)))
loader.close()
print("still there:", ray.is_initialized() and ray.get(ray.put(3)))
"""


@pytest.mark.slow
def test_other_versions_and_forks_are_named_and_a_cluster_that_was_there_stays(tmp_path):
    package = tmp_path / "dataload"
    shutil.copytree(Path(dataload.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for link in ("transforms", "adapters"):
        if not (package / link).is_dir():
            shutil.copytree(ROOT / link, package / link)
    version = package / "version.py"
    version.write_text(version.read_text().replace(dataload.__version__, "0.0.1"))
    other = {"env_vars": {"PYTHONPATH": str(tmp_path)}}
    printed = run(JOINED.replace("OTHER", repr(other)))
    assert f"has dataload 0.0.1 there and {dataload.__version__} here" in printed
    assert "this process is a fork of one that was connected to Ray" in printed
    assert "and on: 4" in printed and "still there: 3" in printed
