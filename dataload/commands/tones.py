"""The demo's data set: telephone keypad tones in noise, made here so that the demo needs no network.

Apart from the demo because it is a data set like any other: files in two folders, whose names carry the
    labels.
Every file is a function of (seed, number of the file), so the bytes are the same on every run.

The frequencies are those of ITU-T Recommendation Q.23.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 8_000
ROWS = (697.0, 770.0, 852.0, 941.0)
COLUMNS = (1209.0, 1336.0, 1477.0)
# In the order of the keypad's digits; `star` and `hash` because `*` is no file name on every system.
NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "hash")
SYMBOLS = (*NAMES[:10], "*", "#")
KEYPAD = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "0", "hash")

SECONDS = (0.2, 0.8)
SNR_DB = (0.0, 20.0)
AMPLITUDE = (
    0.03,
    0.12,
)  # of each of the two tones; leaves room for 5 sigma of noise at 0 dB below full scale
RAMP_SECONDS = 0.005
HELD_OUT_EVERY = 5
SMALLEST = HELD_OUT_EVERY * len(NAMES)  # below it, a class could be missing from one of the two folders
MARKER = "complete"


@dataclass(frozen=True)
class Clip:
    """One press of a key.

    Attributes:
        label: class, an index into `NAMES`.
        tone: (samples,) float64, the two sines alone.
        noise: (samples,) float64, white.
        snr_db: mean power of `tone` over that of `noise`, in dB.
    """

    label: int
    tone: NDArray[np.float64]
    noise: NDArray[np.float64]
    snr_db: float


@dataclass(frozen=True)
class ToneFolders:
    """Where the files are: `train` and `held_out`, WAV and FLAC files such as `star_0001.flac`."""

    root: Path
    train: Path
    held_out: Path


def frequencies(label: int) -> tuple[float, float]:
    """Return the two frequencies, in Hz, of the key of class `label`."""
    row, column = divmod(KEYPAD.index(NAMES[label]), 3)
    return ROWS[row], COLUMNS[column]


def label_of(path: Path) -> int:
    """Return the class of a file by its name: `star_0001.flac` gives 10."""
    return NAMES.index(path.stem.split("_")[0])


def make_clip(seed: int, number: int) -> Clip:
    """Return clip `number` of the data set with this seed: of class `number` modulo 12, otherwise random."""
    rng = np.random.default_rng([seed, number])
    label = number % len(NAMES)
    time = np.arange(round(rng.uniform(*SECONDS) * SAMPLE_RATE)) / SAMPLE_RATE
    snr_db = rng.uniform(*SNR_DB)
    tone = sum(np.sin(2 * np.pi * (hertz * time + rng.random())) for hertz in frequencies(label))
    tone *= rng.uniform(*AMPLITUDE) * _fade(len(time))
    noise = rng.standard_normal(len(time))
    noise *= np.sqrt(np.mean(tone**2) / np.mean(noise**2) / 10 ** (snr_db / 10))
    return Clip(label, tone, noise, snr_db)


def make_tones(root: Path, files: int, seed: int, on_file: Callable[[], None] = lambda: None) -> ToneFolders:
    """Write the data set of `files` clips below `root`, or find it there.

    Each (files, seed) has a folder of its own, with a finish marker. In a folder without one, from a run that
    was interrupted, the missing files are made.

    Args:
        root: folder to write to; made where it does not exist.
        files: number of clips, 60 or more; one in five is held out.
        seed: of the random numbers.
        on_file: called after every file, made or found.
    """
    folder = root / f"tones-{files}-seed{seed}"
    folders = ToneFolders(folder, folder / "train", folder / "held_out")
    paths = [(folders.train, folders.held_out)[_is_held_out(i)] / file_name(i) for i in range(files)]
    if (folder / MARKER).exists() and all(path.exists() for path in paths):
        return folders
    for sub in (folders.train, folders.held_out):
        sub.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        if not path.exists():
            _write(make_clip(seed, number), path, folder / f"unfinished{path.suffix}")
        on_file()
    (folder / MARKER).touch()
    return folders


def file_name(number: int) -> str:
    """Return the name of the file of clip `number`: half of each class is FLAC, the other half WAV."""
    turn, label = divmod(number, len(NAMES))
    return f"{NAMES[label]}_{turn:04d}{('.flac', '.wav')[turn % 2]}"


def _is_held_out(number: int) -> bool:
    return number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def _fade(samples: int) -> NDArray[np.float64]:
    """Return a (samples,) envelope with raised-cosine ends: without, a tone begins with a broadband click."""
    ramp = round(RAMP_SECONDS * SAMPLE_RATE)
    envelope = np.ones(samples)
    envelope[:ramp] = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp) / ramp)
    envelope[-ramp:] = envelope[:ramp][::-1]
    return envelope


def _write(clip: Clip, path: Path, unfinished: Path) -> None:
    # Renamed into place when whole, so that an interrupted run leaves no half file under a name that is read
    # later.
    soundfile.write(unfinished, clip.tone + clip.noise, SAMPLE_RATE, subtype="PCM_16")
    unfinished.replace(path)
