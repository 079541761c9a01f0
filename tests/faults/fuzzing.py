"""Damages real files in every way and reads them: `python -m faults.fuzzing KIND FIRST COUNT FOLDER`.

A process of its own, because the inputs are made to crash it. It may take little more memory than it has, names the
input that it is at in a file, and prints what went wrong as lines of JSON.
"""

import faulthandler
import gzip
import io
import json
import resource
import struct
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from dataload import TableSource
from dataload.errors import DataloadError, DecodeError
from dataload.shards.columns import encode
from dataload.shards.index import find_index
from dataload.shards.tar import scan_tar
from dataload.shards.tfrecord import frame, scan_tfrecord, unframe
from dataload.storage.places import find_shards
from dataload.transforms import DecodeAudio

_MEMORY = 768 << 20
_SECONDS = 30
# What reading a shard may take: so many times its size, beside some constant.
_SMALL, _TIMES = 256 << 10, 8
_RATE = 8_000

AUDIO = {
    "pcm16.wav": ("WAV", "PCM_16", 1),
    "pcm24.wav": ("WAV", "PCM_24", 2),
    "pcmu8.wav": ("WAV", "PCM_U8", 1),
    "float.wav": ("WAV", "FLOAT", 2),
    "adpcm.wav": ("WAV", "IMA_ADPCM", 1),
    "pcm16.flac": ("FLAC", "PCM_16", 2),
    "pcm24.flac": ("FLAC", "PCM_24", 1),
    "vorbis.ogg": ("OGG", "VORBIS", 1),
    "opus.ogg": ("OGG", "OPUS", 1),
    "mpeg.mp3": ("MP3", "MPEG_LAYER_III", 1),
    "pcm16.aiff": ("AIFF", "PCM_16", 1),
}
TABLES = (
    "table.parquet",
    "table.arrow",
    "nested.parquet",
    "nested.arrow",
    "table.csv",
    "quoted.csv",
    "table.csv.gz",
    "table.jsonl",
    "table.json",
    "table.jsonl.gz",
)


SHARDS = ("shard.tar", "shard.tfrecord", "index.arrow")


def make(kind: str, folder: Path) -> bytes:
    """Return a small good file of a kind."""
    path = folder / f"good-{kind}"
    if kind in AUDIO:
        import soundfile

        form, subtype, channels = AUDIO[kind]
        time = np.arange(600) / _RATE
        sound = np.stack([0.3 * np.sin(2 * np.pi * f * time) for f in (440, 700)[:channels]], 1)
        soundfile.write(path, sound, _RATE, subtype, format=form)
    elif kind in SHARDS:
        _write_shard(path)
    else:
        _write_table(path)
    return path.read_bytes()


def _write_table(path: Path) -> None:
    import pyarrow as pa
    from pyarrow import csv, feather, parquet

    columns = {"i": list(range(40)), "x": [i / 3 for i in range(40)], "s": [f"text {i}" * (i % 3) for i in range(40)]}
    if path.suffix in (".parquet", ".arrow"):
        columns["l"] = [list(range(i % 4)) for i in range(40)]
    table = pa.table(columns)
    if "nested" in path.name:
        table = _nested_table()
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=13)
    elif path.suffix == ".arrow":
        feather.write_feather(table, path, compression="uncompressed", chunksize=13)
    elif path.name.endswith("quoted.csv"):
        lines = [f'{row["i"]},"{row["s"]}\nand ""more""",5" wide' for row in table.to_pylist()]
        path.write_text("\n".join(["i,s,w", *lines]))
    elif path.suffix == ".csv":
        csv.write_csv(table, path)
    elif path.suffix == ".gz":
        inner = path.with_suffix("")
        _write_table(inner)
        path.write_bytes(gzip.compress(inner.read_bytes(), mtime=0))
    elif path.suffix == ".json":
        path.write_text(json.dumps([{**row, "o": {"k": [row["i"]]}} for row in table.to_pylist()]))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


def _write_shard(path: Path) -> None:
    rng = np.random.default_rng(0)
    if path.suffix == ".tfrecord":
        path.write_bytes(b"".join(frame(rng.bytes(size)) for size in (0, 5, 700, 90, 3000)))
        return
    archive = path.with_name("good-shard.tar")
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as writer:
        for number in range(6):
            for suffix in ("a", "b"):
                # A name that needs an extended header, and some that do not.
                member = tarfile.TarInfo(f"{number}{'é' * (number % 2)}.{suffix}")
                member.size = 100 * number
                writer.addfile(member, io.BytesIO(rng.bytes(member.size)))
    if path.suffix == ".arrow":
        index = find_index(find_shards(str(archive), ".tar"), "tar", scan_tar)
        path.write_bytes(b"".join(encode(index.columns())))


def _read_shard(path: str) -> None:
    """Scan a shard and read its samples, or read an index and where it says that samples are."""
    if path.endswith(".arrow"):
        shards = find_shards(str(Path(path).with_name("good-shard.tar")), ".tar")
        index = find_index(shards, "tar", scan_tar, index=path)
        index.keys(np.arange(len(index)))
        for field in index.fields:
            _, starts, stops = index.locate(field, np.arange(len(index)))
            assert (starts >= -1).all() and (stops <= shards[0].size).all()
        return
    (shard,) = find_shards(path, Path(path).suffix)
    found = scan_tar(shard) if path.endswith(".tar") else scan_tfrecord(shard)
    for field, offsets in found.offsets.items():
        for start, size in zip(offsets.tolist(), found.sizes[field].tolist(), strict=True):
            data = shard.place.read(start, start + size) if size >= 0 else b""
            if field == "record":
                try:
                    unframe(data)
                except DecodeError as error:  # Its source adds which file.
                    raise DecodeError(f"{path}: {error}") from None


def _out_of_proportion(kind: str, path: Path) -> str | None:
    """Read a file of shards; return what is wrong with how much memory of Python's and numpy's that took."""
    tracemalloc.start()
    try:
        problem = problem_of(kind, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    allowed = _SMALL + _TIMES * path.stat().st_size
    return problem or (f"took {peak} bytes for a file of {path.stat().st_size}" if peak > allowed else None)


def _nested_table() -> object:
    """Return the types whose memory is the most intricate; Parquet has some of them as plain lists and texts."""
    import pyarrow as pa

    return pa.table(
        {
            "m": pa.array(
                [[[i, 2], [3, 4]] if i % 5 else None for i in range(20)], pa.list_(pa.list_(pa.float32(), 2))
            ),
            "t": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((20, 2, 2), np.float32)),
            "d": pa.array([f"k{i % 3}" for i in range(20)]).dictionary_encode(),
            "o": [{"a": i, "b": [str(i)]} for i in range(20)],
            "v": pa.array([f"a longer text than fits into a view, {i}" * (i % 2) for i in range(20)], pa.string_view()),
            "w": pa.array([[i] * (i % 3) for i in range(20)], pa.list_view(pa.int16())),
        }
    )


def damage(data: bytes, number: int) -> bytes:
    """Return the file cut off at its `number`-th byte, and beyond its length damaged in a way that follows from it."""
    if number < len(data):
        return data[:number]
    rng = np.random.default_rng(number)
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        # The beginning is where the header is, which decides most.
        place = int(rng.integers(len(damaged)) if rng.random() < 0.5 else rng.integers(min(100, len(damaged))))
        match int(rng.integers(6)):
            case 0:
                damaged[place] ^= 1 << int(rng.integers(8))
            case 1:
                damaged[place] = int(rng.integers(256))
            case 2:
                extreme = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x00FFFFFF]))
                damaged[place : place + 4] = struct.pack(rng.choice(["<I", ">I"]), extreme)
            case 3:
                damaged[place : place + int(rng.integers(1, 40))] = b""
            case 4:
                end = place + int(rng.integers(1, 40))
                damaged[place:place] = damaged[place:end]
            case 5:
                end = place + int(rng.integers(1, 40))
                damaged[place:end] = bytes(len(damaged[place:end]))
        if not damaged:
            return b"\0"
    return bytes(damaged)


@cache
def reader(kind: str) -> Callable[[str], object]:
    """Return what reads everything in a file of a kind."""
    if kind in AUDIO:
        return DecodeAudio(_RATE)
    if kind in SHARDS:
        return _read_shard

    def read(path: str) -> list[object]:
        source = TableSource(path)
        return source.__getitems__(range(len(source)))

    return read


def problem_of(kind: str, path: Path) -> str | None:
    """Read one file; return what is wrong with how that went."""
    try:
        reader(kind)(str(path))
    except DataloadError as error:
        return None if path.name in str(error) else f"the file is not named: {error}"
    except MemoryError as error:
        return f"asked for memory out of proportion: {error}"
    except Exception as error:
        return f"no error of ours: {type(error).__name__}: {error}"
    return None


def main(kind: str, first: int, count: int, folder: Path) -> None:
    """Read so many damaged files."""
    data = make(kind, folder)
    path, current = folder / f"bad-{kind}", folder / f"current-{kind}"
    path.write_bytes(data)
    if problem := problem_of(kind, path):  # Also: what is imported and started is not counted below.
        print(json.dumps({"number": -1, "problem": problem}))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    for number in range(first, first + count):
        current.write_text(str(number))
        path.write_bytes(damage(data, number))
        faulthandler.dump_traceback_later(_SECONDS, exit=True)
        problem = (_out_of_proportion if kind in SHARDS else problem_of)(kind, path)
        faulthandler.cancel_dump_traceback_later()
        if problem is not None:
            print(json.dumps({"number": number, "problem": problem}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
