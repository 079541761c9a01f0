"""Keras: `model.fit` on the backend that is set, with the loader's state in every checkpoint.

KERAS_BACKEND=tensorflow python examples/keras_training.py tests/data/speech
"""

import json
from pathlib import Path
from typing import Any

import keras
from digits import FRAMES, MELS, arguments, loaders

from dataload import Loader


def adapt(loader: Loader) -> Any:
    """Return what `fit` takes of the loader on this backend."""
    if keras.backend.backend() == "tensorflow":
        from dataload.adapters.tensorflow import to_dataset

        return to_dataset(loader)
    if keras.backend.backend() == "torch":
        from dataload.adapters.torch import to_dataloader

        return to_dataloader(loader)
    from dataload.adapters.keras import to_pydataset

    return to_pydataset(loader)


class SaveLoader(keras.callbacks.Callback):
    """Writes where the training is beside the model."""

    def __init__(self, loader: Loader, folder: Path) -> None:
        super().__init__()
        self.loader, self.folder = loader, folder

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save both."""
        self.model.save(self.folder / "model.keras")
        (self.folder / "loader.json").write_text(json.dumps(self.loader.state_dict()))


def main() -> None:
    """Train, going on where an earlier run was stopped."""
    given = arguments(output="keras_run")
    folder = Path(given.output)
    folder.mkdir(exist_ok=True)
    train, test = loaders(given.folder)
    layers = [
        keras.Input((FRAMES, MELS)),
        keras.layers.Conv1D(64, 5, strides=2, activation="relu"),
        keras.layers.Conv1D(64, 5, strides=2, activation="relu"),
        keras.layers.GlobalMaxPooling1D(),
        keras.layers.Dense(10),
    ]
    model = keras.Sequential(layers)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    if (folder / "loader.json").exists():
        model = keras.saving.load_model(folder / "model.keras")
        train.load_state_dict(json.loads((folder / "loader.json").read_text()))
    first = train.state_dict()["epoch"]
    model.fit(adapt(train), initial_epoch=first, epochs=given.epochs, verbose=0, callbacks=[SaveLoader(train, folder)])
    scores = model.evaluate(adapt(test), verbose=0, return_dict=True)
    print(f"backend: {keras.backend.backend()}, from epoch: {first}, accuracy: {scores['accuracy']:.3f}")


if __name__ == "__main__":
    main()
