import hashlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from dataload.commands.tones import NAMES, SAMPLE_RATE, label_of, make_clip, make_tones

# Key, row frequency and column frequency in Hz, as printed in the recommendation.
KEYPAD = {
    "1": (697, 1209), "2": (697, 1336), "3": (697, 1477),
    "4": (770, 1209), "5": (770, 1336), "6": (770, 1477),
    "7": (852, 1209), "8": (852, 1336), "9": (852, 1477),
    "star": (941, 1209), "0": (941, 1336), "hash": (941, 1477),
}  # fmt: skip


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def audio_files(folders):
    return sorted([*folders.train.iterdir(), *folders.held_out.iterdir()])


def strongest(signal, choices):
    time = np.arange(len(signal)) / SAMPLE_RATE
    return max(choices, key=lambda hertz: abs(np.exp(-2j * np.pi * hertz * time) @ signal))


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    one, two = (make_tones(tmp_path / name, 120, seed=3) for name in ("one", "two"))
    assert digests(one.root) == digests(two.root)
    assert len(audio_files(one)) == 120


def test_another_seed_gives_another_data_set_in_a_folder_of_its_own(tmp_path):
    one, two = (make_tones(tmp_path, 60, seed=seed) for seed in (0, 1))
    assert one.root != two.root
    assert not set(digests(one.train).values()) & set(digests(two.train).values())


def test_every_file_holds_the_two_frequencies_of_the_key_in_its_name(tmp_path):
    for path in audio_files(make_tones(tmp_path, 240, seed=0)):
        signal, rate = soundfile.read(path)
        assert rate == SAMPLE_RATE
        heard = strongest(signal, (697, 770, 852, 941)), strongest(signal, (1209, 1336, 1477))
        assert heard == KEYPAD[NAMES[label_of(path)]], path.name


def test_files_last_from_0_2_to_0_8_seconds_and_are_not_clipped(tmp_path):
    seconds = []
    for path in audio_files(make_tones(tmp_path, 240, seed=0)):
        signal, rate = soundfile.read(path)
        seconds.append(len(signal) / rate)
        assert abs(signal).max() < 0.99
    assert 0.2 <= min(seconds) < 0.25
    assert 0.75 < max(seconds) <= 0.8


def test_noise_is_white_and_0_to_20_db_below_the_tone():
    clips = [make_clip(0, number) for number in range(300)]
    ratios = [10 * np.log10(np.mean(clip.tone**2) / np.mean(clip.noise**2)) for clip in clips]
    np.testing.assert_allclose(ratios, [clip.snr_db for clip in clips], atol=1e-9)
    assert 0 <= min(ratios) < 1
    assert 19 < max(ratios) <= 20
    noise = np.concatenate([clip.noise / clip.noise.std() for clip in clips])
    power = np.abs(np.fft.rfft(noise[: len(noise) // 1000 * 1000].reshape(-1, 1000), axis=1)[:, 1:-1]) ** 2
    assert power.mean(axis=0).std() < 0.1 * power.mean()


def test_a_file_is_its_clip_in_16_bits(tmp_path):
    folders = make_tones(tmp_path, 60, seed=5)
    clip = make_clip(5, 10)
    signal, _ = soundfile.read(folders.train / "star_0000.flac")
    np.testing.assert_allclose(signal, clip.tone + clip.noise, atol=1 / 2**15)


@pytest.mark.parametrize("files", [60, 200])
def test_both_folders_have_every_class_and_share_no_file(tmp_path, files):
    folders = make_tones(tmp_path, files, seed=0)
    for folder in (folders.train, folders.held_out):
        assert {label_of(path) for path in folder.iterdir()} == set(range(12))
    assert len(list(folders.held_out.iterdir())) == files // 5
    assert not set(digests(folders.train).values()) & set(digests(folders.held_out).values())


def test_every_class_comes_in_both_formats(tmp_path):
    kinds = {(label_of(path), path.suffix) for path in audio_files(make_tones(tmp_path, 120, seed=0))}
    assert kinds == {(label, suffix) for label in range(12) for suffix in (".wav", ".flac")}
    for path in audio_files(make_tones(tmp_path, 120, seed=0)):
        assert soundfile.info(path).format == path.suffix[1:].upper()


def test_an_interrupted_run_leaves_whole_files_only_and_the_next_one_finishes(tmp_path):
    killed = """
import os, sys
from pathlib import Path
from dataload.commands import tones

def write_half(unfinished, *rest, **options):
    written(unfinished, *rest, **options)
    if len(list(unfinished.parent.rglob("*.*"))) > 40:
        unfinished.write_bytes(unfinished.read_bytes()[:100])
        os._exit(9)

written, tones.soundfile.write = tones.soundfile.write, write_half
tones.make_tones(Path(sys.argv[1]), 60, seed=0)
"""
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path / "killed")], timeout=60)
    assert done.returncode == 9
    (folder,) = (tmp_path / "killed").iterdir()
    left = digests(folder)
    whole = digests(make_tones(tmp_path / "whole", 60, seed=0).root)
    assert 20 < len(left) < 60
    assert "complete" not in left
    assert {name for name in left if left[name] != whole.get(name)} == {"unfinished.wav"} & set(left) or {
        name for name in left if left[name] != whole.get(name)
    } == {"unfinished.flac"}
    assert digests(make_tones(tmp_path / "killed", 60, seed=0).root).items() >= whole.items()


def test_a_finished_data_set_is_found_and_not_written_again(tmp_path):
    before = {path: path.stat().st_mtime_ns for path in audio_files(make_tones(tmp_path, 60, seed=0))}
    steps = []
    after = {
        path: path.stat().st_mtime_ns
        for path in audio_files(make_tones(tmp_path, 60, seed=0, on_file=lambda: steps.append(1)))
    }
    assert after == before
    assert not steps


def test_a_file_removed_from_a_finished_data_set_comes_back(tmp_path):
    folders = make_tones(tmp_path, 60, seed=0)
    whole = digests(folders.root)
    (folders.train / "star_0000.flac").unlink()
    assert digests(make_tones(tmp_path, 60, seed=0).root) == whole
