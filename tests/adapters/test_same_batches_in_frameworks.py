"""The promise: the same batches, bit for bit, for any number and kind of workers, in torch and TensorFlow."""

import pytest
from same_batches import check, record, two_epochs

from dataload.adapters.tensorflow import to_dataset
from dataload.adapters.torch import to_dataloader


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    record(folder)
    return folder


@pytest.fixture(scope="module")
def expected(recordings):
    return two_epochs(recordings)


def in_torch(loader):
    for batch in to_dataloader(loader):
        yield {name: value if isinstance(value, list) else value.numpy() for name, value in batch.items()}


def in_tensorflow(loader):
    for batch in to_dataset(loader):
        yield {
            name: [text.decode() for text in value.numpy()] if name == "name" else value.numpy()
            for name, value in batch.items()
        }


@pytest.mark.parametrize("framework", [in_torch, in_tensorflow])
@pytest.mark.parametrize("worker", ["thread", "process"])
@pytest.mark.parametrize("num_workers", [0, 1, 2, 5])
def test_the_same_batches_bit_for_bit(framework, worker, num_workers, recordings, expected):
    check(framework, recordings, expected, num_workers=num_workers, worker=worker)
