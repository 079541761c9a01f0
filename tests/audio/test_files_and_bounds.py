"""What is opened as a file at all, under which names, and how much memory it may take."""

import os
import socket
import threading
import tracemalloc

import numpy as np
import pytest
import soundfile

from dataload import Chain, FileSource, Loader, SegmentSource
from dataload.chain_json import from_json, to_json
from dataload.errors import ConfigError, DecodeError
from dataload.transforms import DecodeAudio, RandomSegment

RATE = 8_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "aiff", "au", "caf", "w64"])
def test_a_name_that_is_no_utf8_is_as_good_as_any(tmp_path, suffix):
    name = os.fsencode(tmp_path) + b"/caf\xe9." + suffix.encode()
    soundfile.write(tmp_path / f"x.{suffix}", np.full(RATE, 0.1), RATE)
    os.rename(tmp_path / f"x.{suffix}", name)  # noqa: PTH104
    loader = Loader(FileSource(tmp_path, "*", audio=str), transforms={"audio": DecodeAudio(RATE)})
    assert [batch["audio"].shape for batch in loader] == [(1, RATE)]
    windows = SegmentSource(FileSource(tmp_path, "*"), 0.5)
    assert [len(DecodeAudio(RATE)(segment)) for segment in windows] == [4_000, 4_000]
    assert RandomSegment(RATE, 0.1)(os.fsdecode(name), np.random.default_rng(0)).shape == (800,)
    with open(name, "wb"), pytest.raises(DecodeError, match="is empty"):  # noqa: PTH123
        DecodeAudio(RATE)(os.fsdecode(name))


def refused(path):
    """Return the messages of all that reads files, none of which may wait."""
    messages = []

    def read():
        for make in (
            lambda: DecodeAudio(RATE)(path),
            lambda: DecodeAudio(RATE, offset=1)(path),
            lambda: SegmentSource([str(path)], 1.0),
        ):
            with pytest.raises(DecodeError) as caught:
                make()
            messages.append(str(caught.value))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), f"{path} is waited for"
    return messages


def test_a_fifo_is_no_file_whether_somebody_writes_to_it_or_not(tmp_path):
    path = tmp_path / "a.wav"
    os.mkfifo(path)
    assert all("a.wav: is a FIFO, a socket or a device" in message for message in refused(path))
    writer = os.open(path, os.O_RDWR)
    try:
        os.write(writer, b"RIFF")
        assert len(refused(path)) == 3
        assert os.read(writer, 4) == b"RIFF", "what others are to read was taken"
    finally:
        os.close(writer)


@pytest.mark.skipif(os.name != "posix", reason="devices are files on POSIX")
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_device_is_no_file(path):
    assert all("is a FIFO, a socket or a device" in message for message in refused(path))


def test_a_socket_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as found:
        found.bind("a.wav")
        assert all("is a FIFO, a socket or a device" in message for message in refused("a.wav"))


FORMATS = [("wav", "PCM_16"), ("flac", "PCM_16"), ("ogg", "VORBIS"), ("mp3", "MPEG_LAYER_III"), ("au", "ULAW")]


@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
def test_a_file_above_a_bound_is_an_error_that_names_it(tmp_path, suffix, subtype):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (20_000, 2)), RATE, subtype=subtype)
    with pytest.raises(DecodeError, match=rf"a\.{suffix}: has \d+ frames, above max_frames=10000"):
        DecodeAudio(RATE, max_frames=10_000)(path)
    with pytest.raises(DecodeError, match=rf"a\.{suffix}: takes \d+ bytes of memory .*above max_bytes=100000"):
        DecodeAudio(RATE, max_bytes=100_000)(path)
    # Before resampling there is room, behind it there is not.
    with pytest.raises(DecodeError, match="above max_bytes=400000"):
        DecodeAudio(10 * RATE, max_bytes=400_000)(path)
    assert len(DecodeAudio(RATE, max_frames=25_000, max_bytes=200_000)(path)) == pytest.approx(20_000, abs=2_400)


def test_a_part_within_bounds_of_a_file_above_them_is_read(tmp_path):
    for suffix in ("wav", "flac"):
        path = tmp_path / f"a.{suffix}"
        soundfile.write(path, np.zeros(50_000), RATE)
        assert len(DecodeAudio(RATE, max_frames=10_000, offset=1, duration=1)(path)) == RATE


def test_a_small_file_that_decodes_to_much_is_stopped_before_it_takes_memory(tmp_path):
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", RATE, 8, "PCM_16") as file:
        for _ in range(40):
            file.write(np.zeros((100_000, 8), np.int16))
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # a length that is not known is found out only by decoding
    for content in (path.read_bytes(), bytes(data)):
        path.write_bytes(content)
        tracemalloc.start()
        try:
            with pytest.raises(DecodeError, match="above max_bytes"):
                DecodeAudio(RATE, max_bytes=8 << 20)(path)
            assert tracemalloc.get_traced_memory()[1] < 24 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("options", [{"max_frames": 0}, {"max_bytes": -1}, {"max_frames": 1.5}, {"max_bytes": None}])
def test_a_bound_that_is_no_number_is_refused(options):
    with pytest.raises(ConfigError, match=rf"{next(iter(options))}=.* must be a positive integer"):
        DecodeAudio(RATE, **options)


def test_bounds_travel_in_json_and_a_chain_without_them_loads():
    decode = DecodeAudio(RATE, truncated="keep", max_frames=5)
    assert from_json(to_json(Chain([decode]))) == Chain([decode])
    assert repr(decode) == f"DecodeAudio({RATE}, truncated='keep', max_frames=5)"
