"""The data sets, made here from a fixed seed so that anyone can run the benchmarks without a network.

Each lies in a folder named after what it holds; a folder without the finish marker is made anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 20_240_607
SPEECH_RATE = 16_000
CLIP_RATE = 8_000
IMAGE = (3, 224, 224)
TABLES, ROWS, COLUMNS = 5, 10_000, 8
_MARKER = "complete"


def prepare(root: Path, name: str, samples: int) -> Path:
    """Return the folder of a data set of so many samples, made if it is not there; workloads without one give root."""
    make: Callable[[Path, int], None] | None = {"speech": _speech, "clips": _clips, "images": _images}.get(name)
    if make is None:
        return root
    folder = root / f"{name}-{samples}-seed{SEED}"
    if not (folder / _MARKER).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder, samples)
        (folder / _MARKER).touch()
    return folder


def files(folder: str | Path, suffix: str) -> list[str]:
    """Return the paths of a data set in their order."""
    return sorted(str(path) for path in Path(folder).glob(f"*.{suffix}"))


def table() -> list[NDArray[np.float32]]:
    """Return the five arrays of the workload `table`."""
    return [np.random.default_rng([SEED, i]).random((ROWS, COLUMNS), np.float32) for i in range(TABLES)]


def images(folder: str | Path) -> Any:
    """Return the memory map of the workload `images`."""
    return np.load(Path(folder) / "images.npy", mmap_mode="r")


def _speech(folder: Path, samples: int) -> None:
    _write(folder, samples, SPEECH_RATE, (4.0, 16.0), "flac")


def _clips(folder: Path, samples: int) -> None:
    _write(folder, samples, CLIP_RATE, (0.3, 0.5), "wav")


def _write(folder: Path, samples: int, rate: int, seconds: tuple[float, float], suffix: str) -> None:
    import soundfile

    for number in range(samples):
        rng = np.random.default_rng([SEED, rate, number])
        soundfile.write(folder / f"{number:06d}.{suffix}", voice(rng, rate, rng.uniform(*seconds)), rate, "PCM_16")


def voice(rng: np.random.Generator, rate: int, seconds: float) -> NDArray[np.float32]:
    """Return something that compresses about as well as speech.

    A gliding tone with harmonics, switched at the rate of syllables, in noise that follows the same envelope, with
    a quiet floor between.
    """
    time = np.arange(round(rate * seconds), dtype=np.float32) / rate
    knots = np.linspace(0, seconds, max(4, round(seconds * 8)))
    envelope = np.interp(time, knots, rng.random(len(knots)) ** 2)
    pitch = np.interp(time, knots, rng.uniform(90, 250, len(knots)))
    phase = (2 * np.pi / rate) * np.cumsum(pitch)
    tone = np.sin(phase)
    # Chebyshev polynomials of a cosine are its harmonics, for the price of a few products.
    for weight, previous, current in ((0.5, np.cos(phase), tone),):
        harmonic = 2 * current * previous
        tone = tone + weight * harmonic + 0.25 * (2 * harmonic * (2 * previous**2 - 1))
    noise = rng.standard_normal(len(time), np.float32)
    return (envelope * (0.15 * tone + 0.02 * noise) + 0.001 * noise).astype(np.float32)


def _images(folder: Path, samples: int) -> None:
    rng = np.random.default_rng([SEED, 3])
    out = np.lib.format.open_memmap(folder / "images.npy", "w+", np.float32, (samples, *IMAGE))
    for row in out:
        row[...] = rng.random(IMAGE, np.float32)
    out.flush()
