"""The data sets, made here from a fixed seed so that anyone can run the benchmarks without a network.

Each lies in a folder named after what it holds; a folder without the finish marker is made anew.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SEED = 20_240_607
# Data set -> format, Hz, and the least and most seconds of a file.
AUDIO = {"speech": ("flac", 16_000, (4.0, 16.0)), "clips": ("wav", 8_000, (0.3, 0.5))}
IMAGE = (3, 224, 224)
TABLES, ROWS, COLUMNS = 5, 10_000, 8
_MARKER = "complete"


def prepare(root: Path, name: str, samples: int) -> Path:
    """Return the folder of a data set of so many samples, made if it is not there; workloads without one give root."""
    if name not in (*AUDIO, "images"):
        return root
    folder = root / f"{name}-{samples}-seed{SEED}"
    if not (folder / _MARKER).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if name in AUDIO:
            _make_audio(folder, samples, *AUDIO[name])
        else:
            _make_images(folder, samples)
        (folder / _MARKER).touch()
    return folder


def files(folder: str | Path, suffix: str) -> list[str]:
    """Return the paths of a data set in their order."""
    return sorted(str(path) for path in Path(folder).glob(f"*.{suffix}"))


def audio(folder: str | Path, dataset: str) -> list[str]:
    """Return the paths of `speech` or `clips` in their order."""
    return files(folder, AUDIO[dataset][0])


def arrays(folder: str | Path, dataset: str, samples: int) -> list[NDArray[np.float32]]:
    """Return the arrays of a data set that is held in rows: `images`, `table` or `start`."""
    if dataset == "images":
        return [images(folder)]
    return table() if dataset == "table" else [np.zeros((samples, 8), np.float32)]


def table() -> list[NDArray[np.float32]]:
    """Return the five arrays of the workload `table`."""
    return [np.random.default_rng([SEED, i]).random((ROWS, COLUMNS), np.float32) for i in range(TABLES)]


def images(folder: str | Path, mode: Literal["r", "c"] = "r") -> Any:
    """Return the memory map of the workload `images`, read-only or copy-on-write."""
    return np.load(Path(folder) / "images.npy", mmap_mode=mode)


def _make_audio(folder: Path, samples: int, suffix: str, rate: int, seconds: tuple[float, float]) -> None:
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
    cosine = np.cos(phase)
    harmonic = 2 * tone * cosine
    tone = tone + 0.5 * harmonic + 0.25 * (2 * harmonic * (2 * cosine**2 - 1))
    noise = rng.standard_normal(len(time), np.float32)
    return (envelope * (0.15 * tone + 0.02 * noise) + 0.001 * noise).astype(np.float32)


def _make_images(folder: Path, samples: int) -> None:
    rng = np.random.default_rng([SEED, 3])
    out = np.lib.format.open_memmap(folder / "images.npy", "w+", np.float32, (samples, *IMAGE))
    for row in out:
        row[...] = rng.random(IMAGE, np.float32)
    out.flush()
