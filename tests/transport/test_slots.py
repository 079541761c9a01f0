"""Batches of worker processes lie in shared memory: no copy, no leak, no limit on how many are kept."""

import gc
import pickle
from pathlib import Path

import conformance
import numpy as np
import pytest
from programs import worker_processes

from dataload import ArraySource, FileSource, Loader
from dataload.pipeline import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("leaves_nothing")]


def make(n=64, width=1000, **options):
    options = {"batch_size": 4, "num_workers": 2, "worker": "process", "shuffle": True, **options}
    source = ArraySource({"x": np.arange(n * width, dtype=np.float32).reshape(n, width), "i": np.arange(n)})
    return Loader(source, transforms={"i": lambda i: (i, f"sample {i}")}, **options)


def slots(loader) -> int:
    """How many slots the loader has mapped."""
    return sum(len(worker.slots._memories) for worker in loader.crew.workers._workers)


def test_over_a_thousand_batches_a_handful_of_slots_is_made():
    with make() as loader:
        numbers = set()
        for _ in range(63):
            for _batch in loader:
                numbers |= {
                    (worker.number, n) for worker in loader.crew.workers._workers for n in worker.slots._memories
                }
        assert len(numbers) <= 12


def test_batches_that_are_kept_stay_as_they_were_and_more_slots_are_made():
    expected = list(make(num_workers=0))
    with make() as loader:
        kept = list(loader)
        assert conformance.equal(kept, expected)
        assert slots(loader) >= len(kept)
        for batch in kept:
            batch["x"] += 1  # Writable, and nobody else's.
        del batch
        loader.set_epoch(0)
        assert conformance.equal(list(loader), expected)
        del kept
        gc.collect()
        list(loader)
        list(loader)
        assert slots(loader) <= 20, "slots that are not needed any more are given up"


def test_a_consumer_that_keeps_everything_gets_everything(monkeypatch):
    monkeypatch.setattr("dataload.transport.slots._MAX_KEPT", 10)
    with make(n=400, width=100) as loader:
        kept = list(loader)
        assert slots(loader) < 50
    assert conformance.equal(kept, list(make(n=400, width=100, num_workers=0)))


def test_batches_outlive_the_loader_and_hold_no_descriptors():
    loader = make()
    kept = list(loader)
    loader.close()
    assert conformance.equal(kept, list(make(num_workers=0)))


def test_batches_that_grow_get_larger_slots():
    source = [np.full(1 << i, i, np.float32) for i in range(22)]
    with Loader(source, num_workers=1, worker="process") as loader:
        for i, batch in enumerate(loader):
            assert batch.shape == (1, 1 << i) and (batch == i).all()


def maps() -> list[str]:
    return Path("/proc/self/maps").read_text().splitlines()


def within(line: str, address: int) -> bool:
    start, stop = (int(part, 16) for part in line.split()[0].split("-"))
    return start <= address < stop


def test_arrays_of_a_custom_collate_function_come_in_slots_too():
    def collate(samples):
        return {"a": np.stack([s["x"] for s in samples]), "o": [None, "text"], "f": np.asfortranarray(np.eye(3))}

    with make(collate_fn=collate) as loader:
        for batch, expected in zip(loader, make(collate_fn=collate, num_workers=0), strict=True):
            assert conformance.equal(batch, expected)
            assert any("dataload-" in line and within(line, batch["a"].ctypes.data) for line in maps())


def test_an_array_on_a_memory_map_travels_as_its_file_name_and_offset(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(100_000.0).reshape(1000, 100))
    whole = np.load(tmp_path / "x.npy", mmap_mode="r")
    for array in (whole, whole[100:200], whole[7:][3:]):
        source = ArraySource(array)
        data = pickle.dumps(source)
        assert len(data) < 1000
        assert np.array_equal(pickle.loads(data)._arrays[0], array)
    for array in (whole[::2], np.load(tmp_path / "x.npy", mmap_mode="c")):
        assert np.array_equal(pickle.loads(pickle.dumps(ArraySource(array)))._arrays[0], array)


def private_and_shared(pid: int) -> tuple[int, int]:
    """Bytes of a process that are its own, and that it shares through segments of the loader."""
    private = shared = 0
    ours = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if "-" in line.split()[0] and not line.split()[0].endswith(":"):
            ours = "dataload-" in line
        elif line.startswith("Private_Dirty:"):
            private += int(line.split()[1]) * 1024
        elif line.startswith("Rss:") and ours:
            shared += int(line.split()[1]) * 1024
    return private, shared


def test_arrays_in_memory_are_shared_by_all_workers():
    array = np.random.default_rng(0).normal(size=(1000, 1 << 14))  # 131 MB
    with Loader(ArraySource(array), batch_size=10, num_workers=2, worker="process", collate_fn=len) as loader:
        assert sum(loader) == 1000
        sizes = [private_and_shared(child.pid) for child in worker_processes()]
        # Each worker has touched the rows that it read, and has no array of its own.
        assert sum(shared for _, shared in sizes) > 120 << 20
        assert all(private < 100 << 20 for private, _ in sizes)


def test_the_paths_of_a_file_source_are_shared_by_all_workers(tmp_path):
    for i in range(300):
        (tmp_path / f"{i}.bin").touch()
    source = FileSource(tmp_path, "*.bin")
    buffers = []
    data = pickle.dumps(Pipeline(source, (), len, 0), protocol=5, buffer_callback=buffers.append)
    assert len(buffers) == 2 and len(data) < 1000
