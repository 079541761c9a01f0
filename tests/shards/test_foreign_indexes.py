"""Indexes of other programs beside an archive: the same samples as without them, or a warning."""

import io
import struct
import tarfile
import warnings

import pytest
from tar_files import Bucket, grouped, members, scanned, write

from dataload.errors import DecodeError
from dataload.shards.foreign import scan_beside
from dataload.storage.places import find_shards

CONTENT = [
    (name, bytes([i]) * size)
    for i in range(40)
    for name, size in [(f"train/{i:03}.seg.png", 700 * i), (f"train/{i:03}.cls", 1), (f"train/{i:03}.JSON", 0)]
]


@pytest.fixture(params=["ustar", "gnu", "pax"])
def archive(request, tmp_path):
    long = [("n" * 120 + ".cls", b"1"), ("n" * 120 + ".txt", b"2")] if request.param != "ustar" else []
    extra = [("readme", b"x" * 600), (".hidden.txt", b"x"), ("folder", tarfile.DIRTYPE[0])]
    return write(tmp_path / "a.tar", [*extra, *CONTENT[:60], *long, *CONTENT[60:], *extra], request.param)


def expected(path):
    return grouped(members(path))


def dali(path):
    """What `wds2idx` writes: a line per sample, of the suffix, offset, size and name of each member."""
    lines, last = [], None
    for name, offset, size in members(path):
        dot = name.find(".", name.rfind("/") + 1)
        key, suffix = name[:dot], name[dot + 1 :]
        if not key or key.endswith("/"):
            continue
        if key != last:
            lines.append([])
            last = key
        lines[-1].append(f"{suffix} {offset} {size} {name}")
    return f"v1.2 {len(lines)}\n" + "".join(" ".join(line) + "\n" for line in lines)


def energon(path, *, stem=lambda name: grouped([(name, 0, 0)])[0][0] if grouped([(name, 0, 0)]) else None):
    """What Megatron-Energon and lhotse write: where the headers of the samples begin, and where the last one ends."""
    starts, last = [], None
    with tarfile.open(path) as opened:
        for info in opened:
            key = stem(info.name) if info.isreg() else None
            if key is not None and key != last:
                starts.append(info.offset)
                last = key
        end = opened.offset
    return struct.pack(f"<{len(starts) + 1}Q", *starts, end)


def scan(path):
    (shard,) = find_shards(str(path), ".tar")
    return scan_beside(shard)


@pytest.mark.parametrize("name", ["a.idx", "a.tar.idx"])
def test_an_index_of_dali_is_read_in_place_of_the_archive(name, archive):
    (archive.parent / name).write_text(dali(archive))
    bucket = Bucket(archive.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scanned(scan(archive)) == expected(archive)
        (shard,) = bucket.shards()
        assert scanned(scan_beside(shard)) == expected(archive)
    assert sum(stop - start for name, start, stop in bucket.reads if name == "a.tar") < 600_000 < shard.size


@pytest.mark.parametrize("stem", [None, lambda name: name.rpartition(".")[0]], ids=["energon", "lhotse"])
def test_an_index_of_samples_is_how_parts_of_a_remote_archive_are_hopped_through_at_once(stem, archive):
    (archive.parent / "a.tar.idx").write_bytes(energon(archive) if stem is None else energon(archive, stem=stem))
    bucket = Bucket(archive.parent)
    (shard,) = bucket.shards()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scanned(scan_beside(shard)) == expected(archive) == scanned(scan(archive))
    assert sum(name == "a.tar" for name, *_ in bucket.reads) >= 8


def longer(path):
    with tarfile.open(path, "a") as opened:
        info = tarfile.TarInfo("new.cls")
        info.size = 1
        opened.addfile(info, io.BytesIO(b"1"))


def other(path):
    write(path, CONTENT[6:90])


@pytest.mark.parametrize("change", [longer, other])
def test_an_index_of_another_archive_is_passed_over_with_a_warning(change, tmp_path):
    path = write(tmp_path / "a.tar", CONTENT)
    (tmp_path / "a.idx").write_text(dali(path))
    change(path)
    with pytest.warns(RuntimeWarning, match=r"a\.idx: .*a\.tar is read through in its place"):
        assert scanned(scan(path)) == expected(path)


def test_an_index_of_samples_that_does_not_fit_is_passed_over_with_a_warning(tmp_path):
    path = write(tmp_path / "a.tar", CONTENT)
    good = energon(path)
    bucket = Bucket(tmp_path)
    (shard,) = bucket.shards()
    for bad in (
        struct.pack("<3Q", 0, 700, 1400),
        struct.pack("<3Q", 0, 1 << 40, 1 << 41),
        struct.pack("<3Q", 1024, 512, 2048),
        struct.pack("<9Q", *range(0, 9 * 512, 512)),
        good[: 8 * 20] + struct.pack("<Q", struct.unpack("<Q", good[160:168])[0] + 512) + good[168:],
    ):
        (tmp_path / "a.tar.idx").write_bytes(bad)
        with pytest.warns(RuntimeWarning, match=r"a\.tar\.idx.*read through in its place"):
            assert scanned(scan_beside(shard)) == expected(path)


NONSENSE = [
    "v1.2 1\n",
    "v1.2 1\ncls 512 1\n",
    "v1.2 1\ncls x 1 train/000.cls\n",
    "v1.2 1\ncls 513 1 train/000.cls\n",
    "v1.2 1\ncls 99999999999 1 train/000.cls\n",
    "v1.2 2\ncls 512 1 train/000.cls\n",
    "v1.2 1\npng 512 1 train/000.cls\n",
    "v1.2 1\ncls 512 1 tr\\303ain/000.cls\n",
    "v1.2 1\ncls 512 1 tr ain/000.cls\n",
    "v1.2 1\ncls 1024 1 train/000.cls\n",
    "v1.2 1\ncls 512 99999999999999999999999 train/000.cls\n",
]


@pytest.mark.parametrize("text", NONSENSE)
def test_a_damaged_index_of_dali_is_passed_over_with_a_warning(text, tmp_path):
    path = write(tmp_path / "a.tar", CONTENT)
    (tmp_path / "a.idx").write_text(text)
    with pytest.warns(RuntimeWarning, match=r"a\.idx: "):
        assert scanned(scan(path)) == expected(path)


@pytest.mark.parametrize("data", [b"", b"abc", b"v1.1 3\njpg 512 1\n", b"\0" * 11])
def test_files_of_that_name_that_are_no_such_index_are_left_alone(data, tmp_path):
    path = write(tmp_path / "a.tar", CONTENT)
    (tmp_path / "a.idx").write_bytes(data)
    (tmp_path / "a.tar.idx").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scanned(scan(path)) == expected(path)
        (shard,) = Bucket(tmp_path).shards()
        assert scanned(scan_beside(shard)) == expected(path)


def test_a_damaged_archive_is_an_error_whatever_lies_beside_it(tmp_path):
    path = write(tmp_path / "a.tar", CONTENT)
    (tmp_path / "a.tar.idx").write_bytes(energon(path))
    data = bytearray(path.read_bytes())
    data[members(path)[60][1] - 300] ^= 1
    path.write_bytes(data)
    (shard,) = Bucket(tmp_path).shards()
    with pytest.warns(RuntimeWarning), pytest.raises(DecodeError, match="checksum"):
        scan_beside(shard)
