"""DecodeAudio on files that are missing, empty, cut off or no audio: the error names the file and leaks nothing."""

import io
import os
import struct
import tracemalloc

import numpy as np
import psutil
import pytest
import soundfile

from dataload.errors import DecodeError, SourceNotFound
from dataload.transforms import DecodeAudio

DECODE = DecodeAudio(16_000)


def encoded(samples, fmt, subtype=None):
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=fmt, subtype=subtype)
    return file.getvalue()


def message_of(value, error=DecodeError):
    with pytest.raises(error) as caught:
        DECODE(value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def message_for(tmp_path, data, name="bad.wav"):
    """Check that path, bytes and file say the same of damaged data, each under its name."""
    path = tmp_path / name
    path.write_bytes(data)
    by_path = message_of(path)
    assert by_path.startswith(f"{path}: ")
    by_bytes = message_of(data)
    assert by_bytes.startswith(f"<bytes, {len(data)} bytes>: ")
    assert message_of(io.BytesIO(data)).startswith(f"<BytesIO, {len(data)} bytes>: ")
    with path.open("rb") as file:
        assert message_of(file).startswith(f"{path}: ")
    return by_path


def claiming(total, data):
    """Return a FLAC file with another total number of samples in its header."""
    field = int.from_bytes(data[18:26], "big") >> 36 << 36 | total
    return data[:18] + field.to_bytes(8, "big") + data[26:]


def test_a_missing_file_is_not_found(tmp_path):
    assert str(tmp_path / "no.wav") in message_of(tmp_path / "no.wav", SourceNotFound)
    (tmp_path / "file").write_bytes(b"x")
    assert "no such file" in message_of(tmp_path / "file" / "no.wav", SourceNotFound)
    with pytest.raises(FileNotFoundError):
        DECODE("no.wav")


def test_a_directory_is_no_file(tmp_path):
    assert message_of(tmp_path).startswith(f"{tmp_path}: is a directory")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path, noise):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(noise, "WAV"))
    path.chmod(0)
    assert "permission" in message_of(path).lower()


@pytest.mark.parametrize("name", ["bad.wav", "bad.flac", "bad.mp3"])
def test_an_empty_file_is_empty(tmp_path, name):
    assert "is empty (0 bytes)" in message_for(tmp_path, b"", name)


@pytest.mark.parametrize("fmt", ["WAV", "FLAC", "AIFF"])
def test_zero_frames_are_an_error(tmp_path, fmt):
    message_for(tmp_path, encoded(np.zeros(0, np.float32), fmt), f"bad.{fmt.lower()}")


def test_a_wav_with_zero_frames_holds_no_samples(tmp_path):
    assert "holds no samples" in message_for(tmp_path, encoded(np.zeros(0, np.float32), "WAV"))


@pytest.mark.parametrize("name", ["bad.wav", "bad.flac", "bad.ogg", "bad.txt"])
def test_text_under_another_name_shows_how_it_begins(tmp_path, name):
    message = message_for(tmp_path, b"hello world, this is no sound at all\n" * 40, name)
    assert "b'hello world," in message
    assert "begins with" in message


def test_a_raw_file_has_no_header(tmp_path):
    path = tmp_path / "bad.raw"
    path.write_bytes(bytes(1000))
    assert message_of(path).startswith(f"{path}: has no header")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("kept", [15_999, 12_000, 1, 0])
def test_a_wav_that_was_cut_off_says_how_many_frames_are_missing(tmp_path, noise, subtype, kept):
    data = encoded(noise, "WAV", subtype)
    width = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4, "ULAW": 1}[subtype]
    start = data.index(b"data") + 8
    message = message_for(tmp_path, data[: start + kept * width])
    assert f"claims 16000 frames but the file holds {kept}, {16_000 - kept} frames are missing" in message


def test_a_wav_cut_off_inside_a_frame_counts_whole_ones(tmp_path, noise):
    data = encoded(np.stack([noise, noise], axis=1), "WAV", "PCM_16")
    assert "holds 15999, 1 frames are missing" in message_for(tmp_path, data[:-1])


@pytest.mark.parametrize("length", [1, 4, 11, 12, 20, 30, 36, 40, 43])
def test_a_wav_cut_off_in_its_header_is_an_error(tmp_path, noise, length):
    message_for(tmp_path, encoded(noise, "WAV")[:length])


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_a_flac_that_was_cut_off_is_an_error(tmp_path, noise, share):
    data = encoded(np.tile(noise, 4), "FLAC")
    message_for(tmp_path, data[: int(share * len(data))], "bad.flac")


def test_a_flac_cut_off_between_two_of_its_frames_is_an_error(tmp_path):
    # Silence has frames of equal size, so that the cut can be made exactly between two.
    data = encoded(np.zeros(4096 * 8, np.int16), "FLAC")
    whole = encoded(np.zeros(4096 * 7, np.int16), "FLAC")
    message = message_for(tmp_path, data[: len(whole)], "bad.flac")
    assert "claims 32768 frames but 28672 can be decoded, 4096 frames are missing" in message


def test_a_flac_with_damage_in_the_middle_is_an_error(tmp_path, noise):
    data = bytearray(encoded(np.tile(noise, 4), "FLAC"))
    middle = len(data) // 2
    data[middle : middle + 2_000] = bytes(2_000)
    message_for(tmp_path, bytes(data), "bad.flac")


@pytest.mark.parametrize("fmt", ["OGG", "MP3"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_an_ogg_or_mp3_that_was_cut_off_gives_what_is_there_and_no_more(noise, fmt, share):
    data = encoded(np.tile(noise, 8), fmt)
    whole, part = DECODE(data), DECODE(data[: int(share * len(data))])
    assert 0.2 * share * len(whole) < len(part) < len(whole)
    length = len(part) - 2_000
    assert np.abs(part[length - 4_000 : length]).max() > 0.1


@pytest.mark.parametrize("fmt", ["OGG", "MP3"])
def test_the_first_bytes_of_an_ogg_or_mp3_are_an_error(tmp_path, noise, fmt):
    message_for(tmp_path, encoded(noise, fmt)[:40], f"bad.{fmt.lower()}")


def test_a_header_that_claims_too_much_takes_no_memory(tmp_path, noise):
    wav = bytearray(encoded(noise, "WAV"))
    start = wav.index(b"data")
    wav[start + 4 : start + 8] = struct.pack("<I", 0xFFFFFFF0)
    rf64 = bytearray(encoded(noise, "RF64"))
    start = rf64.index(b"ds64") + 16
    rf64[start : start + 8] = struct.pack("<Q", 2 * 10**12)
    flac = encoded(noise, "FLAC")
    tracemalloc.start()
    try:
        assert f"{10**12 - 16_000} frames are missing" in message_for(tmp_path, bytes(rf64))
        assert "claims 2147483640 frames" in message_for(tmp_path, bytes(wav))
        for total in (16_001, 10**9, 2**36 - 1):
            message_for(tmp_path, claiming(total, flac), "bad.flac")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("rate", [1, 2**32 - 1])
def test_an_absurd_sample_rate_is_an_error(tmp_path, noise, rate):
    data = bytearray(encoded(noise, "WAV", "PCM_16"))
    data[24:28] = struct.pack("<I", rate)
    assert f"claims a sample rate of {rate} Hz" in message_for(tmp_path, bytes(data))


def test_no_error_leaves_a_file_open(tmp_path, noise):
    flac = encoded(noise, "FLAC")
    bad = {
        "empty.wav": b"",
        "text.wav": b"hello world " * 100,
        "cut.wav": encoded(noise, "WAV")[:-10],
        "cut24.wav": encoded(noise, "WAV", "PCM_24")[:-10],
        "zero.wav": encoded(np.zeros(0, np.float32), "WAV"),
        "cut.flac": flac[: len(flac) // 2],
        "head.flac": flac[:50],
        "much.flac": claiming(10**9, flac),
        "cut.ogg": encoded(noise, "OGG")[:40],
        "cut.mp3": encoded(noise, "MP3")[:40],
        "bad.raw": bytes(100),
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    good = tmp_path / "good.flac"
    good.write_bytes(flac)
    process = psutil.Process()

    def decode_all():
        DECODE(good)
        for name, data in bad.items():
            message_of(tmp_path / name)
            if name != "bad.raw":
                message_of(data)
        message_of(tmp_path)
        message_of(tmp_path / "no.wav", SourceNotFound)

    decode_all()
    before = process.num_fds()
    for _ in range(5):
        decode_all()
    assert process.num_fds() == before
