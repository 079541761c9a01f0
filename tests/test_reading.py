"""read_concurrency: samples are read while others are transformed, in order, within bounds."""

import threading
import time
import warnings
from pathlib import Path

import conformance
import numpy as np
import pytest
from streams import epoch, make

from dataload import FileSource, Loader
from dataload.reading import ReadAhead

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("leaves_nothing")]
EVERY_KIND = pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("thread", 2), ("process", 2)])


@EVERY_KIND
def test_the_batches_are_the_same(worker, num_workers):
    with make(worker=worker, num_workers=num_workers, read_concurrency=4) as loader:
        for number in range(2):
            assert conformance.equal(list(loader), epoch(number))
        for _batch in loader:
            break


class Slow(list):
    """Reads that wait, and count how many of them wait at once."""

    def __init__(self, values):
        super().__init__(values)
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __getitem__(self, index):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        with self.lock:
            self.now -= 1
        return super().__getitem__(index)


@pytest.mark.parametrize(("num_workers", "most"), [(0, 8), (2, 16)])
def test_as_many_reads_wait_at_once_as_were_allowed(num_workers, most):
    source = Slow(range(200))
    with Loader(source, batch_size=10, num_workers=num_workers, worker="thread", read_concurrency=8) as loader:
        assert np.concatenate(list(loader)).tolist() == list(range(200))
    assert most // 2 < source.most <= most


@EVERY_KIND
def test_a_read_that_fails_is_named_and_the_others_are_not_lost(worker, num_workers):
    class Bad(list):
        def __getitem__(self, index):
            if index == 13:
                raise OSError(5, "the disk is on fire")
            return super().__getitem__(index)

    loader = Loader(Bad(range(30)), batch_size=5, worker=worker, num_workers=num_workers, read_concurrency=3)
    got = []
    with pytest.raises(OSError, match="on fire") as caught:
        for batch in loader:
            got += batch.tolist()
    assert got == list(range(10))
    assert "sample 13" in "\n".join(caught.value.__notes__) and "batch 2 of epoch 0" in "\n".join(
        caught.value.__notes__
    )


def test_a_source_that_reads_many_at_once_is_asked_for_whole_batches():
    class Many(list):
        calls = 0

        def __getitems__(self, indices):
            self.calls += 1
            return [self[i] for i in indices]

    source = Many(range(40))
    with Loader(source, batch_size=10, num_workers=2, worker="thread", read_concurrency=2) as loader:
        assert np.concatenate(list(loader)).tolist() == list(range(40))
    assert source.calls == 4


def test_the_bytes_that_wait_are_bounded(monkeypatch):
    monkeypatch.setattr("dataload.reading._MAX_BYTES", 50_000)
    begun = []

    class Big(list):
        def __getitem__(self, index):
            begun.append(index)
            return np.zeros(1000, np.uint8)

    reads = ReadAhead(Big(range(1000)), 4)
    batches = [np.arange(i, i + 10) for i in range(0, 1000, 10)]
    reads.expect(0, batches[0])
    assert len(reads.take(0)) == 10
    for number in range(1, 100):
        reads.expect(number, batches[number])
    time.sleep(0.1)
    assert len(begun) <= 60
    for number in range(1, 100):
        assert len(reads.take(number)) == 10
    assert sorted(begun) == list(range(1000))
    reads.close()


def test_the_bytes_of_files_are_read_ahead(tmp_path):
    for i in range(20):
        (tmp_path / f"{i:02}.bin").write_bytes(bytes([i]) * 100)
    source = FileSource(tmp_path, "*.bin", data=Path.read_bytes)
    with Loader(
        source,
        transforms={"data": lambda data: np.frombuffer(data, np.uint8)},
        batch_size=4,
        num_workers=1,
        worker="thread",
        read_concurrency=4,
    ) as loader:
        assert np.concatenate([batch["data"] for batch in loader])[:, 5].tolist() == list(range(20))


def test_closing_does_not_wait_for_reads_that_were_not_begun():
    loader = Loader(Slow(range(10_000)), batch_size=100, num_workers=2, worker="thread", read_concurrency=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # The loader warns when it gives up on a thread.
        for _batch in loader:
            break
        loader.close()
