"""The promise: the same batches, bit for bit, for any number and kind of workers, in numpy, torch and TensorFlow."""

import conformance
import numpy as np
import pytest
import soundfile

from dataload import FileSource, Loader
from dataload.transforms import DecodeAudio, LogMel, RandomCrop, SpecAugment


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for i in range(30):
        samples = rng.normal(0, 0.1, rng.integers(3000, 9000)).astype(np.float32)
        soundfile.write(folder / f"{i % 10}_{i:02}.{'flac' if i % 2 else 'wav'}", samples, 8000)
    return folder


def make(folder, **options):
    return Loader(
        FileSource(
            folder, "*.*", audio=str, crop=str, label=lambda path: int(path.stem[0]), name=lambda path: path.name
        ),
        transforms={
            "audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=40), SpecAugment()],
            "crop": [DecodeAudio(8_000), RandomCrop(2000), LogMel(8_000, n_mels=24), SpecAugment()],
        },
        batch_size=7,
        shuffle=True,
        seed=3,
        **options,
    )


@pytest.fixture(scope="module")
def expected(recordings):
    loader = make(recordings)
    epochs = [list(loader), list(loader)]
    # The promise would be empty if the augmentation did nothing.
    plain = loader.with_options(transforms={"audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=40)]})
    assert not np.array_equal(next(iter(plain))["audio"], epochs[0][0]["audio"])
    return epochs


def in_numpy(loader):
    return iter(loader)


def in_torch(loader):
    from dataload.adapters.torch import to_dataloader

    for batch in to_dataloader(loader):
        yield {name: value if isinstance(value, list) else value.numpy() for name, value in batch.items()}


def in_tensorflow(loader):
    from dataload.adapters.tensorflow import to_dataset

    for batch in to_dataset(loader):
        yield {
            name: [text.decode() for text in value.numpy()] if name == "name" else value.numpy()
            for name, value in batch.items()
        }


@pytest.mark.parametrize("framework", [in_numpy, in_torch, in_tensorflow])
@pytest.mark.parametrize("worker", ["thread", "process"])
@pytest.mark.parametrize("num_workers", [0, 1, 2, 5])
def test_the_same_batches_bit_for_bit(framework, worker, num_workers, recordings, expected):
    with make(recordings, num_workers=num_workers, worker=worker) as loader:
        for epoch in expected:
            got = list(framework(loader))
            assert len(got) == len(epoch)
            for a, b in zip(got, epoch, strict=True):
                assert conformance.equal({name: a[name] for name in b}, b)
