"""The promise: the same batches, bit for bit, for any workers. For frameworks: `tests/adapters/`."""

import pytest
from same_batches import check, record, two_epochs


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    record(folder)
    return folder


@pytest.fixture(scope="module")
def expected(recordings):
    return two_epochs(recordings)


@pytest.mark.parametrize("worker", ["thread", "process"])
@pytest.mark.parametrize("num_workers", [0, 1, 2, 5])
def test_the_same_batches_bit_for_bit(worker, num_workers, recordings, expected):
    check(iter, recordings, expected, num_workers=num_workers, worker=worker)
