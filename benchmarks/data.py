"""The data sets, made here from a fixed seed so that anyone can run the benchmarks without a network.

Each lies in a folder named after what it holds; a folder without the finish marker is made anew.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dataload.measuring.server import running_server
from dataload.shards.example import encode_example
from dataload.shards.foreign import scan_beside
from dataload.shards.index import find_index, write_index
from dataload.shards.tfrecord import frame
from dataload.storage.places import find_shards

SEED = 20_240_607
# Data set -> format, Hz, and the least and most seconds of a file.
AUDIO = {"speech": ("flac", 16_000, (4.0, 16.0)), "clips": ("wav", 8_000, (0.3, 0.5))}
IMAGE = (3, 224, 224)
TABLES, ROWS, COLUMNS = 5, 10_000, 8
LATENCY = 0.03
# Data sets -> bytes of each object, or of each record beside its label.
OBJECT_BYTES = {"objects": 100_000, "small-objects": 4_000}
RECORD_BYTES = {"records": 10_000, "small-records": 200}
RECORD_FILES = 8
HEAD_BYTES = 4096
LABELS = 10
_MARKER = "complete"


def prepare(root: Path, name: str, samples: int) -> Path:
    """Return the folder of a data set of so many samples, made if it is not there; workloads without one give root."""
    if name not in (*AUDIO, *OBJECT_BYTES, *RECORD_BYTES, "images"):
        return root
    folder = root / f"{name}-{samples}-seed{SEED}"
    if not (folder / _MARKER).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if name in AUDIO:
            _make_audio(folder, samples, *AUDIO[name])
        elif name in OBJECT_BYTES:
            for number in range(samples):
                data = np.random.default_rng([SEED, 4, number]).bytes(OBJECT_BYTES[name])
                (folder / f"{number:06d}.bin").write_bytes(data)
        elif name in RECORD_BYTES:
            _make_records(folder, samples, RECORD_BYTES[name])
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


def objects(folder: str | Path) -> tuple[str, list[str]]:
    """Serve the objects of `remote` until this process ends; return the server's URL and their names, in order."""
    return _serve(folder), [Path(path).name for path in files(folder, "bin")]


def remote_tars(paths: list[str]) -> list[str]:
    """Serve tar files and their index until this process ends; return their URLs."""
    folder = Path(paths[0]).parent
    if not (folder / "dataload-index.arrow").exists():
        shards = find_shards(paths, ".tar")
        write_index(find_index(shards, "tar", scan_beside), str(folder / "dataload-index.arrow"))
    url = _serve(folder)
    return [f"{url}/{Path(path).name}" for path in paths]


def _serve(folder: str | Path) -> str:
    # Nobody leaves it: the runner ends the process group.
    server = running_server(folder, f"--latency={LATENCY}")
    _running.append(server)
    return server.__enter__().url


_running: list[Any] = []


def tars(folder: str | Path, samples: int, size: int, members: Callable[[int], dict[str, bytes]]) -> list[str]:
    """Return the paths of tar files with so many samples each, which are written beside the data set once."""
    root = Path(folder) / f"tars-{size}"
    if not (root / _MARKER).exists():
        root.mkdir(exist_ok=True)
        for first in range(0, samples, size):
            with tarfile.open(root / f"{first:06d}.tar", "w") as tar:
                for number in range(first, min(first + size, samples)):
                    for suffix, data in members(number).items():
                        member = tarfile.TarInfo(f"{number:06d}.{suffix}")
                        member.size = len(data)
                        tar.addfile(member, io.BytesIO(data))
        (root / _MARKER).touch()
    return files(root, "tar")


def audio_tars(folder: str | Path, dataset: str, samples: int, size: int) -> list[str]:
    """Return the paths of tar files of `speech` or `clips`, each sample with a label."""
    paths, suffix = audio(folder, dataset), AUDIO[dataset][0]
    return tars(folder, samples, size, lambda i: {suffix: Path(paths[i]).read_bytes(), "cls": str(i % LABELS).encode()})


def head(data: bytes) -> NDArray[np.uint8]:
    """Return the first bytes of a member: (4096,) uint8, zeros behind a short one."""
    return np.frombuffer(data[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0"), np.uint8)


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


def _make_records(folder: Path, samples: int, size: int) -> None:
    for number, part in enumerate(np.array_split(np.arange(samples), RECORD_FILES)):
        with (folder / f"{number:02d}.tfrecord").open("wb") as file:
            for i in part.tolist():
                data = np.random.default_rng([SEED, 5, i]).bytes(size)
                file.write(frame(encode_example({"x": data, "label": i})))


def _make_images(folder: Path, samples: int) -> None:
    rng = np.random.default_rng([SEED, 3])
    out = np.lib.format.open_memmap(folder / "images.npy", "w+", np.float32, (samples, *IMAGE))
    for row in out:
        row[...] = rng.random(IMAGE, np.float32)
    out.flush()
