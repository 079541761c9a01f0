"""Stretches of files: equal to the bit to the same stretch of the whole file decoded, and nothing else is read."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from dataload import Segment
from dataload.audio import blocks
from dataload.chain import Spec
from dataload.errors import ChainError, ConfigError, DecodeError, SourceNotFound, TransformError
from dataload.transforms import DecodeAudio, RandomSegment

pytestmark = pytest.mark.slow

RATE = 8_000
SECONDS = 3.0
FORMATS = [
    ("wav", "PCM_U8"),
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "FLOAT"),
    ("wav", "ULAW"),
    ("wav", "IMA_ADPCM"),
    ("flac", "PCM_16"),
    ("flac", "PCM_24"),
    ("aiff", "PCM_16"),
    ("ogg", "VORBIS"),
    ("ogg", "OPUS"),
    ("mp3", "MPEG_LAYER_III"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segments")
    t = np.arange(round(SECONDS * RATE)) / RATE
    noise = np.random.default_rng(0).standard_normal(len(t))
    samples = np.stack([0.3 * np.sin(2 * np.pi * (200 + 40 * t) * t), 0.05 * noise], axis=1)
    paths = {}
    for suffix, subtype in FORMATS:
        paths[suffix, subtype] = folder / f"{subtype}.{suffix}"
        soundfile.write(paths[suffix, subtype], samples, RATE, subtype=subtype, format=suffix.upper())
    return paths


@pytest.mark.parametrize("mono", [True, False])
@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
@settings(max_examples=15)
@given(offset=st.floats(0, 2.9), duration=st.floats(0.001, 3.5) | st.none())
def test_a_stretch_equals_that_of_the_whole_file(files, suffix, subtype, mono, offset, duration):
    path = files[suffix, subtype]
    whole = DecodeAudio(RATE, mono)(path)
    first = round(offset * RATE)
    stop = whole.shape[-1] if duration is None else first + max(1, round(duration * RATE))
    part = DecodeAudio(RATE, mono, offset=offset, duration=duration)(path)
    np.testing.assert_array_equal(part, whole[..., first:stop])
    assert part.flags.c_contiguous
    if duration is not None:
        np.testing.assert_array_equal(DecodeAudio(RATE, mono)(Segment(str(path), offset, duration)), part)


@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
def test_a_random_segment_is_a_stretch_of_the_whole_file(files, suffix, subtype):
    path = files[suffix, subtype]
    whole = DecodeAudio(RATE)(path)
    windows = np.lib.stride_tricks.sliding_window_view(whole, 1_600)
    starts = set()
    for seed in range(12):
        part = RandomSegment(RATE, 0.2)(path, np.random.default_rng(seed))
        assert part.shape == (1_600,)
        found = np.flatnonzero((windows == part).all(axis=1))
        assert len(found) >= 1
        starts.add(int(found[0]))
    assert len(starts) > 8


def test_real_speech_is_cut_to_the_bit(speech_files):
    for path in speech_files[::30]:
        whole = soundfile.read(path, dtype="float32")[0]
        part = DecodeAudio(8_000, offset=0.05, duration=0.1)(path)
        np.testing.assert_array_equal(part, whole[400:1_200])


def test_bytes_and_files_are_cut_like_paths(files):
    for path in files.values():
        expected = DecodeAudio(RATE, offset=1, duration=0.5)(path)
        for file in (path.read_bytes(), io.BytesIO(path.read_bytes()), str(path)):
            np.testing.assert_array_equal(DecodeAudio(RATE, offset=1, duration=0.5)(file), expected)


def test_every_start_is_equally_likely(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.arange(10) / 100, RATE, subtype="FLOAT")
    rng = np.random.default_rng(0)
    read = RandomSegment(RATE, 7 / RATE)
    starts = [round(float(read(tmp_path / "a.wav", rng)[0]) * 100) for _ in range(2_000)]
    counts = np.bincount(starts, minlength=4)
    assert len(counts) == 4 and np.all(np.abs(counts - 500) < 90)


def test_a_file_shorter_than_the_segment_is_padded_with_zeros(files):
    path = files["flac", "PCM_16"]
    whole = DecodeAudio(RATE, mono=False)(path)
    part = RandomSegment(RATE, 4, mono=False)(path, np.random.default_rng(0))
    assert part.shape == (2, 32_000)
    np.testing.assert_array_equal(part, np.pad(whole, ((0, 0), (0, 8_000))))


@pytest.mark.parametrize("rate", [16_000, 11_025, 4_000])
def test_a_resampled_segment_has_its_length_and_differs_from_the_whole_at_its_edges_only(files, rate):
    path = files["wav", "FLOAT"]
    for seed in range(5):
        assert RandomSegment(rate, 0.77)(path, np.random.default_rng(seed)).shape == (round(0.77 * rate),)
    part = DecodeAudio(rate, offset=1, duration=1)(path)
    whole = DecodeAudio(rate)(path)[rate : rate + len(part)]
    edge = round(0.02 * rate)
    np.testing.assert_allclose(part[edge:-edge], whole[edge:-edge], atol=1e-4)


@pytest.mark.parametrize(("suffix", "subtype"), [("wav", "PCM_16"), ("flac", "PCM_16")])
def test_only_the_segment_of_a_long_file_is_read(tmp_path, suffix, subtype, monkeypatch):
    path = tmp_path / f"long.{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 60 * 16_000).astype(np.float32)
    soundfile.write(path, noise, 16_000, subtype=subtype)
    before = Path("/proc/self/io") if Path("/proc/self/io").exists() else None
    if before is None:
        pytest.skip("no count of the bytes that a process reads")

    def bytes_read():
        return int(before.read_text().split("rchar: ")[1].split()[0])

    DecodeAudio(16_000, offset=1, duration=1)(path)
    start = bytes_read()
    part = DecodeAudio(16_000, offset=40, duration=1)(path)
    assert bytes_read() - start < 300_000 < os.path.getsize(path) / 4  # noqa: PTH202
    np.testing.assert_allclose(part, noise[640_000:656_000], atol=2**-15)


DRIFTING = [("OPUS", "OGG"), ("VORBIS", "OGG"), ("MPEG_LAYER_III", "MP3")]


@pytest.fixture(scope="module")
def long_files(tmp_path_factory):
    """Three minutes and a half in the formats whose decoders do not seek exactly."""
    folder = tmp_path_factory.mktemp("long")
    t = np.arange(210 * RATE) / RATE
    noise = np.random.default_rng(0).standard_normal(len(t))
    samples = 0.3 * np.sin(2 * np.pi * (200 + np.sin(3 * t)) * t) * (1 + np.sin(7 * t)) / 2 + 0.02 * noise
    for subtype, kind in DRIFTING:
        with soundfile.SoundFile(folder / subtype, "w", RATE, 1, subtype=subtype, format=kind) as file:
            for start in range(0, len(samples), RATE):
                file.write(samples[start : start + RATE])
    return folder


@pytest.mark.parametrize("subtype", [subtype for subtype, _ in DRIFTING])
def test_long_files_without_exact_seeks_are_read_in_blocks_that_are_always_the_same(long_files, subtype):
    path = long_files / subtype
    whole = DecodeAudio(RATE)(path)
    stretches = [(0, 10), (55, 10), (59.9, 0.2), (61.3, 5), (115, 62), (170, 20), (200, 9), (209.5, 0.4)]
    parts = [DecodeAudio(RATE, offset=offset, duration=duration)(path) for offset, duration in stretches]
    for (offset, duration), part in zip(stretches, parts, strict=True):
        expected = whole[round(offset * RATE) : round((offset + duration) * RATE)]
        assert part.shape == expected.shape
        np.testing.assert_allclose(part, expected, atol=2e-2 if subtype == "OPUS" else 1e-6)
    np.testing.assert_array_equal(parts[0], whole[: 10 * RATE])
    # In another order, with nothing kept from before, and from bytes.
    blocks.KEPT.clear()
    for (offset, duration), part in [*zip(stretches, parts, strict=True)][::-1]:
        np.testing.assert_array_equal(DecodeAudio(RATE, offset=offset, duration=duration)(path), part)
        np.testing.assert_array_equal(DecodeAudio(RATE, offset=offset, duration=duration)(path.read_bytes()), part)


def test_windows_of_a_long_file_decode_each_block_once(long_files):
    path = str(long_files / "MPEG_LAYER_III")
    blocks.KEPT.clear()
    for offset in range(0, 206, 2):
        DecodeAudio(RATE)(Segment(path, offset, 4))
    assert blocks.KEPT.misses == 3


def test_a_file_written_anew_is_read_anew(tmp_path, long_files):
    path = tmp_path / "a.mp3"
    path.write_bytes((long_files / "MPEG_LAYER_III").read_bytes())
    before = DecodeAudio(RATE, offset=70, duration=1)(path)
    with soundfile.SoundFile(path, "w", RATE, 1, subtype="MPEG_LAYER_III", format="MP3") as file:
        for _ in range(150):
            file.write(np.zeros(RATE))
    after = DecodeAudio(RATE, offset=70, duration=1)(path)
    assert np.abs(before).max() > 0.1 and np.abs(after).max() < 1e-3


def test_a_file_that_was_cut_off_is_found_by_the_part_that_is_missing(tmp_path, files):
    data = files["flac", "PCM_16"].read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(DecodeError, match=r"a\.flac"):
        DecodeAudio(RATE, offset=2.5, duration=0.4)(tmp_path / "a.flac")
    data = files["wav", "PCM_16"].read_bytes()
    (tmp_path / "a.wav").write_bytes(data[: len(data) // 2])
    with pytest.raises(DecodeError, match=r"a\.wav: is cut off"):
        RandomSegment(RATE, 0.1)(tmp_path / "a.wav", np.random.default_rng(0))


def test_a_flac_from_a_pipe_is_cut_from_the_whole(tmp_path, files):
    data = bytearray(files["flac", "PCM_16"].read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # the number of samples: not known
    (tmp_path / "a.flac").write_bytes(data)
    whole = DecodeAudio(RATE)(files["flac", "PCM_16"])
    part = DecodeAudio(RATE, offset=1, duration=1)(tmp_path / "a.flac")
    np.testing.assert_array_equal(part, whole[RATE : 2 * RATE])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DecodeAudio(RATE, offset=-1), "offset=-1.0 must be at least 0 s"),
        (lambda: DecodeAudio(RATE, offset="1"), "offset='1' must be a finite number"),
        (lambda: DecodeAudio(RATE, duration=0), "duration=0 must be above 0"),
        (lambda: RandomSegment(RATE, -1), "duration=-1 must be above 0"),
        (lambda: RandomSegment(0, 1), "sample_rate=0 must be a positive integer"),
        (lambda: RandomSegment(RATE, 1e-5), "duration=1e-05 s must be at least one sample at 8000 Hz"),
        (lambda: RandomSegment(RATE, 1, mono=None), "mono=None must be one of True, False"),
    ],
)
def test_numbers_that_cannot_work_are_refused_by_name(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_a_file_that_ends_before_the_stretch_begins_is_named(files, tmp_path):
    path = files["wav", "PCM_16"]
    with pytest.raises(TransformError, match=r"PCM_16\.wav: ends after 3 s but is to be read from 5 s on"):
        DecodeAudio(RATE, offset=5)(path)
    with pytest.raises(TransformError, match="ends after 3 s"):
        DecodeAudio(RATE)(Segment(str(files["flac", "PCM_16"]), 3.0, 1.0))
    with pytest.raises(TransformError, match="says itself where to read"):
        DecodeAudio(RATE, offset=1)(Segment(str(path), 1.0, 1.0))
    with pytest.raises(SourceNotFound, match=r"nowhere\.wav"):
        RandomSegment(RATE, 1)(tmp_path / "nowhere.wav", np.random.default_rng(0))
    with pytest.raises(TransformError, match="takes a path, bytes or a binary file"):
        RandomSegment(RATE, 1)(3, np.random.default_rng(0))


def test_a_random_segment_has_a_fixed_length_and_comes_first():
    assert RandomSegment(RATE, 1).output_spec(Spec()) == Spec("waveform", RATE, False)
    assert RandomSegment(RATE, 1, mono=False).output_spec(Spec()) == Spec(None, RATE, False)
    with pytest.raises(ChainError, match="decoded already"):
        RandomSegment(RATE, 1).output_spec(Spec("waveform", RATE))
