"""The samples of a WAV file, to the bit what libsndfile makes of them, with and without libsndfile."""

import io
import struct

import numpy as np
import pytest
import soundfile

from dataload.errors import DecodeError
from dataload.transforms import DecodeAudio

SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]


def encoded(samples, subtype, fmt="WAV", endian="FILE"):
    file = io.BytesIO()
    soundfile.write(file, samples, 8_000, subtype=subtype, format=fmt, endian=endian)
    return file.getvalue()


def theirs(data):
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T


def sound(frames, channels):
    """Noise with full scale and silence in it."""
    samples = np.random.default_rng(frames).uniform(-1, 1, (frames, channels))
    edges = [-1.0, 1.0, 0.0, -(2.0**-31), 2.0**-31, 0.5][:frames]
    samples[: len(edges), 0] = edges
    return samples


@pytest.mark.usefixtures("without_libsndfile")
@pytest.mark.parametrize("fmt", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("frames", [1, 2, 3, 1_001, 33_333])
def test_plain_numbers_are_read_without_libsndfile_and_equal_it_to_the_bit(tmp_path, frames, channels, subtype, fmt):
    data = encoded(sound(frames, channels), subtype, fmt)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    decode = DecodeAudio(8_000, mono=False)
    for value in (path, data):
        ours = decode(value)
        assert ours.dtype == np.float32
        assert ours.shape == (channels, frames)
        np.testing.assert_array_equal(ours, theirs(data))


@pytest.mark.usefixtures("without_libsndfile")
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_32", "FLOAT", "DOUBLE"])
def test_high_bytes_first_are_read_without_libsndfile(subtype):
    data = encoded(sound(777, 2), subtype, endian="BIG")
    assert data[:4] == b"RIFX"
    np.testing.assert_array_equal(DecodeAudio(8_000, mono=False)(data), theirs(data))


@pytest.mark.usefixtures("without_libsndfile")
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.filterwarnings("error")
def test_floats_that_no_sound_has_come_through_as_libsndfile_gives_them(subtype):
    samples = np.array([np.nan, np.inf, -np.inf, 3.0, -1e30, 1e-40, -0.0, 1 / 3])
    if subtype == "DOUBLE":
        samples = np.append(samples, [1e300, -1e300, 1e-320])
    data = encoded(samples, subtype)
    np.testing.assert_array_equal(DecodeAudio(8_000, mono=False)(data), theirs(data))


@pytest.mark.usefixtures("without_libsndfile")
@pytest.mark.parametrize("size", [65_535, 65_536, 65_537])
def test_a_file_as_long_as_the_first_read_is_read_whole(tmp_path, size):
    data = encoded(sound(size - 44, 1), "PCM_U8")
    data = data[:size]
    data = data[:40] + struct.pack("<I", size - 44) + data[44:]
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    ours = DecodeAudio(8_000)(path)
    assert ours.shape == (size - 44,)
    np.testing.assert_array_equal(ours, theirs(data)[0])


@pytest.mark.parametrize(
    ("subtype", "fmt", "endian"), [("PCM_24", "WAV", "BIG"), ("ULAW", "WAV", "FILE"), ("ALAW", "WAVEX", "FILE")]
)
def test_other_kinds_of_samples_are_left_to_libsndfile(subtype, fmt, endian, request):
    data = encoded(sound(555, 2), subtype, fmt, endian)
    np.testing.assert_array_equal(DecodeAudio(8_000, mono=False)(data), theirs(data))
    request.getfixturevalue("without_libsndfile")
    with pytest.raises(AssertionError, match="through libsndfile"):
        DecodeAudio(8_000)(data)


@pytest.mark.parametrize(("offset", "value"), [(38, 20), (50, 0x55), (44, 7)])
@pytest.mark.usefixtures("without_libsndfile")
def test_an_extension_that_says_something_else_is_left_to_libsndfile(offset, value):
    data = bytearray(encoded(sound(555, 1), "PCM_24", "WAVEX"))
    assert data[20:22] == b"\xfe\xff"
    data[offset] = value  # the bits in use, the tail of the subformat, and its tag
    with pytest.raises(AssertionError, match="through libsndfile"):
        DecodeAudio(8_000)(bytes(data))


@pytest.mark.parametrize("fmt", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("missing", [1, 7, 500])
def test_samples_that_were_cut_off_are_counted_in_every_kind(tmp_path, subtype, fmt, missing):
    data = encoded(sound(1_001, 2), subtype, fmt)
    width = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}[subtype] * 2
    end = data.index(b"data") + 8 + 1_001 * width
    path = tmp_path / "a.wav"
    path.write_bytes(data[: end - missing])
    lost = -(-missing // width)
    with pytest.raises(DecodeError, match=f"holds {1_001 - lost}, {lost} frames are missing"):
        DecodeAudio(8_000)(path)


def test_damaged_headers_give_an_error_or_what_libsndfile_gives():
    rng = np.random.default_rng(0)
    equal = 0
    for subtype in SUBTYPES:
        data = encoded(sound(99, 2), subtype, "WAVEX")
        header = data.index(b"data") + 8
        for _ in range(200):
            damaged = bytearray(data)
            place = int(rng.integers(header))
            damaged[place] = rng.integers(256)
            rate = max(1, struct.unpack_from("<I", damaged, 24)[0] & 0x7FFFFFFF)
            try:
                ours = DecodeAudio(rate, mono=False)(bytes(damaged))
                expected = theirs(bytes(damaged))
            except (DecodeError, soundfile.SoundFileError):
                continue
            if header - 4 <= place and ours.shape[1] == 99:
                # Less was claimed than the size of the file says there is: all of it is read.
                expected = theirs(data)
            np.testing.assert_array_equal(ours, expected)
            equal += 1
    assert equal > 100
