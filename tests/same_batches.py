"""A loader of recordings with every kind of randomness in it, and its first two epochs made without workers."""

import conformance
import numpy as np
import soundfile

from dataload import FileSource, Loader
from dataload.transforms import DecodeAudio, LogMel, RandomCrop, SpecAugment


def record(folder):
    """Write 30 recordings."""
    rng = np.random.default_rng(0)
    for i in range(30):
        samples = rng.normal(0, 0.1, rng.integers(3000, 9000)).astype(np.float32)
        soundfile.write(folder / f"{i % 10}_{i:02}.{'flac' if i % 2 else 'wav'}", samples, 8000)


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


def two_epochs(folder):
    """The batches of two epochs."""
    loader = make(folder)
    epochs = [list(loader), list(loader)]
    # The promise would be empty if the augmentation did nothing.
    plain = loader.with_options(transforms={"audio": [DecodeAudio(8_000), LogMel(8_000, n_mels=40)]})
    assert not np.array_equal(next(iter(plain))["audio"], epochs[0][0]["audio"])
    return epochs


def check(adapt, folder, expected, **options):
    """Fail unless two epochs through `adapt` are the expected batches, bit for bit."""
    with make(folder, **options) as loader:
        for epoch in expected:
            got = list(adapt(loader))
            assert len(got) == len(epoch)
            for a, b in zip(got, epoch, strict=True):
                assert conformance.equal({name: a[name] for name in b}, b)
