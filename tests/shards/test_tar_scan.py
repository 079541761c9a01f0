"""What is found in a tar archive is what `tarfile` finds there, and damage is an error."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tar_files import END, FORMATS, Bucket, grouped, header, members, padded, record, scanned, write

from dataload.errors import DecodeError, SourceError
from dataload.shards.tar import scan_tar
from dataload.storage.places import find_shards

# Thousands of damaged archives: `make check` does without.
pytestmark = pytest.mark.slow


def scan(path):
    (shard,) = find_shards(str(path), ".tar")
    return scan_tar(shard)


def raw(tmp_path, *parts):
    path = tmp_path / "a.tar"
    path.write_bytes(b"".join(parts))
    return path


PARTS = st.text(st.sampled_from("aB0._-é \n"), min_size=1, max_size=8) | st.sampled_from(
    ["000.jpg", "000.seg.png", "x" * 70, "y" * 120, ".hidden", "plain", "__meta__", "a.JPG", "日本.txt", "a."]
)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
BODIES = st.binary(max_size=3) | st.integers(0, 3000).map(bytes) | st.sampled_from([b"x" * 512, b"y" * 20_000])
OTHERS = st.sampled_from([tarfile.DIRTYPE[0], tarfile.SYMTYPE[0], tarfile.LNKTYPE[0], tarfile.FIFOTYPE[0]])


@settings(max_examples=300)
@given(st.lists(st.tuples(NAMES, BODIES | OTHERS), max_size=12), st.sampled_from(sorted(FORMATS)))
def test_what_tarfile_finds_is_found_and_grouped_as_webdataset_does(content, format):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tar"
        try:
            write(path, content, format)
        except ValueError:  # A name that this format has no room for.
            assume(False)
        try:
            expected = grouped(members(path))
        except ValueError:
            with pytest.raises(DecodeError, match="two members"):
                scan(path)
        else:
            assert scanned(scan(path)) == expected


@pytest.mark.parametrize("format", FORMATS)
def test_an_archive_of_many_members_is_found_whole_whatever_is_read_at_once(format, tmp_path):
    random.seed(0)
    content = [
        (f"train/{i:05}.{suffix}", random.randbytes(random.choice([0, 1, 511, 512, 513, 5000, 40_000])))
        for i in range(2000)
        for suffix in ("flac", "txt", "seg.png")
    ]
    path = write(tmp_path / "a.tar", content, format)
    expected = grouped(members(path))
    assert scanned(scan(path)) == expected and len(expected) == 2000
    (shard,) = Bucket(tmp_path).shards()
    assert scanned(scan_tar(shard)) == expected


def test_big_bodies_of_a_remote_archive_are_hopped_over(tmp_path):
    write(tmp_path / "a.tar", [(f"{i}.bin", bytes(3 << 20)) for i in range(8)])
    bucket = Bucket(tmp_path)
    (shard,) = bucket.shards()
    assert len(scan_tar(shard).keys) == 8
    read = sum(stop - start for _, start, stop in bucket.reads)
    assert read < 3 << 20 < shard.size and len(bucket.reads) < 12


def test_the_key_ends_at_the_first_dot_of_the_last_part(tmp_path):
    names = [
        "dir.x/000.seg.png",
        "dir.x/000.JPG",
        "other/000.jpg",
        "dir.x/000.txt",
        "dir/.hid.txt",
        "no_dot",
        "b.",
        "/a.b",
    ]
    path = write(tmp_path / "a.tar", [(name, b"1") for name in [*names, "../up.txt", "__meta__/x.json", "__a__"]])
    assert [(key, list(fields)) for key, fields in scanned(scan(path))] == [
        ("dir.x/000", ["seg.png", "jpg"]),
        ("other/000", ["jpg"]),
        ("dir.x/000", ["txt"]),  # Not beside the others of its key: a sample of its own.
        ("b", [""]),
        ("/a", ["b"]),
        ("../up", ["txt"]),
    ]


def test_what_is_no_part_of_a_sample_does_not_divide_one(tmp_path):
    path = write(tmp_path / "a.tar", [("0.a", b"1"), ("folder", tarfile.DIRTYPE[0]), ("readme", b"x"), ("0.b", b"2")])
    assert [list(fields) for _, fields in scanned(scan(path))] == [["a", "b"]]


def test_two_members_of_one_suffix_are_refused_by_key_suffix_and_place(tmp_path):
    path = write(tmp_path / "a.tar", [("0.jpg", b"1"), ("0.txt", b""), ("0.JPG", b"2")])
    with pytest.raises(DecodeError, match=r"a\.tar: the sample '0' has two members 'jpg', at bytes 512 and 2048"):
        scan(path)


def test_names_that_are_no_utf8_keep_their_bytes(tmp_path):
    path = raw(tmp_path, header(b"\xff\xfe.txt", 1), padded(b"1"), END)
    assert scan(path).keys == [b"\xff\xfe"]


@pytest.mark.parametrize(
    "size_field",
    [
        b"\x80" + (5).to_bytes(11, "big"),
        b"00000000005 ",
        b"000000000005",
        b"         5 \0",
        b"5".ljust(12, b"\0"),
        b"      5\0junk",
    ],
)
def test_sizes_are_read_however_they_are_written(size_field, tmp_path):
    path = raw(tmp_path, header(b"0.a", size_field=size_field), padded(b"12345"), header(b"1.a", 1), padded(b"1"), END)
    assert scanned(scan(path)) == [("0", {"a": (512, 5)}), ("1", {"a": (1536, 1)})] == grouped(members(path))


def test_a_size_in_base_256_is_octal_no_more(tmp_path):
    field = b"\x80" + (256).to_bytes(11, "big")
    path = raw(tmp_path, header(b"0.a", size_field=field), padded(bytes(256)), END)
    assert scanned(scan(path)) == [("0", {"a": (512, 256)})] == grouped(members(path))


def test_archives_of_before_ustar_are_read(tmp_path):
    old = [header(b"d.ir/", 0, b"\0", magic=bytes(8)), header(b"d.ir/0.a", 3, b"\0", magic=bytes(8)), padded(b"123")]
    path = raw(tmp_path, *old, END)
    assert scanned(scan(path)) == [("d.ir/0", {"a": (1024, 3)})] == grouped(members(path))


def test_the_prefix_of_ustar_and_not_the_times_of_gnu_is_part_of_the_name(tmp_path):
    path = raw(tmp_path, header(b"0.a", prefix=b"folder"), header(b"1.a", magic=b"ustar  \0", prefix=b"14523"), END)
    assert scan(path).keys == [b"folder/0", b"1"]


def test_extended_headers_name_and_measure_the_next_member(tmp_path):
    def extended(kind, body):
        return header(b"extended", len(body), kind) + padded(body)

    path = raw(
        tmp_path,
        extended(b"g", record(b"comment", b"of all")),
        extended(b"x", record(b"path", b"long/0.a") + record(b"size", b"700")),
        header(b"short", 1),
        padded(bytes(700)),
        extended(b"K", b"where/to\0"),
        extended(b"L", b"n" * 300 + b".b\0"),
        header(b"short", 2),
        padded(b"12"),
        header(b"1.c", 3),
        padded(b"123"),
        END,
    )
    found = scanned(scan(path))
    assert found == grouped(members(path))
    assert [(key[:6], {s: size for s, (_, size) in fields.items()}) for key, fields in found] == [
        ("long/0", {"a": 700}),
        ("nnnnnn", {"b": 2}),
        ("1", {"c": 3}),
    ]


REFUSED = {
    "sparse of GNU": (header(b"0.a", 512, b"S") + bytes(512), "sparse.*without --sparse"),
    "sparse of pax": (
        header(b"x", 32, b"x") + padded(record(b"GNU.sparse.major", b"1").ljust(32, b"\0")) + header(b"0.a", 1),
        "sparse.*without --sparse",
    ),
    "volumes": (header(b"0.a", 0, b"M"), "another volume"),
    "negative": (header(b"0.a", size_field=b"\xff" * 12), "below zero"),
    "no number": (header(b"0.a", size_field=b"twelve bytes"), "where a number should be"),
    "huge": (header(b"0.a", size_field=b"\x80" + b"\x7f" * 11), "cut off"),
    "a huge name": (header(b"x", 5 << 20, b"L") + bytes(5 << 20), "are allowed"),
    "a bad record": (header(b"x", 20, b"x") + padded(b"99 path=too long\n"), "damaged record"),
    "a bad size": (header(b"x", 11, b"x") + padded(record(b"size", b"-1")) + header(b"0.a"), "size b'-1'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_by_number_is_refused(name, tmp_path):
    content, message = REFUSED[name]
    path = raw(tmp_path, header(b"first.a", 1), padded(b"1"), content, bytes(512), END)
    with pytest.raises(DecodeError, match=rf"a\.tar: the header at byte \d+ \(of '(0\.a|x)'\) .*{message}"):
        scan(path)


@pytest.mark.parametrize(
    ("pack", "name"),
    [
        (gzip.compress, "gzip"),
        (bz2.compress, "bzip2"),
        (lzma.compress, "xz"),
        (lambda data: b"\x28\xb5\x2f\xfd" + data, "Zstandard"),
    ],
)
@pytest.mark.parametrize("size", [10, 100_000])
def test_compressed_archives_are_named_and_to_be_unpacked(pack, name, size, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("0.a")
        info.size = size
        archive.addfile(info, io.BytesIO(random.Random(0).randbytes(size)))
    with pytest.raises(DecodeError, match=f"compressed with {name}.*unpack it"):
        scan(raw(tmp_path, pack(buffer.getvalue())))


@pytest.mark.parametrize(
    "content", [b"no tar", b"a long text " * 99, random.Random(0).randbytes(5000), b"PK\3\4" * 300]
)
def test_what_is_no_archive_is_refused(content, tmp_path):
    with pytest.raises(DecodeError, match="no tar archive"):
        scan(raw(tmp_path, content))


def test_an_empty_file_is_no_archive_and_an_archive_may_be_empty(tmp_path):
    with pytest.raises(DecodeError, match="is empty"):
        scan(raw(tmp_path))
    assert scan(raw(tmp_path, END)).keys == []


def test_only_the_end_marks_may_be_missing(tmp_path):
    member = header(b"0.a", 600) + padded(bytes(600))
    for end in (b"", bytes(512), END, bytes(10_240), bytes(100)):
        assert len(scan(raw(tmp_path, member, end)).keys) == 1
    assert len(scan(raw(tmp_path, member[: 512 + 600])).keys) == 1
    with pytest.raises(DecodeError, match="of 600 bytes, and the archive ends after 599"):
        scan(raw(tmp_path, member[: 512 + 599]))
    with pytest.raises(DecodeError, match="300 of its 512 bytes"):
        scan(raw(tmp_path, member, member[:300]))
    with pytest.raises(DecodeError, match="zeros where a header should be"):
        scan(raw(tmp_path, member, bytes(512), member))


def test_more_suffixes_than_an_index_can_hold_are_explained(tmp_path):
    path = write(tmp_path / "a.tar", [(f"speaker.{i}.wav", b"") for i in range(1001)])
    with pytest.raises(DecodeError, match=r"more than 1000 suffixes.*first dot"):
        scan(path)


@pytest.mark.parametrize("format", FORMATS)
def test_flips_and_cuts_give_the_same_members_or_an_error(format, tmp_path, budget):
    rng = random.Random(0)
    content = [(f"{i:03}.{suffix}", rng.randbytes(rng.randrange(900))) for i in range(12) for suffix in ("a", "b")]
    path = write(tmp_path / "a.tar", content, format)
    whole, expected = path.read_bytes(), scanned(scan(path))
    flat = [(key, *item) for key, fields in expected for item in fields.items()]
    errors = 0
    for trial in range(2000 * budget):
        damaged = bytearray(whole)
        if trial % 2:
            for _ in range(rng.choice([1, 1, 2, 8])):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        else:
            del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            found = scanned(scan(path))
        except DecodeError as error:
            assert str(path) in str(error)
            errors += 1
            continue
        if trial % 2:
            assert found == expected
        else:  # One that ends where a member ends is an archive without an end mark.
            left = [(key, *item) for key, fields in found for item in fields.items()]
            assert left == flat[: len(left)]
    assert errors > 500


def test_damaged_extended_headers_are_an_error_or_other_names_and_nothing_else(tmp_path, budget):
    rng = random.Random(1)
    for format in ("gnu", "pax"):
        path = write(tmp_path / "a.tar", [(f"{'long' * 40}/{i}é.a", rng.randbytes(100)) for i in range(6)], format)
        whole = path.read_bytes()
        for _ in range(1000 * budget):
            damaged = bytearray(whole)
            for _ in range(rng.choice([1, 3])):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            try:
                found = scan(path)
            except SourceError:
                continue
            for field, offsets in found.offsets.items():
                assert (found.sizes[field] >= -1).all() and (offsets + found.sizes[field] <= len(whole)).all()
