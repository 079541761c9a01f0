"""Real speech through both adapters: a small model of each framework learns to tell spoken digits apart."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import pytest
import torch
from adapter_data import take

from dataload import FileSource, Loader
from dataload.adapters.tensorflow import to_dataset
from dataload.adapters.torch import to_dataloader
from dataload.transforms import DecodeAudio, LogMel, Normalize, PadOrTrim, TimeShift

FRAMES, MELS, EPOCHS = 64, 40, 80


@pytest.fixture(scope="module")
def loaders(fsdd):
    """Loaders of the training and the test recordings: takes 0 to 4 of each speaker and digit are for testing."""
    source = FileSource(fsdd, "*.wav", audio=str, label=lambda path: int(path.stem[0]), take=take)
    takes = [source[i]["take"] for i in range(len(source))]

    def loader(chosen, *augmentations, **options):
        samples = [source[i] for i in chosen]
        chain = [DecodeAudio(8_000), *augmentations, LogMel(8_000, n_mels=MELS), Normalize(), PadOrTrim(FRAMES)]
        return Loader(samples, transforms={"audio": chain}, batch_size=32, **options)

    # Moved about in time, because four recordings of a digit by a speaker are few.
    chosen = [i for i, n in enumerate(takes) if n > 4]
    train = loader(chosen, TimeShift((-0.1, 0.1)), shuffle=True, num_workers=2, worker="process")
    test = loader([i for i, n in enumerate(takes) if n <= 4])
    assert (len(train.source), len(test.source)) == (240, 60)
    with train, test:
        yield train, test


@pytest.fixture
def one_thread():
    """Let torch compute on one thread: two would wait for each other wherever a worker has the second core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_torch_model_learns_the_digits(loaders, one_thread):
    train, test = map(to_dataloader, loaders)
    train.set_epoch(0)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv1d(MELS, 64, 5, stride=2),
        torch.nn.ReLU(),
        torch.nn.Conv1d(64, 64, 5, stride=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveMaxPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(EPOCHS):
        for batch in train:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(batch["audio"].mT), batch["label"]).backward()
            optimizer.step()
    with torch.no_grad():
        right = sum((model(batch["audio"].mT).argmax(1) == batch["label"]).sum().item() for batch in test)
    assert right / 60 >= 0.85


def test_a_keras_model_learns_the_digits(loaders):
    train, test = (to_dataset(loader).map(lambda batch: (batch["audio"], batch["label"])) for loader in loaders)
    loaders[0].set_epoch(0)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((FRAMES, MELS)),
            keras.layers.Conv1D(64, 5, strides=2, activation="relu"),
            keras.layers.Conv1D(64, 5, strides=2, activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(10),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(train, epochs=EPOCHS, shuffle=False, verbose=0)
    _, accuracy = model.evaluate(test, verbose=0)
    assert accuracy >= 0.85
