"""Sizes in headers: those that were never filled in are not believed, those that claim too much are errors."""

import io
import struct

import numpy as np
import pytest
import soundfile

from dataload import SegmentSource
from dataload.counts import take_counts
from dataload.errors import ConfigError, DecodeError
from dataload.transforms import DecodeAudio

RATE = 16_000
FRAMES = 4_000
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, FRAMES)
NEVER_FILLED = [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000]
NEVER_FILLED_64 = [0, (1 << 64) - 1, (1 << 63) - 1, 1 << 63]


def encoded(kind, subtype="PCM_16", samples=SOUND):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=kind, subtype=subtype)
    return file.getvalue()


def put(data, place, value, code):
    """Return the data with a number at a place, or where a text ends."""
    at = place if isinstance(place, int) else data.index(place) + len(place)
    size = struct.pack(code, value)
    return data[:at] + size + data[at + len(size) :]


def check_whole(path, data, subtype="PCM_16", kind="WAV"):
    """Check that all is read: from bytes, from a file, in parts, and in windows."""
    path.write_bytes(data)
    expected = soundfile.read(io.BytesIO(encoded(kind, subtype)), dtype="float32")[0]
    np.testing.assert_array_equal(DecodeAudio(RATE)(data), expected)
    np.testing.assert_array_equal(DecodeAudio(RATE)(path), expected)
    np.testing.assert_array_equal(DecodeAudio(RATE, offset=0.1, duration=0.1)(path), expected[1_600:3_200])
    assert len(SegmentSource([str(path)], 0.1)) == 3


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "ULAW", "FLOAT"])
@pytest.mark.parametrize("data_size", NEVER_FILLED)
@pytest.mark.parametrize("riff_size", [None, 0, 35, 4_088, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000024])
def test_a_wav_that_was_never_closed_is_read_to_its_end(tmp_path, subtype, data_size, riff_size):
    data = put(encoded("WAV", subtype), b"data", data_size, "<I")
    # libsndfile puts a chunk behind floats; who did not close the file did not write it.
    data = data[: data.index(b"data") + 8 + FRAMES * {"PCM_16": 2, "PCM_24": 3, "ULAW": 1, "FLOAT": 4}[subtype]]
    check_whole(tmp_path / "a.wav", data if riff_size is None else put(data, 4, riff_size, "<I"), subtype)


@pytest.mark.parametrize("header", [-8, 36, 44])
def test_sizes_that_count_a_header_from_a_placeholder_are_placeholders_too(tmp_path, header):
    for full in (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000):
        data = put(put(encoded("WAV"), b"data", min(full - header, 0xFFFFFFFF), "<I"), 4, full, "<I")
        check_whole(tmp_path / "a.wav", data)


@pytest.mark.parametrize("size", [*NEVER_FILLED_64, 0xFFFFFFFF])
def test_an_rf64_that_was_never_closed_is_read_to_its_end(tmp_path, size):
    for magic in (b"RF64", b"BW64"):
        data = encoded("RF64")
        data = magic + put(data, data.index(b"ds64") + 16, size, "<Q")[4:]
        check_whole(tmp_path / "a.wav", data)


def test_a_size_that_lost_its_upper_half_counts_as_what_is_there(tmp_path):
    path = tmp_path / "long.wav"
    start = put(encoded("WAV")[:44], b"data", 2 * FRAMES, "<I")
    with path.open("wb") as file:
        file.write(put(start, 4, 36 + 2 * FRAMES, "<I"))
        file.truncate(44 + (1 << 32) + 2 * FRAMES)
    part = DecodeAudio(RATE, offset=(1 << 31) / RATE, duration=0.1)(path)
    assert part.shape == (1_600,)


def test_chunks_behind_the_samples_are_no_samples(tmp_path):
    behind = b"LIST" + struct.pack("<I", 10) + b"x" * 10 + b"abcd" + struct.pack("<I", 3) + b"123\0"
    data = encoded("WAV") + behind
    check_whole(tmp_path / "a.wav", put(data, 4, len(data) - 8, "<I"))
    empty = put(encoded("WAV")[:44] + behind, b"data", 0, "<I")
    with pytest.raises(DecodeError, match="holds no samples"):
        DecodeAudio(RATE)(empty)


def test_of_two_sizes_that_do_not_agree_the_one_of_the_file_counts(tmp_path):
    data = put(encoded("WAV"), b"data", 1_000, "<I")
    check_whole(tmp_path / "a.wav", data)


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW"])
@pytest.mark.parametrize("size", NEVER_FILLED)
def test_an_au_that_was_never_closed_is_read_to_its_end(tmp_path, size, subtype):
    check_whole(tmp_path / "a.au", put(encoded("AU", subtype), 8, size, ">I"), subtype, "AU")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "ULAW"])
@pytest.mark.parametrize("size", [*NEVER_FILLED, 8])
@pytest.mark.parametrize("frames", [None, 0])
def test_an_aiff_that_was_never_closed_is_read_to_its_end(tmp_path, size, frames, subtype):
    data = put(encoded("AIFF", subtype), b"SSND", size, ">I")
    if frames is not None:
        data = put(put(data, data.index(b"COMM") + 10, frames, ">I"), 4, 0, ">I")
    check_whole(tmp_path / "a.aiff", data, subtype, "AIFF")


@pytest.mark.parametrize("size", [-1, 0, 4, (1 << 63) - 1, -(1 << 63), 0xFFFFFFFF])
def test_a_caf_that_was_never_closed_is_read_to_its_end(tmp_path, size):
    check_whole(tmp_path / "a.caf", put(encoded("CAF"), b"data", size, ">q"), kind="CAF")


@pytest.mark.parametrize("size", [*NEVER_FILLED_64, 24])
@pytest.mark.parametrize("riff_size", [None, 0, (1 << 64) - 1])
def test_a_w64_that_was_never_closed_is_read_to_its_end(tmp_path, size, riff_size):
    data = encoded("W64")
    data = put(data, data.index(b"data\xf3") + 16, size, "<Q")
    check_whole(tmp_path / "a.w64", data if riff_size is None else put(data, 16, riff_size, "<Q"), kind="W64")


CUT = ["WAV", "RF64", "AIFF", "AU", "CAF", "W64", "NIST"]


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW"])
def test_a_file_that_was_cut_off_is_an_error_unless_it_is_to_be_kept(tmp_path, kind, subtype):
    width = 1 if subtype == "ULAW" else 2
    data = encoded(kind, subtype)
    lost = 1_000 * width
    # Some have a chunk behind the samples.
    end = data.rindex(encoded(kind, subtype)[-8:]) + 8
    data = data[: end - lost]
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    take_counts()
    for file in (path, data):
        with pytest.raises(DecodeError, match=r"is cut off: its header claims 4000 frames but the file holds 3\d\d\d"):
            DecodeAudio(RATE)(file)
        with pytest.raises(DecodeError, match="is cut off"):
            DecodeAudio(RATE, duration=0.01)(file)
    with pytest.raises(DecodeError, match="is cut off"):
        SegmentSource([str(path)], 0.1)
    assert take_counts().truncated == 0
    keep = DecodeAudio(RATE, truncated="keep")
    expected = soundfile.read(io.BytesIO(encoded(kind, subtype)), dtype="float32")[0]
    for file in (path, data):
        kept = keep(file)
        assert 2_900 < len(kept) <= 3_100
        np.testing.assert_array_equal(kept, expected[: len(kept)])
    assert take_counts().truncated == 2 and take_counts().truncated == 0
    assert len(SegmentSource([str(path)], 0.1, truncated="keep")) == 2
    assert take_counts().truncated == 0


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_flac_that_was_cut_off_is_kept_up_to_there(tmp_path, share):
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 100_000)
    data = encoded("FLAC", samples=samples)
    path = tmp_path / "a.flac"
    path.write_bytes(data[: int(share * len(data))])
    take_counts()
    with pytest.raises(DecodeError, match=r"a\.flac"):
        DecodeAudio(RATE)(path)
    kept = DecodeAudio(RATE, truncated="keep")(path)
    assert abs(len(kept) - share * 100_000) < 5_000
    np.testing.assert_allclose(kept, samples[: len(kept)], atol=2**-15)
    assert take_counts().truncated == 1
    windows = SegmentSource([str(path)], 0.1, truncated="keep")
    assert abs(len(windows) - len(kept) / 1_600) <= 4
    part = DecodeAudio(RATE, truncated="keep", offset=1, duration=0.2)(path)
    np.testing.assert_array_equal(part, kept[16_000:19_200])


def test_what_becomes_of_a_truncated_file_is_one_of_two():
    with pytest.raises(ConfigError, match="truncated='drop' must be one of 'error', 'keep'"):
        DecodeAudio(RATE, truncated="drop")
    with pytest.raises(ConfigError, match="truncated='drop' must be"):
        SegmentSource(["a.wav"], 1.0, truncated="drop")
