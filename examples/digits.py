"""The spoken digits as two loaders, for the examples beside this file.

The recordings are those of the Free Spoken Digit Dataset, {digit}_{speaker}_{take}.wav at 8 kHz: all of them, or those
in tests/data/speech. Takes 0 to 4 are for testing, as its authors have it.
"""

import argparse
from pathlib import Path
from typing import Any

from dataload import Loader
from dataload.transforms import DecodeAudio, LogMel, Normalize, PadOrTrim

FRAMES, MELS = 64, 40
FEATURES = [LogMel(8_000, n_mels=MELS), Normalize(), PadOrTrim(FRAMES)]


def arguments(**more: Any) -> argparse.Namespace:
    """Read what every example takes, and a few options of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="with the recordings")
    parser.add_argument("--epochs", type=int, default=8)
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def loaders(folder: Path, **options: Any) -> tuple[Loader, Loader]:
    """Return the loaders of training and of test samples, whose batches are (audio, label)."""
    files = sorted(folder.glob("*.wav"))
    chain = [DecodeAudio(8_000), *FEATURES]

    def loader(test: bool, batch_size: int = 32, **options: Any) -> Loader:
        chosen = [path for path in files if (int(path.stem.split("_")[2]) < 5) == test]
        samples = [(str(path), int(path.stem[0])) for path in chosen]
        return Loader(samples, transforms={0: chain}, batch_size=batch_size, **options)

    return loader(False, **{"shuffle": True, "num_workers": 2, "worker": "process", **options}), loader(True)
