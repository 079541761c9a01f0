"""Samples of unusual depths, channels in one order, and formats that are not read: named for what they are."""

import io
import struct

import flac_writer
import numpy as np
import pytest
import soundfile

from dataload.audio import ogg
from dataload.errors import DecodeError
from dataload.transforms import DecodeAudio

RATE = 16_000


def wav(raw, bits, width, channels=1, tag=1, extra=b""):
    form = struct.pack("<HHIIHH", tag, channels, RATE, RATE * width * channels, width * channels, bits) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(raw)) + raw
    return b"RIFF" + struct.pack("<I", len(body)) + body


def noise(bits, frames=3_000, channels=1):
    limit = 1 << bits - 1
    return np.random.default_rng(bits).integers(-limit, limit, (frames, channels))


@pytest.mark.parametrize("place", ["below", "below, zeros above", "on top"])
@pytest.mark.parametrize(("bits", "width"), [(24, 4), (20, 4), (16, 4), (8, 2)])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_in_more_bytes_than_they_need_are_found_in_them(tmp_path, place, bits, width, channels):
    samples = noise(bits, channels=channels)
    full = 8 * width
    stored = {
        "below": samples,
        "below, zeros above": samples & (1 << bits) - 1,
        "on top": samples << full - bits,
    }[place]
    data = wav(stored.astype(f"<i{width}").tobytes(), bits, width, channels)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    expected = (samples.T / (1 << bits - 1)).astype(np.float32)
    for file in (data, path):
        np.testing.assert_array_equal(DecodeAudio(RATE, mono=False)(file), expected)
    # A quiet part of a loud file is read as the whole is.
    np.testing.assert_array_equal(
        DecodeAudio(RATE, mono=False, offset=0.01, duration=0.001)(path), expected[:, 160:176]
    )


def test_samples_whose_bits_fill_no_bytes_are_on_top():
    samples = noise(12)
    np.testing.assert_array_equal(
        DecodeAudio(RATE)(wav((samples << 4).astype("<i2").tobytes(), 12, 2)), (samples[:, 0] / 2_048).astype("f4")
    )


@pytest.mark.slow
@pytest.mark.parametrize("bits", [12, 16, 20, 24, 32])
@pytest.mark.parametrize("switch", ["0", "1"], ids=["plain", "fast"])
@pytest.mark.parametrize("channels", [1, 2])
def test_flac_of_all_depths_that_its_frames_name_is_read_exactly(tmp_path, bits, switch, channels, monkeypatch):
    monkeypatch.setenv("DATALOAD_FAST", switch)
    samples = noise(bits, 20_000, channels)
    data = flac_writer.flac(samples, bits=bits)
    expected = (samples.T / (1 << bits - 1)).astype(np.float32)
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    for file in (data, path):
        np.testing.assert_array_equal(DecodeAudio(RATE, mono=False)(file), expected)
        part = DecodeAudio(RATE, mono=False, offset=0.5, duration=0.1)(file)
        np.testing.assert_array_equal(part, expected[:, 8_000:9_600])


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_the_channels_of_ogg_come_in_the_order_of_wav(tmp_path, channels, subtype):
    t = np.arange(48_000) / 48_000
    tones = [300, 500, 700, 900, 1_100, 1_300, 1_500, 60][:channels]
    stored = np.stack([0.1 * np.sin(2 * np.pi * tone * t) for tone in tones], axis=1)
    path = tmp_path / "a.ogg"
    soundfile.write(path, stored, 48_000, format="OGG", subtype=subtype)
    raw = soundfile.read(path, always_2d=True)[0]
    order = list(ogg.WAV_ORDER.get(channels, range(channels)))
    decoded = DecodeAudio(48_000, mono=False)(path)
    if subtype == "OPUS" and not ogg.has_vorbis_order(path.read_bytes()[:64]):
        order = list(range(channels))
    np.testing.assert_allclose(decoded, raw.T[order], atol=1e-6)
    np.testing.assert_array_equal(DecodeAudio(48_000, mono=False, offset=0.5)(path), decoded[:, 24_000:])


def test_left_right_centre_low_rear_is_the_order_of_six():
    vorbis = ["left", "centre", "right", "rear left", "rear right", "low"]
    assert [vorbis[i] for i in ogg.WAV_ORDER[6]] == ["left", "right", "centre", "low", "rear left", "rear right"]


OTHER = {
    "MPEG-4 audio": b"\0\0\0\x20ftypM4A \0\0\0\0",
    "3GPP": b"\0\0\0\x18ftyp3gp4\0\0\2\0",
    "QuickTime": b"\0\0\0\x14ftypqt  \0\0\2\0",
    "AAC (ADTS)": b"\xff\xf1\x50\x80\x2e\x7f\xfc",
    "AMR": b"#!AMR\n\x0c\x91\x16",
    "AMR-WB": b"#!AMR-WB\n\x24\xea",
    "Matroska or WebM": b"\x1aE\xdf\xa3\x9fB\x86\x81",
    "Windows Media": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "WavPack": b"wvpk\x1a\x03\0\0\x10\4",
    "Monkey's Audio": b"MAC \x96\x0f\0\0",
    "AC-3": b"\x0bw\x2d\xb4\x14\x40",
    "AAC in WAV": wav(bytes(400), 16, 2, tag=0xFF, extra=b"\0\0"),
    "Windows Media in WAV": wav(bytes(400), 16, 2, tag=0x161, extra=b"\0\0"),
    "Speex in Ogg": b"OggS\0\2" + bytes(20) + b"\1\x50Speex   1.2",
    "AAC in CAF": b"caff\0\1\0\0desc" + bytes(7) + b"\x20" + bytes(8) + b"aac " + bytes(100),
    "NIST SPHERE packed with Shorten": b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n",
}


@pytest.mark.parametrize("name", OTHER)
def test_a_format_that_is_not_read_is_named_with_what_to_do(tmp_path, name):
    data = OTHER[name] + bytes(1_000)
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    for file in (path, data, io.BytesIO(data)):
        with pytest.raises(DecodeError) as caught:
            DecodeAudio(RATE)(file)
        message = str(caught.value)
        assert f"it is {name}" in message or f"it is a {name}" in message, message
        assert "convert it" in message and "damaged" not in message
        assert message.startswith(f"{path}: ") == (file is path)
