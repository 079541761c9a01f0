"""The frames of TFRecord files: what is found, and what is damaged, cut off or compressed."""

import gzip
import struct
import zlib

import numpy as np
import pytest

from dataload.errors import DecodeError, MissingExtra
from dataload.shards.tfrecord import frame, masked_crc, scan_tfrecord, unframe
from dataload.shards.tfrecord_index import scan_beside
from dataload.storage.places import find_shards


@pytest.fixture
def write(tmp_path):
    def write(data, name="a.tfrecord"):
        (tmp_path / name).write_bytes(data)
        return find_shards(str(tmp_path / name), ".tfrecord")[0]

    return write


def bounds(scan):
    return list(zip(scan.offsets["record"].tolist(), scan.sizes["record"].tolist(), strict=True))


def test_a_frame_is_length_and_data_each_with_its_checksum():
    # Of RFC 3720: the CRC32C of 32 zeros is 8a9136aa, and of "123456789" e3069283.
    assert masked_crc(bytes(32)) == ((0x8A9136AA >> 15 | 0x8A9136AA << 17) + 0xA282EAD8) & 0xFFFFFFFF
    data = b"123456789"
    made = frame(data)
    assert made[:8] == struct.pack("<Q", 9) and made[12:-4] == data and len(made) == 25
    assert struct.unpack("<I", made[-4:])[0] == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert unframe(made) == data and unframe(frame(b"")) == b""


@pytest.mark.parametrize("sizes", [[0], [5], [0, 0, 3], [100] * 1000, [20_000] * 9, [16_384 - 16 - 5, 7, 40_000, 1]])
def test_a_scan_finds_each_record_with_its_frame(write, sizes):
    records = [frame(bytes([i % 256]) * size) for i, size in enumerate(sizes)]
    found = bounds(scan_tfrecord(write(b"".join(records))))
    assert [size for _, size in found] == [len(record) for record in records]
    assert [start for start, _ in found] == [sum(map(len, records[:i])) for i in range(len(records))]


def test_a_file_of_no_bytes_has_no_records(write):
    scan = scan_tfrecord(write(b""))
    assert bounds(scan) == [] and scan.keys is None


def test_big_records_are_hopped_over(write, tmp_path):
    head = struct.pack("<Q", 1 << 40)
    write(head + struct.pack("<I", masked_crc(head)))
    # Most of it is a hole, which takes no room on the disk.
    with (tmp_path / "a.tfrecord").open("r+b") as file:
        file.truncate((1 << 40) + 16)
    shard = find_shards(str(tmp_path / "a.tfrecord"), ".tfrecord")[0]
    assert bounds(scan_tfrecord(shard)) == [(0, (1 << 40) + 16)]


def test_every_cut_is_an_error_that_names_file_record_and_byte_but_one_between_records(write):
    records = [frame(b"one"), frame(b""), frame(b"three" * 5)]
    data = b"".join(records)
    starts = [0, len(records[0]), len(records[0]) + len(records[1])]
    for end in range(1, len(data)):
        shard = write(data[:end])
        if end in starts:
            assert len(bounds(scan_tfrecord(shard))) == starts.index(end)
            continue
        number = sum(start < end for start in starts) - 1
        with pytest.raises(DecodeError, match=rf"a\.tfrecord: record {number} at byte {starts[number]} .*cut off"):
            scan_tfrecord(shard)


def test_every_flipped_bit_is_found_by_the_scan_or_when_its_record_is_read(write):
    records = [frame(b"one"), frame(b"\0" * 9), frame(b"three")]
    data = bytearray(b"".join(records))
    at = 0
    for number, record in enumerate(records):
        for bit in range(8 * at, 8 * (at + len(record))):
            data[bit // 8] ^= 1 << bit % 8
            in_head = bit // 8 - at < 12
            shard = write(bytes(data))
            if in_head:
                with pytest.raises(DecodeError, match=rf"a\.tfrecord: record {number} at byte {at} .* damaged"):
                    scan_tfrecord(shard)
            else:
                assert len(bounds(scan_tfrecord(shard))) == 3
            with pytest.raises(DecodeError, match="damaged"):
                unframe(bytes(data[at : at + len(record)]))
            data[bit // 8] ^= 1 << bit % 8
        at += len(record)


def test_a_record_of_another_size_than_the_index_says_is_an_error():
    with pytest.raises(DecodeError, match="has 19 bytes, and 20 in the index"):
        unframe(frame(b"abc") + b"\0")
    with pytest.raises(DecodeError, match="has 5 of the 12 bytes"):
        unframe(frame(b"abc")[:5])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (gzip.compress(frame(b"x" * 100), mtime=0), "gzip"),
        *((zlib.compress(frame(b"x" * 100), level), "zlib") for level in (1, 6, 9)),
    ],
)
def test_compressed_files_are_refused_by_name(write, data, kind):
    with pytest.raises(DecodeError, match=rf"a\.tfrecord: is compressed with {kind}, .* write it anew without"):
        scan_tfrecord(write(data))


def test_a_file_whose_first_length_looks_like_compression_is_none(write):
    sizes = [0x9C78, 0x0178, 0x8B1F]
    assert len(bounds(scan_tfrecord(write(b"".join(frame(bytes(size)) for size in sizes))))) == 3
    assert bounds(scan_tfrecord(write(frame(bytes(0x9C78))))) == [(0, 0x9C78 + 16)]


def test_what_is_no_tfrecord_file_is_an_error(write):
    for data in (b"some text, and more of it", bytes(100), b"\x89PNG\r\n\x1a\n" * 10):
        with pytest.raises(DecodeError, match=r"record 0 at byte 0 .* no TFRecord"):
            scan_tfrecord(write(data))


def test_a_length_beyond_the_file_costs_no_memory(write):
    length = struct.pack("<Q", 2**64 - 1)
    with pytest.raises(DecodeError, match=f"record 0 at byte 0 has {2**64 + 15} bytes, and the file has 112 more"):
        scan_tfrecord(write(length + struct.pack("<I", masked_crc(length)) + bytes(100)))


# What the package `tfrecord` and DALI write: a line for each record, of its offset and its size with the frame.
RECORDS = [frame(b"a" * n) for n in (3, 0, 500, 7)]
LINES = "".join(f"{sum(map(len, RECORDS[:i]))} {len(record)}\n" for i, record in enumerate(RECORDS))


@pytest.mark.parametrize("name", ["a.tfrecord.index", "a.index", "a.tfindex", "a.tfrecord.idx", "a.idx"])
def test_an_index_beside_the_file_is_read_in_place_of_it(write, tmp_path, name, monkeypatch):
    shard = write(b"".join(RECORDS))
    wanted = bounds(scan_tfrecord(shard))
    (tmp_path / name).write_text(LINES)
    monkeypatch.setattr("dataload.shards.tfrecord_index.scan_tfrecord", None)
    scan = scan_beside(shard)
    assert bounds(scan) == wanted
    assert scan.offsets["record"].dtype == scan.sizes["record"].dtype == np.int64


def test_shards_that_are_numbered_behind_their_suffix_have_indexes_of_their_own(write, tmp_path, monkeypatch):
    shard = write(b"".join(RECORDS), "a.tfrecord-00000-of-00002")
    (tmp_path / "a.tfrecord-00000-of-00002.index").write_text(LINES)
    monkeypatch.setattr("dataload.shards.tfrecord_index.scan_tfrecord", None)
    assert len(bounds(scan_beside(shard))) == 4


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "do not fill the file"),
        ("0 19\n", "do not fill the file"),
        (LINES + "600 16\n", "do not fill the file"),
        (LINES.replace("19 16", "20 16"), "do not fill the file"),
        (LINES.replace("0 19\n", "0 9\n9 10\n"), "do not fill the file"),
        ("0 19\n19 20\n39 512\n551 23\n", "record 1 has 16 bytes in the file, and 20 here"),
        ("0 35\n35 516\n551 23\n", "record 0 has 19 bytes in the file, and 35 here"),
        ("0 551\n551 23\n", "record 0 has 19 bytes"),
        ("0 16\n16 558\n", "record 0 has 19 bytes"),
        ("0 19\n19 16\n35 516", "do not fill|record"),
        (LINES + "7", "has 9 numbers, which are no pairs"),
        ("begin end\n", "is no list of numbers"),
        (f"0 {10**30}\n", "is no list of numbers"),
        (f"0 {'9' * 5000}\n", "is no list of numbers"),
    ],
)
def test_an_index_that_does_not_fit_is_passed_over_with_a_warning(write, tmp_path, lines, message):
    shard = write(b"".join(RECORDS))
    (tmp_path / "a.tfrecord.index").write_text(lines)
    with pytest.warns(RuntimeWarning, match=rf"a\.tfrecord\.index: .*({message})"):
        scan = scan_beside(shard)
    assert bounds(scan) == bounds(scan_tfrecord(shard))


def test_without_google_crc32c_the_error_names_the_extra(monkeypatch):
    from dataload.shards import tfrecord

    monkeypatch.setattr("dataload.extras.find_spec", lambda name: None)
    tfrecord.crc32c.cache_clear()
    with pytest.raises(MissingExtra, match=r'a TFRecord file needs google_crc32c.*pip install "dataload\[tfrecord\]"'):
        masked_crc(b"x")
