"""Nothing of a file is left unread in silence: streams one behind the other, and headers that claim too little."""

import io
import itertools

import flac_writer
import numpy as np
import pytest
import soundfile

from dataload import Segment, SegmentSource
from dataload.audio import mpeg
from dataload.errors import DecodeError
from dataload.transforms import DecodeAudio, RandomSegment

RATE = 16_000


def noise(frames, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, frames)


def encoded(kind, samples, subtype=None, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def claiming(total, data):
    packed = int.from_bytes(data[18:26], "big") >> 36 << 36 | total
    return data[:18] + packed.to_bytes(8, "big") + data[26:]


def check(path, data, expected):
    """Check that a file is as expected: from bytes, from a file, in parts, and in windows; with `fast` and without."""
    path.write_bytes(data)
    for file in (data, path):
        np.testing.assert_array_equal(DecodeAudio(RATE)(file), expected)
        part = DecodeAudio(RATE, offset=0.2, duration=0.3)(file)
        np.testing.assert_array_equal(part, expected[3_200:8_000])
    source = SegmentSource([str(path)], 0.25)
    assert len(source) == -(-len(expected) // 4_000)
    np.testing.assert_array_equal(DecodeAudio(RATE)(source[len(source) - 1]), expected[4_000 * (len(source) - 1) :])
    assert RandomSegment(RATE, 0.1)(path, np.random.default_rng(0)).any()


@pytest.fixture(params=["0", "1"], ids=["plain", "fast"])
def switch(request, monkeypatch):
    monkeypatch.setenv("DATALOAD_FAST", request.param)


@pytest.mark.usefixtures("switch")
@pytest.mark.parametrize("lengths", [(9_000, 9_000), (9_000, 20_000), (20_000, 9_000), (80_000, 80_000), (9_000,) * 3])
@pytest.mark.parametrize("kind", ["known", "not known"])
def test_flac_files_one_behind_the_other_are_read_as_one(tmp_path, lengths, kind):
    parts = [encoded("FLAC", noise(n, seed)) for seed, n in enumerate(lengths)]
    expected = np.concatenate([DecodeAudio(RATE)(part) for part in parts])
    if kind == "not known":
        parts = [claiming(0, part) for part in parts]
    check(tmp_path / "a.flac", b"".join(parts), expected)


@pytest.mark.usefixtures("switch")
@pytest.mark.parametrize("frames", [20_000, 200_000])
@pytest.mark.parametrize("claimed", [1, 8_192, 19_000])
def test_a_flac_that_claims_fewer_samples_than_follow_is_read_to_its_end(tmp_path, frames, claimed):
    data = encoded("FLAC", noise(frames))
    check(tmp_path / "a.flac", claiming(claimed, data), DecodeAudio(RATE)(data))
    check(tmp_path / "b.flac", claiming(claimed, data) + b"TAG" + bytes(125), DecodeAudio(RATE)(data))


@pytest.mark.usefixtures("switch")
def test_tags_before_and_behind_a_flac_change_nothing(tmp_path):
    tag = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    for frames in (10_000, 150_000):
        data = encoded("FLAC", noise(frames))
        expected = DecodeAudio(RATE)(data)
        for before, behind in ((tag, b""), (b"", b"TAG" + bytes(125)), (b"", b"APETAGEX" + bytes(100_000))):
            check(tmp_path / "a.flac", before + data + behind, expected)


@pytest.mark.slow
@pytest.mark.usefixtures("switch")
@pytest.mark.parametrize("block", [1_024, 4_608, 5_000])
def test_a_wrong_block_size_in_a_flac_does_not_move_its_parts(tmp_path, block):
    samples = np.random.default_rng(0).integers(-9_000, 9_000, (90_000, 1))
    data = flac_writer.flac(samples, block=block, claimed_block=4_096)
    check(tmp_path / "a.flac", data, (samples[:, 0] / 32_768).astype(np.float32))


@pytest.mark.usefixtures("switch")
def test_blocks_of_many_sizes_are_read_where_they_stand(tmp_path):
    samples = np.random.default_rng(0).integers(-9_000, 9_000, (60_000, 2))
    ends = [0, 100, 5_000, 5_200, 30_000, 31_000, 60_000]
    frames = [flac_writer.frame(samples[a:b], a, variable=True) for a, b in itertools.pairwise(ends)]
    info = bytearray(flac_writer.head(60_000, channels=2))
    info[8:12] = b"\x00\x64\x74\x40"
    check(tmp_path / "a.flac", bytes(info) + b"".join(frames), (samples.sum(axis=1) / 65_536).astype(np.float32))


@pytest.mark.usefixtures("switch")
@pytest.mark.parametrize("total", [0, 40_960])
def test_a_rate_that_changes_inside_of_a_flac_is_an_error(tmp_path, total):
    samples = np.random.default_rng(0).integers(-9_000, 9_000, (40_960, 1))
    data = flac_writer.head(total)
    data += flac_writer.frames(samples[:20_480]) + flac_writer.frames(samples[20_480:], first=5, rate=8_000)
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    for read in (DecodeAudio(RATE), DecodeAudio(RATE, duration=0.1), lambda path: SegmentSource([str(path)], 1.0)):
        with pytest.raises(DecodeError, match=r"a\.flac: its sample rate changes in mid-stream, from 16000 to 8000"):
            read(path)


def test_files_of_unlike_rates_or_channels_one_behind_the_other_are_an_error(tmp_path):
    stereo = np.stack([noise(9_000)] * 2, axis=1)
    for kind in ("FLAC", "OGG", "MP3"):
        for what, other in (
            ("sample rate changes in mid-stream, from 16000 to 8000", encoded(kind, noise(9_000), rate=8_000)),
            ("number of channels changes in mid-stream, from 1 to 2", encoded(kind, stereo)),
        ):
            path = tmp_path / "a.bin"
            path.write_bytes(encoded(kind, noise(9_000)) + other)
            with pytest.raises(DecodeError, match=what):
                DecodeAudio(RATE)(path)
            with pytest.raises(DecodeError, match=what):
                SegmentSource([str(path)], 0.1)


@pytest.mark.parametrize("lengths", [(9_000, 9_000), (30_000, 9_000), (100_000, 100_000, 5_000)])
@pytest.mark.parametrize(("kind", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)])
def test_lossy_files_one_behind_the_other_are_read_as_one(tmp_path, lengths, kind, subtype):
    parts = [encoded(kind, noise(n, seed), subtype) for seed, n in enumerate(lengths)]
    expected = np.concatenate([DecodeAudio(RATE)(part) for part in parts])
    assert len(expected) == sum(lengths)
    check(tmp_path / "a.bin", b"".join(parts), expected)
    check(tmp_path / "a.bin", parts[0] * 2, np.tile(DecodeAudio(RATE)(parts[0]), 2))


def without_table(data):
    """Return an MP3 without its first frame, which holds the table of the others."""
    return data[mpeg.read_frame(data[:4]).length :]


def of_two_bit_rates(seconds):
    """Return an MP3 that begins at a high bit rate and goes on at a low one, without a table, and its frames."""
    streams = []
    for level, samples in ((0.0, noise(RATE * seconds)), (0.9, noise(RATE * seconds))):
        file = io.BytesIO()
        with soundfile.SoundFile(
            file, "w", RATE, 1, format="MP3", compression_level=level, bitrate_mode="CONSTANT"
        ) as sound:
            sound.write(samples)
        streams.append(without_table(file.getvalue()))
    return b"".join(streams)


@pytest.mark.parametrize("seconds", [5, 70])
def test_an_mp3_without_a_table_is_read_to_its_end(tmp_path, seconds):
    data = of_two_bit_rates(seconds)
    (stream,) = mpeg.streams(data)
    estimated = soundfile.info(io.BytesIO(data)).frames
    assert estimated < 0.75 * stream.frames * 576, "a file that libsndfile reads whole is no test"
    path = tmp_path / "a.mp3"
    path.write_bytes(data)
    whole = DecodeAudio(RATE)(path)
    assert len(whole) == stream.frames * 576 >= 2 * seconds * RATE
    np.testing.assert_array_equal(DecodeAudio(RATE)(data), whole)
    for offset in (0.5, 2 * seconds - 1.5):
        part = DecodeAudio(RATE)(Segment(str(path), offset, 1.0))
        np.testing.assert_allclose(part, whole[round(offset * RATE) : round((offset + 1) * RATE)], atol=1e-6)
    assert len(SegmentSource([str(path)], 1.0)) == -(-len(whole) // RATE)


def test_an_mp3_of_constant_bit_rate_without_a_table_is_what_it_was(tmp_path):
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", 44_100, 2, format="MP3", compression_level=0.3, bitrate_mode="CONSTANT"
    ) as sound:
        sound.write(np.stack([noise(100_000), noise(100_000, 1)], axis=1))
    data = without_table(file.getvalue())
    expected = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    np.testing.assert_array_equal(DecodeAudio(44_100, mono=False)(data), expected.T)


@pytest.mark.parametrize("tagged", [True, False])
def test_mp3_inside_of_wav_is_read_like_mp3(tmp_path, tagged):
    data = encoded("MP3", noise(30_000))
    if not tagged:
        data = without_table(data)
    form = (
        b"\x55\0\1\0" + RATE.to_bytes(4, "little") + (4_000).to_bytes(4, "little") + b"\1\0\0\0" + b"\x0c\0" + bytes(12)
    )
    body = b"WAVEfmt " + len(form).to_bytes(4, "little") + form + b"fact\4\0\0\0" + (50_000).to_bytes(4, "little")
    for size in (len(data), 0xFFFFFFFF):
        wav = body + b"data" + size.to_bytes(4, "little") + data
        check(tmp_path / "a.wav", b"RIFF" + len(wav).to_bytes(4, "little") + wav, DecodeAudio(RATE)(data))


def paged(packets, serial=1):
    """Return an Ogg stream with a page for each packet."""
    pages = []
    for number, packet in enumerate(packets):
        lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
        flags = (2 if number == 0 else 0) | (4 if number == len(packets) - 1 else 0)
        head = b"OggS\0" + bytes([flags]) + bytes(8) + serial.to_bytes(4, "little") + number.to_bytes(4, "little")
        pages.append(head + bytes(4) + bytes([len(lacing)]) + lacing + packet)
    return b"".join(pages)


@pytest.mark.usefixtures("switch")
def test_flac_in_ogg_is_read_like_flac(tmp_path):
    samples = np.random.default_rng(0).integers(-9_000, 9_000, (40_000, 1))
    blocks = [flac_writer.frame(samples[n : n + 4_000], n // 4_000) for n in range(0, 40_000, 4_000)]
    data = paged([b"\x7fFLAC\1\0\0\0" + flac_writer.head(0, block=4_000), *blocks])
    expected = (samples[:, 0] / 32_768).astype(np.float32)
    check(tmp_path / "a.oga", data, expected)
    check(tmp_path / "a.oga", data * 2, np.tile(expected, 2))
