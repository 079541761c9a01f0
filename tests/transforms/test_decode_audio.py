"""DecodeAudio on files that are as they should be: every format, from a path, bytes or a file."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from dataload.chain import Spec
from dataload.errors import ChainError, ConfigError, TransformError
from dataload.transforms import DecodeAudio

EXACT = [
    ("wav", "PCM_U8", 2**-7),
    ("wav", "PCM_16", 2**-15),
    ("wav", "PCM_24", 2**-23),
    ("wav", "PCM_32", 2**-24),
    ("wav", "FLOAT", 0.0),
    ("wav", "DOUBLE", 0.0),
    ("wav", "ULAW", 2**-5),
    ("flac", "PCM_16", 2**-15),
    ("flac", "PCM_24", 2**-23),
    ("aiff", "PCM_16", 2**-15),
    ("w64", "PCM_16", 2**-15),
    ("rf64", "PCM_16", 2**-15),
    ("au", "PCM_16", 2**-15),
    ("caf", "PCM_16", 2**-15),
]
LOSSY = [("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", "MPEG_LAYER_III")]


def write(path, samples, rate, subtype):
    soundfile.write(path, samples, rate, subtype=subtype, format=path.suffix[1:].upper())
    return path


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(("suffix", "subtype", "step"), EXACT)
def test_lossless_formats_come_back_within_their_step(tmp_path, noise, suffix, subtype, step, channels):
    samples = np.stack([noise * gain for gain in (1.0, -0.5, 0.25)[:channels]], axis=1)
    path = write(tmp_path / f"a.{suffix}", samples, 16_000, subtype)
    whole = DecodeAudio(16_000, mono=False)(path)
    assert whole.shape == (channels, 16_000)
    assert whole.dtype == np.float32
    assert whole.flags.c_contiguous
    np.testing.assert_allclose(whole, samples.T, atol=step)
    theirs = soundfile.read(path, dtype="float32", always_2d=True)[0]
    np.testing.assert_array_equal(whole, theirs.T)
    mono = DecodeAudio(16_000)(path)
    assert mono.shape == (16_000,)
    assert mono.dtype == np.float32
    np.testing.assert_allclose(mono, theirs.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("suffix", "subtype"), LOSSY)
def test_lossy_formats_come_back_like_the_original(tmp_path, suffix, subtype, channels):
    t = np.arange(48_000) / 48_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    path = write(tmp_path / f"a.{suffix}", np.stack([tone] * channels, axis=1), 48_000, subtype)
    ours = DecodeAudio(48_000)(path)
    theirs = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert abs(len(ours) - len(tone)) <= 2 * 1152
    assert np.abs(np.fft.rfft(ours)).argmax() == pytest.approx(440, abs=2)


def test_real_speech_equals_soundfile_to_the_bit(speech_files):
    decode = DecodeAudio(8_000)
    for path in speech_files[::5]:
        np.testing.assert_array_equal(decode(path), soundfile.read(path, dtype="float32")[0])


def test_a_path_its_text_its_bytes_and_a_file_give_the_same(speech_files):
    path = speech_files[0]
    decode = DecodeAudio(8_000)
    expected = decode(path)
    data = path.read_bytes()
    for value in (str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        np.testing.assert_array_equal(decode(value), expected)
    with path.open("rb") as file:
        np.testing.assert_array_equal(decode(file), expected)
        assert not file.closed


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3", "aiff"])
def test_bytes_of_other_formats_give_what_the_path_gives(tmp_path, noise, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise, 16_000)
    decode = DecodeAudio(16_000)
    np.testing.assert_array_equal(decode(path.read_bytes()), decode(path))


def test_a_file_is_read_from_where_it_stands(noise):
    file = io.BytesIO()
    file.write(b"a header of ours")
    part = io.BytesIO()
    soundfile.write(part, noise, 16_000, format="FLAC")
    file.write(part.getvalue())
    file.seek(16)
    assert DecodeAudio(16_000)(file).shape == (16_000,)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_another_rate_is_resampled_after_the_channels_are_mixed(tmp_path, rate):
    rng = np.random.default_rng(rate)
    samples = (0.1 * rng.standard_normal((rate, 2))).astype(np.float32)
    path = write(tmp_path / "a.wav", samples, rate, "FLOAT")
    mono = DecodeAudio(16_000)(path)
    assert mono.dtype == np.float32
    assert mono.shape == (16_000,)
    np.testing.assert_allclose(mono, soxr.resample(samples.mean(axis=1), rate, 16_000), atol=1e-6)
    whole = DecodeAudio(16_000, mono=False)(path)
    assert whole.shape == (2, 16_000)
    np.testing.assert_allclose(whole.mean(axis=0), mono, atol=1e-6)


def test_a_resampled_tone_keeps_its_pitch_and_loudness(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(44_100) / 44_100)
    path = write(tmp_path / "a.flac", tone, 44_100, "PCM_24")
    ours = DecodeAudio(16_000)(path)
    expected = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(ours[200:-200], expected[200:-200], atol=1e-4)


def chunk(name, body, order="<"):
    return name + struct.pack(order + "I", len(body)) + body + b"\0" * (len(body) % 2)


def form(order="<", channels=1, rate=8_000, bits=16):
    size = channels * bits // 8
    return chunk(b"fmt ", struct.pack(order + "HHIIHH", 1, channels, rate, rate * size, size, bits), order)


def riff(*chunks, magic=b"RIFF", order="<"):
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack(order + "I", len(body)) + body


SAMPLES = np.arange(-500, 500, dtype=np.int16)


@pytest.mark.parametrize("extra", [0, 3, 100_001])
def test_a_wav_with_other_chunks_around_its_samples_is_read(tmp_path, extra):
    data = riff(chunk(b"LIST", b"x" * extra), form(), chunk(b"data", SAMPLES.tobytes()), chunk(b"id3 ", b"y" * extra))
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    for value in (path, data):
        np.testing.assert_array_equal(DecodeAudio(8_000)(value) * 32768, SAMPLES)


def test_a_wav_with_its_high_bytes_first_is_read():
    data = riff(form(">"), chunk(b"data", SAMPLES.astype(">i2").tobytes(), ">"), magic=b"RIFX", order=">")
    np.testing.assert_array_equal(DecodeAudio(8_000)(data) * 32768, SAMPLES)


def test_a_wav_written_to_a_pipe_is_read_to_its_end():
    data = b"RIFF\xff\xff\xff\xffWAVE" + form() + b"data\xff\xff\xff\xff" + SAMPLES.tobytes()
    np.testing.assert_array_equal(DecodeAudio(8_000)(data) * 32768, SAMPLES)


def test_a_long_wav_is_read_whole(tmp_path):
    samples = np.random.default_rng(0).integers(-30_000, 30_000, (200_000, 2)).astype(np.int16)
    path = write(tmp_path / "a.wav", samples, 44_100, "PCM_16")
    np.testing.assert_array_equal(DecodeAudio(44_100, mono=False)(path) * 32768, samples.T)


def test_a_flac_written_to_a_pipe_is_read_to_its_end(tmp_path, noise):
    path = write(tmp_path / "a.flac", noise, 16_000, "PCM_16")
    expected = DecodeAudio(16_000)(path)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of the total number of samples: 0 is "not known"
    data[22:26] = bytes(4)
    path.write_bytes(data)
    np.testing.assert_array_equal(DecodeAudio(16_000)(path), expected)
    np.testing.assert_array_equal(DecodeAudio(16_000)(bytes(data)), expected)


def test_long_silence_is_read_although_it_takes_few_bytes(tmp_path):
    path = write(tmp_path / "a.flac", np.zeros(3_000_000, np.int16), 16_000, "PCM_16")
    assert path.stat().st_size < 100_000
    silence = DecodeAudio(16_000)(path)
    assert silence.shape == (3_000_000,)
    assert not silence.any()


def test_not_a_number_is_passed_on(tmp_path, noise):
    noise[5], noise[6] = np.nan, np.inf
    ours = DecodeAudio(16_000)(write(tmp_path / "a.wav", noise, 16_000, "FLOAT"))
    np.testing.assert_array_equal(ours, noise)


def test_the_result_can_be_written_to(speech_files):
    for mono in (True, False):
        waveform = DecodeAudio(8_000, mono=mono)(speech_files[0])
        waveform *= 2.0


@pytest.mark.parametrize("value", [3, None, 2.5, ["a.wav"], np.zeros(3)])
def test_a_value_of_another_type_is_refused_with_what_it_takes(value):
    with pytest.raises(
        TransformError, match="takes a path, bytes or a binary file object but got " + type(value).__name__
    ):
        DecodeAudio(8_000)(value)


def test_a_file_opened_as_text_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("hello")
    with path.open() as file, pytest.raises(TransformError, match="mode 'rb'"):
        DecodeAudio(8_000)(file)


@pytest.mark.parametrize("sample_rate", [0, -1, 8_000.0, "8000", None, True])
def test_a_rate_that_is_no_positive_integer_is_refused(sample_rate):
    with pytest.raises(ConfigError, match=r"sample_rate=.* must be a positive integer"):
        DecodeAudio(sample_rate)


def test_it_says_what_comes_out():
    assert DecodeAudio(8_000).output_spec(Spec()) == Spec("waveform", 8_000, varies=True)
    assert DecodeAudio(8_000, mono=False).output_spec(Spec()) == Spec(None, 8_000, varies=True)


@pytest.mark.parametrize("kind", ["waveform", "features"])
def test_it_refuses_what_is_decoded_already(kind):
    with pytest.raises(ChainError, match=f"reads files but gets {kind}"):
        DecodeAudio(8_000).output_spec(Spec(kind, 8_000))


def test_names_with_spaces_and_other_letters_are_fine(tmp_path, noise):
    path = Path(tmp_path / "ein Käfer 音.flac")
    soundfile.write(path, noise, 16_000)
    assert DecodeAudio(16_000)(path).shape == (16_000,)
